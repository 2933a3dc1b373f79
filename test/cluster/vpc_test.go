//go:build cluster

package cluster

import (
	"testing"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
)

func TestTwoVpcsOfOnePrefixAreWholeAndKnowNothingOfEachOther(t *testing.T) {
	t.Parallel()
	const server, onlyInFirst = "10.0.1.10", "10.0.1.20"
	vpcs := []string{vpc(t), vpc(t)}
	subnets, farther := make([]string, 2), make([]string, 2)
	for i, v := range vpcs {
		subnets[i] = subnet(t, v1.SubnetSpec{Vpc: v, CIDRBlock: "10.0.1.0/24"})
		farther[i] = subnet(t, v1.SubnetSpec{Vpc: v, CIDRBlock: "10.0.2.0/24"})
	}
	ns := namespace(t)
	start(t, ns, "server-0", node1, in(subnets[0], v1.AnnotationIPAddress, server))
	start(t, ns, "server-1", node2, in(subnets[1], v1.AnnotationIPAddress, server))
	start(t, ns, "only", node2, in(subnets[0], v1.AnnotationIPAddress, onlyInFirst))
	start(t, ns, "near-0", node2, in(subnets[0]))
	start(t, ns, "near-1", node1, in(subnets[1]))
	start(t, ns, "far-0", node1, in(farther[0]))
	start(t, ns, "far-1", node2, in(farther[1]))
	for _, pod := range []string{"server-0", "server-1", "only", "near-0", "near-1", "far-0", "far-1"} {
		ready(t, ns, pod)
	}
	for _, from := range []string{"near", "far"} {
		answers(t, ns, from+"-0", "http://"+server+":8080/", "server-0")
		answers(t, ns, from+"-1", "http://"+server+":8080/", "server-1")
		pings(t, ns, from+"-0", onlyInFirst)
		silent(t, ns, from+"-1", onlyInFirst)
		// A custom Vpc has nothing to do with the cluster's network.
		silent(t, ns, from+"-0", nodes[node1])
	}
}
