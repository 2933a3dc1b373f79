#!/bin/bash
# Builds Kubernetes' end-to-end tests and what they run in pods into ${XDG_CACHE_HOME:-~/.cache}/northbound/e2e-<version>, and prints
# that folder: the tests and agnhost from this folder's go.mod, sample-apiserver from that of the folder of its name, because the
# tests want an old one. Programs that were built from the same go.mod and go.sum are left alone. The first build takes some
# 10 minutes on two cores.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"
version=$(awk '{ sub(/^require /, "") } $1 == "k8s.io/kubernetes" { print $2; exit }' go.mod)
dir=${XDG_CACHE_HOME:-$HOME/.cache}/northbound/e2e-$version
mkdir -p "$dir"
exec 9>"$dir/.lock"
flock 9
export CGO_ENABLED=0 GOWORK=off
flags=(-mod=readonly -buildvcs=false -trimpath -ldflags "-s -w")

# build PROGRAM PACKAGE COMMAND...: from the module in the current folder.
build() {
  local program=$1 package=$2 key
  shift 2
  key=$({ cat go.mod go.sum; go env GOVERSION GOARCH; } | sha256sum | cut -d' ' -f1)
  if [ -x "$dir/$program" ] && [ "$(cat "$dir/.$program.key" 2>/dev/null)" = "$key" ]; then return; fi
  echo "building $program" >&2
  go "$@" "${flags[@]}" -o "$dir/.$program.new" "$package"
  mv "$dir/.$program.new" "$dir/$program"
  echo "$key" >"$dir/.$program.key"
}
build e2e.test k8s.io/kubernetes/test/e2e test -c
build agnhost k8s.io/kubernetes/test/images/agnhost build
cd ../sample-apiserver
build sample-apiserver k8s.io/sample-apiserver build
echo "$dir"
