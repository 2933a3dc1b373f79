#!/bin/bash
# Runs Kubernetes' own end-to-end tests that a network plugin and an aggregated API are judged by, on a cluster of their own
# ("make test-e2e"). Needs root. usage: test-e2e.sh [flags of ginkgo, as -ginkgo.focus=DNS]
# The images that the tests ask for are made here, under the names that they have in the tests, because nothing of the cluster
# reaches a registry.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
[ "$(id -u)" = 0 ] || { echo "test-e2e.sh: must run as root (namespaces)" >&2; exit 1; }

NORTHBOUND_CLUSTER_PROGRAMS=$(hack/kubernetes/build.sh)
export NORTHBOUND_CLUSTER_PROGRAMS
programs=$(hack/kubernetes/e2e/build.sh)
tmp=$(mktemp -d "${TMPDIR:-/tmp}/northbound-e2e-XXXXXX")
name=${CLUSTER:-e$$}
lab=("$PWD/bin/lab" -name "$name")
cleanup() {
  status=$?
  [ -n "${CLUSTER-}" ] || "${lab[@]}" down || status=1
  rm -rf "$tmp"
  exit "$status"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

# image NAME REFERENCE: one of hack/images under the name that the tests use.
image() {
  local tag=${2##*:} repository=${2%/*}
  go run ./hack/images -bin "$programs" -out "$tmp" -repository "$repository" -tag "$tag" "$1"
}
while read -r reference; do
  case $reference in
  registry.k8s.io/e2e-test-images/agnhost:*) image agnhost "$reference" ; mv "$tmp/agnhost.tar" "$tmp/agnhost-${reference##*:}.tar" ;;
  registry.k8s.io/e2e-test-images/busybox:*) image busybox "$reference" ; mv "$tmp/busybox.tar" "$tmp/busybox-${reference##*:}.tar" ;;
  esac
done < <("$programs/e2e.test" --list-images)

[ -n "${CLUSTER-}" ] || "${lab[@]}" up -nodes 2
for node in node1 node2; do
  for archive in "$tmp"/*.tar; do
    "${lab[@]}" exec "$node" ctr --namespace=k8s.io images import - <"$archive" >/dev/null
  done
done

focus='\[sig-network\] (Networking Granular Checks: Pods|Services should (serve|provide|be able to switch session affinity for service with type clusterIP|have session affinity work for service with type clusterIP|find a service)|DNS should (provide DNS for (the cluster|services|pods)|resolve DNS of partial))'
focus+='|\[sig-api-machinery\] (Watchers|Servers with support for (Table transformation|API chunking))'
[ $# -gt 0 ] || set -- "-ginkgo.focus=$focus" '-ginkgo.skip=\[(Serial|Slow|Disruptive|Feature:[^]]*|FeatureGate:[^]]*|Alpha|Beta)\]|SCTP'
"${lab[@]}" exec cp sh -c 'exec "$0" -kubeconfig="$KUBECONFIG" "$@"' "$programs/e2e.test" -provider=skeleton -report-dir="$tmp" \
  -disable-log-dump -num-nodes=2 -ginkgo.timeout=1h -ginkgo.no-color "$@"
