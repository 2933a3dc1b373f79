package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/northbound-ovn/northbound/pkg/agent/host"
	"github.com/northbound-ovn/northbound/pkg/agent/vswitch"
	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/generated/clientset/versioned"
	"github.com/northbound-ovn/northbound/pkg/ipam"
)

// portName is the name of the node's port in the overlay, as Kube-OVN has it.
const portName = "ovn0"

// ifaceID is the key of external_ids of an interface that names its logical port.
const ifaceID = "iface-id"

// nodePort is the owner of the node's port: its IP object, its place on the integration bridge, its addresses.
type nodePort struct {
	host       *host.Host
	vs         *vswitch.Switch
	client     versioned.Interface
	node       func() *corev1.Node
	nodeName   string
	nodeSwitch string
	interfaces []string
	encap      v1.EncapType
	mtu        int // 0 for the tunnel's minus the overhead

	// ip and network are what is known from the API: ip is nil when there is no such object.
	ip      func() *v1.IP
	network func() network
	// current is the MTU that was found last; 0 before.
	current atomic.Int64
}

// sync makes the port as it should be: first in the API, then on the bridge, then its addresses.
func (p *nodePort) sync(ctx context.Context) error {
	ip, err := p.ensureIP(ctx)
	if err != nil {
		return err
	}
	addrs, err := p.prefixes(ip)
	if err != nil {
		return err
	}
	mac, err := net.ParseMAC(ip.Spec.MacAddress)
	if err != nil {
		return fmt.Errorf("IP %s: %w", ip.Name, err)
	}
	mtu, err := podMTU(p.host, p.mtu, p.interfaces, nodeAddresses(p.node()), p.encap)
	if err != nil {
		return err
	}
	p.current.Store(int64(mtu))
	err = p.vs.Apply(ctx, vswitch.EnsurePort(vswitch.PortSpec{
		Name: portName, Bridge: integrationBridge, Type: "internal", MAC: mac.String(), MTU: mtu,
		ExternalIDs: map[string]string{ifaceID: ip.Name},
	}))
	if err != nil {
		return err
	}
	return p.configure(mac, mtu, addrs)
}

// ensureIP returns the node's IP object, which exists afterwards.
func (p *nodePort) ensureIP(ctx context.Context) (*v1.IP, error) {
	if ip := p.ip(); ip != nil && ip.DeletionTimestamp == nil {
		return ip, nil
	}
	ips := p.client.KubeovnV1().IPs()
	ip, err := ips.Create(ctx, &v1.IP{
		ObjectMeta: metav1.ObjectMeta{Name: v1.NodePort(p.nodeName)},
		Spec:       v1.IPSpec{Subnet: p.nodeSwitch, NodeName: p.nodeName},
	}, metav1.CreateOptions{FieldManager: fieldManager})
	if apierrors.IsAlreadyExists(err) {
		return ips.Get(ctx, v1.NodePort(p.nodeName), metav1.GetOptions{})
	}
	return ip, err
}

// prefixes are the port's addresses with the lengths of the Subnet's prefixes.
func (p *nodePort) prefixes(ip *v1.IP) ([]netip.Prefix, error) {
	n := p.network()
	addrs, err := ipam.ParseAddrs(ip.Spec.IPAddress)
	if err != nil {
		return nil, fmt.Errorf("IP %s: %w", ip.Name, err)
	}
	var out []netip.Prefix
	for _, a := range addrs.All() {
		cidr := n.join.Of(a)
		if !cidr.IsValid() {
			return nil, fmt.Errorf("IP %s: %s is not in Subnet %s", ip.Name, a, p.nodeSwitch)
		}
		out = append(out, netip.PrefixFrom(a, cidr.Bits()))
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("IP %s has no address", ip.Name)
	}
	return out, nil
}

// configure sets the device up. It is not there until ovs-vswitchd has made it, which is an event.
func (p *nodePort) configure(mac net.HardwareAddr, mtu int, addrs []netip.Prefix) error {
	link, err := p.host.LinkByName(portName)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		return fmt.Errorf("ovs-vswitchd has not made %s yet", portName)
	} else if err != nil {
		return fmt.Errorf("%s: %w", portName, err)
	}
	if link.Attrs().HardwareAddr.String() != mac.String() {
		return fmt.Errorf("%s has MAC %s, and ovs-vswitchd has not made it %s yet", portName, link.Attrs().HardwareAddr, mac)
	}
	for _, setting := range portSysctls {
		if err := p.host.SetSysctl(setting.name, setting.value); err != nil && !setting.optional {
			return fmt.Errorf("%s: %w", setting.name, err)
		}
	}
	if link.Attrs().Flags&net.FlagUp == 0 {
		if err := p.host.LinkSetUp(link); err != nil {
			return fmt.Errorf("%s: start it: %w", portName, err)
		}
	}
	return setAddresses(p.host, link, addrs)
}

type sysctl struct {
	name, value string
	optional    bool
}

// portSysctls are the settings of the port. Its neighbours are OVN's: nobody else has its addresses, and nobody advertises
// routers there. Answers of other nodes may come in by another way than that to them (loose reverse path filter).
var portSysctls = []sysctl{
	{name: "net/ipv4/conf/" + portName + "/rp_filter", value: "2"},
	{name: "net/ipv6/conf/" + portName + "/accept_ra", value: "0", optional: true},
	{name: "net/ipv6/conf/" + portName + "/accept_dad", value: "0", optional: true},
}

// setAddresses gives an interface exactly the addresses, besides link-local ones, without duplicate address detection.
func setAddresses(h *host.Host, link netlink.Link, want []netip.Prefix) error {
	have, err := h.AddrList(link, netlink.FAMILY_ALL)
	if err != nil {
		return fmt.Errorf("addresses of %s: %w", link.Attrs().Name, err)
	}
	var present []netip.Prefix
	for _, a := range have {
		p := host.PrefixOf(a.IPNet)
		switch {
		case slices.Contains(want, p):
			present = append(present, p)
		case p.Addr().IsLinkLocalUnicast():
		default:
			if err := h.AddrDel(link, &a); err != nil {
				return fmt.Errorf("remove %s from %s: %w", p, link.Attrs().Name, err)
			}
		}
	}
	for _, p := range want {
		if slices.Contains(present, p) {
			continue
		}
		addr := &netlink.Addr{IPNet: host.IPNet(p)}
		if p.Addr().Is6() {
			addr.Flags = unix.IFA_F_NODAD
		}
		if err := h.AddrAdd(link, addr); err != nil {
			return fmt.Errorf("add %s to %s: %w", p, link.Attrs().Name, err)
		}
	}
	return nil
}

// podMTU is the MTU of pods: what is configured, else the tunnel's interface's without what the encapsulation needs.
func podMTU(h *host.Host, configured int, interfaces []string, node []netip.Addr, encap v1.EncapType) (int, error) {
	if configured > 0 {
		return configured, nil
	}
	t, err := findTunnel(h, interfaces, node)
	if err != nil {
		return 0, err
	}
	return t.link.Attrs().MTU - overhead(encap, t.addrs[0]), nil
}
