#!/bin/bash
# Tests Northbound as the network of a Kubernetes cluster of two nodes ("make test-cluster"). Needs root.
# usage: test-cluster.sh [flags of the test, as -test.run=TestServices]
# The cluster is brought up for the tests and removed after them, whatever becomes of them. With CLUSTER=NAME they run on a
# cluster that is there ("make cluster"), which stays.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
[ "$(id -u)" = 0 ] || { echo "test-cluster.sh: must run as root (namespaces)" >&2; exit 1; }

NORTHBOUND_CLUSTER_PROGRAMS=$(hack/kubernetes/build.sh)
export NORTHBOUND_CLUSTER_PROGRAMS
tmp=$(mktemp -d "${TMPDIR:-/tmp}/northbound-cluster-XXXXXX")
lab=("$PWD/bin/lab" -name "${CLUSTER:-t$$}")
cleanup() {
  status=$?
  [ "$status" = 0 ] || "${lab[@]}" kubectl get pods -A -o wide >&2 || true
  [ -n "${CLUSTER-}" ] || "${lab[@]}" down || status=1
  rm -rf "$tmp"
  exit "$status"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

go test -c -tags=cluster -o "$tmp/cluster.test" ./test/cluster
[ -n "${CLUSTER-}" ] || "${lab[@]}" up -nodes 2
NORTHBOUND_LAB_COMMAND="${lab[*]}" "${lab[@]}" exec cp "$tmp/cluster.test" -test.v -test.timeout=10m -test.parallel=4 "$@"
