#!/bin/bash
# Builds programs of Kubernetes (and etcd) from this folder's go.mod into ${XDG_CACHE_HOME:-~/.cache}/northbound/k8s-<version>,
# and prints that folder; on the standard error, how far it is. Programs that were built from the same go.mod, go.sum and flags are left alone. The first build of
# a control plane takes 10 to 20 minutes on two cores.
# usage: build.sh [PROGRAM...]   by default all: etcd kube-apiserver kube-controller-manager kube-scheduler kubelet
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"
[ $# -gt 0 ] || set -- etcd kube-apiserver kube-controller-manager kube-scheduler kubelet

version=$(awk '{ sub(/^require /, "") } $1 == "k8s.io/kubernetes" { print $2; exit }' go.mod)
[[ $version =~ ^v([0-9]+)\.([0-9]+)\. ]] || { echo "build.sh: no version of k8s.io/kubernetes in go.mod" >&2; exit 1; }
major=${BASH_REMATCH[1]} minor=${BASH_REMATCH[2]}

# The components report v0.0.0-master unless the version is stamped into both packages that keep it.
ldflags="-s -w"
for pkg in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
  ldflags+=" -X $pkg.gitVersion=$version -X $pkg.gitMajor=$major -X $pkg.gitMinor=$minor -X $pkg.gitTreeState=clean"
done
flags=(-mod=readonly -buildvcs=false -trimpath -ldflags "$ldflags")
export CGO_ENABLED=0 GOWORK=off

dir=${XDG_CACHE_HOME:-$HOME/.cache}/northbound/k8s-$version
mkdir -p "$dir"
exec 9>"$dir/.lock"
flock 9   # two builds at once would need twice the memory, which a small machine does not have
key=$({ cat go.mod go.sum; go env GOVERSION GOARCH; echo "${flags[*]}"; } | sha256sum | cut -d' ' -f1)

# build builds a program and tells, at least every 10 seconds, how many of its packages are built; those that go's cache has are not
# built again. Everything else that go says is passed on.
build() {
  local program=$1 package=$2 total built=0 told=$SECONDS line status ended=0
  echo "building $program $version" >&2
  total=$(go list -mod=readonly -deps "$package" | wc -l)
  while :; do
    status=0
    IFS= read -r -t 10 line || status=$?
    if [ "$status" = 0 ]; then
      case $line in
      "exit "*) ended=${line#exit }; break ;;
      *[\ :]*) echo "$line" >&2 ;; # no package
      *) built=$((built + 1)) ;;
      esac
    elif [ "$status" -le 128 ]; then
      ended=1   # the end of what there is to read
      break
    fi
    if [ $((SECONDS - told)) -ge 5 ]; then
      told=$SECONDS
      echo "building $program $version: $built of at most $total packages" >&2
    fi
  done < <(
    status=0
    go build -v "${flags[@]}" -o "$dir/.$program.new" "$package" 2>&1 || status=$?
    echo "exit $status"
  )
  return "$ended"
}

for program; do
  case $program in
    etcd) package=go.etcd.io/etcd/server/v3 ;;
    *) package=k8s.io/kubernetes/cmd/$program ;;
  esac
  if [ -x "$dir/$program" ] && [ "$(cat "$dir/.$program.key" 2>/dev/null)" = "$key" ]; then
    continue
  fi
  build "$program" "$package"
  mv "$dir/.$program.new" "$dir/$program"   # a rename: a cluster that is running keeps its program
  echo "$key" >"$dir/.$program.key"
done
echo "$dir"
