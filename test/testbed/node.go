package testbed

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
)

// nodePort is the interface of a node in the Subnet of the nodes.
const nodePort = "ovn0"

// Node connects a host with the default Vpc for the time of the test, as its agent does, and returns the host as a station with one
// more address.
func (s *Scenario) Node(h *Host, address string) *Station {
	s.t.Helper()
	station := &Station{Name: h.Name, namespace: h.namespace}
	ip, err := s.API.IPs().Create(s.t.Context(), &v1.IP{
		ObjectMeta: metav1.ObjectMeta{Name: v1.NodePort(h.Name)},
		Spec:       v1.IPSpec{Subnet: v1.JoinSubnet, NodeName: h.Name},
	}, metav1.CreateOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { s.remove(s.resource("IP"), "IP", ip.Name) })
	s.t.Cleanup(func() {
		err := errors.Join(station.StopServing(), h.ovs.vsctl(s.after(), "--if-exists", "del-port", nodePort),
			h.namespace.DeleteAddress("lo", netip.MustParsePrefix(address)))
		if err != nil {
			s.t.Error(err)
		}
	})
	err = errors.Join(s.plugNode(h, ip), h.namespace.AddAddress("lo", netip.MustParsePrefix(address)), station.Serve())
	if err != nil {
		s.t.Fatalf("node %s: %v", h.Name, err)
	}
	return station
}

func (s *Scenario) plugNode(h *Host, ip *v1.IP) error {
	mac, err := net.ParseMAC(ip.Spec.MacAddress)
	if err != nil {
		return err
	}
	if err := h.ovs.vsctl(s.t.Context(), "add-port", "br-int", nodePort, "--",
		"set", "interface", nodePort, "type=internal", fmt.Sprintf("external_ids:iface-id=%q", ip.Name)); err != nil {
		return err
	}
	setMAC := func(l netlink.Link) error { return h.namespace.links.LinkSetHardwareAddr(l, mac) }
	setMTU := func(l netlink.Link) error { return h.namespace.links.LinkSetMTU(l, podMTU) }
	if err := errors.Join(h.namespace.change(nodePort, setMAC), h.namespace.change(nodePort, setMTU), h.namespace.up(nodePort)); err != nil {
		return err
	}
	join, err := s.API.Subnets().Get(s.t.Context(), ip.Spec.Subnet, metav1.GetOptions{})
	if err != nil {
		return err
	}
	pods, err := s.API.Subnets().Get(s.t.Context(), v1.DefaultSubnet, metav1.GetOptions{})
	if err != nil {
		return err
	}
	own, err := netip.ParseAddr(ip.Spec.V4IPAddress)
	if err != nil {
		return err
	}
	prefixes, err := ipam.ParsePrefixes(join.Spec.CIDRBlock)
	if err != nil {
		return err
	}
	gateway, err := netip.ParseAddr(join.Spec.Gateway)
	if err != nil {
		return err
	}
	behind, err := ipam.ParsePrefixes(pods.Spec.CIDRBlock)
	if err != nil {
		return err
	}
	if err := h.namespace.AddAddress(nodePort, netip.PrefixFrom(own, prefixes.V4.Bits())); err != nil {
		return err
	}
	if err := h.namespace.AddRoute(behind.V4, gateway); err != nil {
		return err
	}
	return h.ovs.vsctl(s.t.Context(), "wait-until", "interface", nodePort, "external_ids:ovn-installed=true")
}

// AddHostRoute sends packets of a node for one more Subnet of the default Vpc through its port, until the port goes.
func (s *Scenario) AddHostRoute(h *Host, prefix string) error {
	join, err := s.API.Subnets().Get(s.t.Context(), v1.JoinSubnet, metav1.GetOptions{})
	if err != nil {
		return err
	}
	gateway, err := netip.ParseAddr(join.Spec.Gateway)
	if err != nil {
		return err
	}
	return h.namespace.AddRoute(netip.MustParsePrefix(prefix), gateway)
}
