package dataplane

import (
	"testing"

	"github.com/northbound-ovn/northbound/test/testbed"
)

func TestAVipMovesBetweenItsPodsAndToNoOther(t *testing.T) {
	s := bed.Begin(t)
	s.Apply(twoSubnets)
	s.Apply(`{kind: Vip, metadata: {name: vip-aap}, spec: {subnet: net1, namespace: ns1, selector: ["app: aap1"]}}`)
	carries := testbed.Carrying("vip-aap")
	a, b := s.Pod(s.Hosts[0], "a.ns1", "net1", carries), s.Pod(s.Hosts[1], "b.ns1", "net1", carries)
	stranger := s.Pod(s.Hosts[1], "stranger.ns1", "net1")
	near, far := s.Pod(s.Hosts[2], "near.ns1", "net1"), s.Pod(s.Hosts[2], "far.ns1", "net2")
	v4, v6 := s.Vip("vip-aap")
	for _, vip := range []struct{ address, prefix, near, far string }{{v4, v4 + "/24", near.V4(), far.V4()}, {v6, v6 + "/64", near.V6(), far.V6()}} {
		server := vip.address
		check(t, a.AddAddress(vip.prefix))
		check(t, a.Announce(server))
		s.Reach(near, server, "a sees "+vip.near)
		s.Reach(far, server, "a sees "+vip.far)

		check(t, a.DeleteAddress(vip.prefix))
		check(t, b.AddAddress(vip.prefix))
		check(t, b.Announce(server))
		s.Reach(far, server, "b sees "+vip.far)
		s.Reach(near, server, "b sees "+vip.near)

		check(t, stranger.AddAddress(vip.prefix))
		check(t, stranger.Announce(server))
		s.Settle()
		s.Reach(far, server, "b sees "+vip.far)
		s.Reach(near, server, "b sees "+vip.near)
	}
}
