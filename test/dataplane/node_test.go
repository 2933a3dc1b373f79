package dataplane

import "testing"

// outOfCluster is an address that every node has, so that an answer tells at which node a packet left the cluster.
const outOfCluster = "192.0.2.1"

func TestPodsOfTheDefaultVpcAndNodesReachEachOther(t *testing.T) {
	s := bed.Begin(t)
	for _, h := range s.Hosts {
		s.Node(h, outOfCluster+"/32")
	}
	a, b := s.Pod(s.Hosts[0], "a.default", "ovn-default"), s.Pod(s.Hosts[1], "b.default", "ovn-default")
	s.Reach(a, b.V4(), "b sees "+a.V4())

	// A distributed Subnet: each pod leaves at its own node.
	s.Expect(a, "tcp "+outOfCluster+":80", "n1 sees "+a.V4())
	s.Expect(b, "tcp "+outOfCluster+":80", "n2 sees "+b.V4())

	// Nodes are reached at their own addresses from everywhere.
	s.Expect(a, "tcp "+s.Hosts[0].EncapIP.String()+":80", "n1 sees "+a.V4())
	s.Expect(a, "tcp "+s.Hosts[2].EncapIP.String()+":80", "n3 sees "+a.V4())

	// A centralized Subnet: all pods leave at its gateway node.
	s.Apply(`{kind: Subnet, metadata: {name: central}, spec: {cidrBlock: 10.17.0.0/24, gatewayType: centralized, gatewayNode: "n3"}}`)
	for _, h := range s.Hosts {
		check(t, s.AddHostRoute(h, "10.17.0.0/24"))
	}
	c := s.Pod(s.Hosts[0], "c.default", "central")
	s.Reach(c, b.V4(), "b sees "+c.V4())
	s.Expect(c, "tcp "+outOfCluster+":80", "n3 sees "+c.V4())
	s.Patch("Subnet", "central", `{"spec":{"gatewayNode":"n2"}}`)
	s.Expect(c, "tcp "+outOfCluster+":80", "n2 sees "+c.V4())
}
