#!/bin/bash
# Tests Northbound behind a real kube-apiserver, etcd and kube-controller-manager, and the controller between the two
# ("make test-aggregated"). Needs root.
# usage: test-aggregated.sh [flags of "go test", as -run=TestDiscovery]
# NORTHBOUND_PROGRAMS is the folder of the programs to test (northbound-apiserver, northbound-controller, kubectl) instead of those of this checkout.
#
# What is missing is built: the control plane once (10 to 20 minutes on two cores, cached), Northbound when make says so.
# The test binary is the first process of a namespace of process ids and of a network namespace without a way out: when
# it ends, however it ends, the kernel ends all that it started and removes both.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
[ "$(id -u)" = 0 ] || { echo "test-aggregated.sh: must run as root (network namespaces)" >&2; exit 1; }

if [ -z "${NORTHBOUND_PROGRAMS-}" ]; then
  make --no-print-directory bin/northbound-apiserver bin/northbound-controller bin/kubectl
  NORTHBOUND_PROGRAMS=$PWD/bin
fi
NORTHBOUND_CLUSTER_PROGRAMS=$(hack/kubernetes/build.sh etcd kube-apiserver kube-controller-manager)
# All files of the test lie in one folder, which is kept when it fails.
TMPDIR=$(mktemp -d "${TMPDIR:-/tmp}/northbound-aggregated-XXXXXX")
export NORTHBOUND_CLUSTER_PROGRAMS NORTHBOUND_PROGRAMS TMPDIR

status=0
go test -race -count=1 -p=1 -timeout=10m -tags=aggregated \
  -exec "unshare --net --pid --mount-proc --fork --kill-child" ./test/aggregated ./test/controller "$@" || status=$?

if left=$(pgrep -af "$TMPDIR"); then
  echo "test-aggregated.sh: still running: $left" >&2
  status=1
fi
[ "$status" != 0 ] || rm -rf "$TMPDIR"
exit "$status"
