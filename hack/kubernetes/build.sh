#!/bin/bash
# Builds programs of Kubernetes (and etcd) from this folder's go.mod into ${XDG_CACHE_HOME:-~/.cache}/northbound/k8s-<version>,
# and prints that folder. Programs that were built from the same go.mod, go.sum and flags are left alone. The first build of
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

for program; do
  case $program in
    etcd) package=go.etcd.io/etcd/server/v3 ;;
    *) package=k8s.io/kubernetes/cmd/$program ;;
  esac
  if [ -x "$dir/$program" ] && [ "$(cat "$dir/.$program.key" 2>/dev/null)" = "$key" ]; then
    continue
  fi
  echo "building $program $version" >&2
  nice -n 15 go build "${flags[@]}" -o "$dir/.$program.new" "$package"
  mv "$dir/.$program.new" "$dir/$program"   # a rename: a cluster that is running keeps its program
  echo "$key" >"$dir/.$program.key"
done
echo "$dir"
