#!/usr/bin/env bash
# A tour: a server of its own with a private OVN, what it does, and everything gone afterwards.
set -euo pipefail
cd "$(dirname "$0")/.."

bold= plain=
[ ! -t 1 ] || { bold=$(printf '\033[1m') plain=$(printf '\033[0m'); }
dir=$(mktemp -d /tmp/northbound-demo.XXXXXX) # short: sockets are in it
server=
finish() {
	status=$?
	trap - EXIT INT TERM
	if [ -n "$server" ]; then
		kill -TERM "$server" 2>/dev/null || true
		wait "$server" || true
	fi
	if [ "$status" -ne 0 ]; then
		echo "The demo failed. The server's log:" >&2
		tail -n 50 "$dir/log" >&2 || true
	fi
	rm -rf "$dir"
	exit "$status"
}
trap finish EXIT
trap 'exit 130' INT TERM

export PATH="$PWD/bin:$PATH" KUBECONFIG="$dir/data/admin.kubeconfig" KUBECACHEDIR="$dir/cache"
say() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
run() {
	printf '%s$ %s%s\n' "$bold" "$*" "$plain"
	"$@"
}
# manifest writes its input to a file and shows it.
manifest() {
	cat >"$dir/$1"
	printf '%s$ cat %s%s\n' "$bold" "$1" "$plain"
	cat "$dir/$1"
}
# refused runs what must fail, and shows why it did.
refused() {
	printf '%s$ %s%s\n' "$bold" "$*" "$plain"
	if "$@" 2>&1; then
		echo "this should have been refused" >&2
		return 1
	fi
}
nbctl() { run ovn-nbctl --db="unix:$dir/data/nb.sock" "$@"; }

say "Starting northbound-apiserver with a private ovsdb-server and ovn-northd"
bin/northbound-apiserver --standalone --data-dir="$dir/data" --secure-port=0 --external-gateway-switch=external204 >"$dir/log" 2>&1 &
server=$!
until kubectl get --raw /readyz/nb >/dev/null 2>&1; do
	kill -0 "$server" || exit 1
	sleep 0.1
done
run kubectl wait --for=create subnet/ovn-default subnet/join --timeout=30s

say "Two VPCs with the same addresses: the manifests of Kube-OVN's guide"
run kubectl apply -f artifacts/samples/vpc.yaml -f artifacts/samples/vpc-subnets.yaml
run kubectl get vpc,subnet

say "When apply returned, they were in the Northbound database"
nbctl show

say "A subnet that conflicts is refused at once, and the refusal says with what it conflicts"
manifest net3.yaml <<'YAML'
apiVersion: kubeovn.io/v1
kind: Subnet
metadata:
  name: net3
spec:
  vpc: test-vpc-1
  cidrBlock: 10.0.0.0/16
YAML
refused kubectl create -f "$dir/net3.yaml"

say "A dry run answers with the address that would be allocated, and writes nothing"
manifest ip.yaml <<'YAML'
apiVersion: kubeovn.io/v1
kind: IP
metadata:
  name: busybox.ns1
spec:
  subnet: net1
  namespace: ns1
  podName: busybox
  nodeName: node1
YAML
run kubectl create --dry-run=server -f "$dir/ip.yaml" -o jsonpath='{.spec.v4IpAddress}  {.spec.macAddress}{"\n"}'

say "The real one is a switch port with its address, in one transaction"
run kubectl create -f "$dir/ip.yaml"
run kubectl get ip
nbctl lsp-get-addresses busybox.ns1

say "Reserved addresses"
run kubectl apply -f artifacts/samples/vip-dynamic.yaml -f artifacts/samples/vip-static.yaml -f artifacts/samples/vip-switch-lb.yaml
run kubectl get vip
manifest another.yaml <<'YAML'
apiVersion: kubeovn.io/v1
kind: Vip
metadata:
  name: another
spec:
  subnet: ovn-default
  v4ip: 10.16.0.121
YAML
refused kubectl create -f "$dir/another.yaml"

say "Routes, applied by another manager who owns just them"
run kubectl apply --server-side --field-manager=routing -f artifacts/samples/vpc-static-routes.yaml
nbctl lr-route-list test-vpc-1

say "A VPC with a way out: its gateway port, routes and translations come with the objects, and go with them"
manifest node1.yaml <<'YAML'
apiVersion: kubeovn.io/v1
kind: Chassis
metadata:
  name: node1
spec:
  chassisID: node1
  encapIPs: [192.0.2.1]
  externalGateway: true
YAML
run kubectl apply -f "$dir/node1.yaml" -f artifacts/samples/ovn-external-network.yaml
# The sample begins with a Namespace, of which a server without Kubernetes knows nothing.
sed '1,/^---$/d' artifacts/samples/ovn-vpc.yaml >"$dir/vpc1.yaml"
run kubectl apply -f "$dir/vpc1.yaml" -f artifacts/samples/ovn-snat-subnet.yaml -f artifacts/samples/ovn-fip-vip.yaml
run kubectl get oeip,osnat,ofip
nbctl lr-route-list vpc1
nbctl lr-nat-list vpc1

say "A VPC in use is not torn from under its subnets: it becomes Terminating, and goes with the last of them"
run kubectl delete vpc test-vpc-1 --wait=false
run kubectl get vpc test-vpc-1 -o jsonpath='{.metadata.name} deleted at {.metadata.deletionTimestamp}, waits for {.status.subnets}{"\n"}'
run kubectl delete ip busybox.ns1
run kubectl delete subnet net1
run kubectl wait --for=delete vpc/test-vpc-1 --timeout=10s
run kubectl get kubeovn

say "That was the tour. Everything stops now; 'make run' leaves a server running."
