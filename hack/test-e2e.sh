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

# The images that specs of the focus below run, of those that the tests name. An archive for each: one may have several names.
mkdir "$tmp/bin" "$tmp/images"
ln -s "$programs"/{agnhost,sample-apiserver} "$NORTHBOUND_CLUSTER_PROGRAMS/etcd" "$PWD/bin/coredns" "$tmp/bin"
go build -o "$tmp/make" ./hack/images
while read -r reference; do
  [[ $reference =~ ^registry\.k8s\.io/(e2e-test-images/(agnhost|busybox|glibc-dns-testing|sample-apiserver)|etcd): ]] || continue
  image=${reference##*/} image=${image%%:*}
  "$tmp/make" -bin "$tmp/bin" -out "$tmp" -repository "${reference%/*}" -tag "${reference##*:}" "$image"
  mv "$tmp/$image.tar" "$tmp/images/${reference//[\/:]/-}.tar"
done < <("$programs/e2e.test" --list-images)

[ -n "${CLUSTER-}" ] || "${lab[@]}" up -nodes 2
for node in node1 node2; do
  for archive in "$tmp"/images/*.tar; do
    "${lab[@]}" exec "$node" ctr --namespace=k8s.io images import - <"$archive" >/dev/null
  done
done

focus='\[sig-network\] (Networking Granular Checks: Pods|DNS (should|HostNetwork)|Services should (serve|provide|be able to switch session affinity for service with type clusterIP|have session affinity work for service with type clusterIP|find a service))'
focus+='|\[sig-api-machinery\] (Aggregator|Watchers|Servers with support for (Table transformation|API chunking))'
[ $# -gt 0 ] || set -- "-ginkgo.focus=$focus" '-ginkgo.skip=\[(Serial|Slow|Disruptive|Provider:[^]]*|Feature:[^]]*|FeatureGate:[^]]*|Alpha|Beta)\]|SCTP'
"${lab[@]}" exec cp sh -c 'exec "$0" -kubeconfig="$KUBECONFIG" "$@"' "$programs/e2e.test" -provider=skeleton -report-dir="$tmp" \
  -kubectl-path="$PWD/bin/kubectl" \
  -disable-log-dump -num-nodes=2 -ginkgo.timeout=1h -ginkgo.no-color "$@"
