#!/bin/bash
# Builds Kubernetes' end-to-end tests and what they run in pods (agnhost) from this folder's go.mod into
# ${XDG_CACHE_HOME:-~/.cache}/northbound/e2e-<version>, and prints that folder. Programs that were built from the same go.mod and
# go.sum are left alone. The first build takes some 10 minutes on two cores.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"
version=$(awk '{ sub(/^require /, "") } $1 == "k8s.io/kubernetes" { print $2; exit }' go.mod)
dir=${XDG_CACHE_HOME:-$HOME/.cache}/northbound/e2e-$version
mkdir -p "$dir"
exec 9>"$dir/.lock"
flock 9
key=$({ cat go.mod go.sum; go env GOVERSION GOARCH; } | sha256sum | cut -d' ' -f1)
export CGO_ENABLED=0 GOWORK=off
flags=(-mod=readonly -buildvcs=false -trimpath -ldflags "-s -w")
if [ "$(cat "$dir/.key" 2>/dev/null)" != "$key" ]; then
  echo "building e2e.test and agnhost $version" >&2
  nice -n 15 go test -c "${flags[@]}" -o "$dir/e2e.test" k8s.io/kubernetes/test/e2e
  nice -n 15 go build "${flags[@]}" -o "$dir/agnhost" k8s.io/kubernetes/test/images/agnhost
  echo "$key" >"$dir/.key"
fi
echo "$dir"
