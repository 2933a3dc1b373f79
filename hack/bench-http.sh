#!/bin/bash
# Measures a standalone server through HTTP, in turns with custom resources of a real kube-apiserver ("make bench-http").
# Needs root. usage: bench-http.sh [flags of test/bench/http, as -only=crd]
# NORTHBOUND_PROGRAMS is the folder of a northbound-apiserver to measure instead of this checkout's.
# TMPDIR decides which disk is measured: both databases sync every write to it.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
[ "$(id -u)" = 0 ] || { echo "bench-http.sh: must run as root (network namespaces)" >&2; exit 1; }

if [ -z "${NORTHBOUND_PROGRAMS-}" ]; then
  make --no-print-directory bin/northbound-apiserver
  NORTHBOUND_PROGRAMS=$PWD/bin
fi
programs=$(hack/kubernetes/build.sh etcd kube-apiserver kube-controller-manager)
TMPDIR=$(mktemp -d "${TMPDIR:-/tmp}/northbound-bench-XXXXXX")
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
go build -o "$TMPDIR/bench" ./test/bench/http
# See test-aggregated.sh: nothing outlives the program, and nothing of it reaches the network.
unshare --net --pid --mount-proc --fork --kill-child -- \
  "$TMPDIR/bench" -cluster-programs="$programs" -programs="$NORTHBOUND_PROGRAMS" "$@"
