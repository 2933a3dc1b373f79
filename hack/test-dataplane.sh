#!/bin/bash
# Tests what the Northbound rows do to packets ("make test-dataplane"): real ones, between network namespaces on three hosts that OVN
# connects. Needs root. OVN=25.03 tests with that release instead of the system's.
# usage: test-dataplane.sh [flags of "go test", as -run=TestFloating -v]
#
# The test binary runs itself again in namespaces of its own of networks, processes and mounts: nothing of the system changes, and
# when it ends, however it ends, the kernel ends all that it started and removes all networks.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
[ "$(id -u)" = 0 ] || { echo "test-dataplane.sh: must run as root (network namespaces)" >&2; exit 1; }
case ${OVN-} in
"") ;;
25.03) hack/fetch-ovn.sh trixie ;;
*) echo "test-dataplane.sh: OVN=$OVN: 25.03 can be fetched, others are not known" >&2; exit 1 ;;
esac
exec go test -race -count=1 -timeout=20m ./test/dataplane "$@"
