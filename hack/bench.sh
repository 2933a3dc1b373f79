#!/bin/bash
# Compares the engine with etcd3, the storage of kube-apiserver, through the same interface ("make bench").
# usage: bench.sh [flags of "go test"; default: -bench=. -benchtime=9x], and -database=standalone for the other kind of NB
# TMPDIR decides which disk is measured: both databases sync every write to it.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../test/bench/etcd"
[ $# -gt 0 ] || set -- -bench=. -benchtime=9x
exec go test -run='^$' -timeout=60m "$@" .
