package testbed

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"

	"github.com/vishvananda/netlink"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
)

// Pod is a station whose interface is that of an IP object, plugged on a host.
type Pod struct {
	Station
	Host *Host
	IP   *v1.IP

	port string // the host's end of the cable
}

// podMTU leaves room for the tunnel's headers.
const podMTU = 1400

var lastPod atomic.Int32

// Pod makes a pod, "<name>.<namespace>", on a host: first its IP object, which says address and MAC, then what a CNI plugin does. It
// returns when the port is installed. The IP may be completed before its creation.
func (s *Scenario) Pod(h *Host, name, subnet string, complete ...func(*v1.IP)) *Pod {
	s.t.Helper()
	p := s.Unconfigured(h, name, subnet, complete...)
	if err := p.configure(s); err != nil {
		s.t.Fatalf("pod %s: %v", name, err)
	}
	return p
}

// Unconfigured is Pod without addresses on the interface.
func (s *Scenario) Unconfigured(h *Host, name, subnet string, complete ...func(*v1.IP)) *Pod {
	s.t.Helper()
	pod, namespace, _ := strings.Cut(name, ".")
	ip := &v1.IP{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.IPSpec{PodName: pod, Namespace: namespace, Subnet: subnet, NodeName: h.Name, PodUID: "uid-of-" + name}}
	for _, f := range complete {
		f(ip)
	}
	ip, err := s.API.IPs().Create(s.t.Context(), ip, metav1.CreateOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { s.remove(s.resource("IP"), "IP", ip.Name) })
	n, err := NewNamespace()
	if err != nil {
		s.t.Fatal(err)
	}
	p := &Pod{Station: Station{Name: pod, namespace: n}, Host: h, IP: ip, port: fmt.Sprintf("pod%d", lastPod.Add(1))}
	s.t.Cleanup(func() {
		if err := p.unplug(s); err != nil {
			s.t.Errorf("pod %s: %v", name, err)
		}
	})
	if err := p.plug(s); err != nil {
		s.t.Fatalf("pod %s: %v", name, err)
	}
	return p
}

// At asks for an address, "v4,v6" for both families.
func At(address string) func(*v1.IP) { return func(ip *v1.IP) { ip.Spec.IPAddress = address } }

// Carrying names the Vips that the pod may use besides its own address.
func Carrying(vips ...string) func(*v1.IP) { return func(ip *v1.IP) { ip.Spec.Vips = vips } }

// Forwarding is for a pod that is a router.
func Forwarding(ip *v1.IP) { ip.Annotations = map[string]string{v1.AnnotationPortSecurity: "false"} }

func (p *Pod) plug(s *Scenario) error {
	n := p.namespace
	if err := errors.Join(n.set("ipv6/conf/default/accept_dad", "0"), n.set("ipv6/conf/default/accept_ra", "0")); err != nil {
		return err
	}
	if err := connect(p.Host.namespace, p.port, n, NIC); err != nil {
		return err
	}
	mac, err := net.ParseMAC(p.IP.Spec.MacAddress)
	if err != nil {
		return err
	}
	err = errors.Join(
		n.down(NIC),
		n.change(NIC, func(l netlink.Link) error { return n.links.LinkSetHardwareAddr(l, mac) }),
		n.change(NIC, func(l netlink.Link) error { return n.links.LinkSetMTU(l, podMTU) }),
		n.up(NIC),
		p.Serve(),
	)
	if err != nil {
		return err
	}
	if err := p.Host.ovs.vsctl(s.t.Context(), "add-port", "br-int", p.port, "--",
		"set", "interface", p.port, fmt.Sprintf("external_ids:iface-id=%q", p.IP.Name)); err != nil {
		return err
	}
	return p.Host.ovs.vsctl(s.t.Context(), "wait-until", "interface", p.port, "external_ids:ovn-installed=true")
}

func (p *Pod) unplug(s *Scenario) error {
	err := p.Host.ovs.vsctl(s.after(), "--if-exists", "del-port", p.port)
	return errors.Join(err, p.Host.namespace.change(p.port, p.Host.namespace.links.LinkDel), p.close())
}

// interfaces is the server's answer about the pod's interface: what an agent would plug. The request is the one that has been carried out
// with the IP.
func (p *Pod) interfaces(s *Scenario) (*v1.PodInterfaceStatus, error) {
	spec := &p.IP.Spec
	answer, err := s.API.PodInterfaces().Create(s.t.Context(), &v1.PodInterfaces{Spec: v1.PodInterfacesSpec{
		PodName: spec.PodName, PodNamespace: spec.Namespace, PodUID: spec.PodUID, NodeName: spec.NodeName,
		Interfaces: []v1.PodInterface{{Name: p.IP.Name, Subnet: spec.Subnet}},
	}}, metav1.CreateOptions{})
	if err != nil {
		return nil, err
	}
	return &answer.Status.Interfaces[0], nil
}

// configure gives the interface the addresses of the IP, and routes by the gateway that the server names.
func (p *Pod) configure(s *Scenario) error {
	answer, err := p.interfaces(s)
	if err != nil {
		return err
	}
	prefixes, err := ipam.ParsePrefixes(answer.CIDRBlock)
	if err != nil {
		return err
	}
	gateways, err := ipam.ParseAddrs(answer.Gateway)
	if err != nil {
		return err
	}
	for _, f := range []struct {
		address string
		prefix  netip.Prefix
		gateway netip.Addr
		all     string
	}{{p.IP.Spec.V4IPAddress, prefixes.V4, gateways.V4, "0.0.0.0/0"}, {p.IP.Spec.V6IPAddress, prefixes.V6, gateways.V6, "::/0"}} {
		if f.address == "" {
			continue
		}
		a, err := netip.ParseAddr(f.address)
		if err != nil {
			return err
		}
		if err := p.namespace.AddAddress(NIC, netip.PrefixFrom(a, f.prefix.Bits())); err != nil {
			return err
		}
		if err := p.namespace.AddRoute(netip.MustParsePrefix(f.all), f.gateway); err != nil {
			return err
		}
	}
	return nil
}

// V4 is the pod's IPv4 address, V6 its IPv6 address; empty when it has none.
func (p *Pod) V4() string { return p.IP.Spec.V4IPAddress }
func (p *Pod) V6() string { return p.IP.Spec.V6IPAddress }
