package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"

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
	// alive returns an error unless the Node exists.
	alive  func(context.Context) error
	labels map[string]string
	// last is the address that the port had last, as the IP has it: the port gets it again.
	last string
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

// ensureIP returns the node's IP object, which exists afterwards. A port that was removed gets the address that it had, unless somebody
// else has it.
func (p *nodePort) ensureIP(ctx context.Context) (*v1.IP, error) {
	ip := p.ip()
	switch {
	case ip != nil && ip.DeletionTimestamp != nil:
		return nil, fmt.Errorf("IP %s is being deleted: waiting until it is gone", ip.Name)
	case ip != nil:
		p.last = ip.Spec.Addresses()
		return ip, p.label(ctx, ip)
	}
	if err := p.alive(ctx); err != nil {
		return nil, err
	}
	ip, err := p.create(ctx, p.before())
	if apierrors.IsAlreadyExists(err) {
		return nil, fmt.Errorf("IP %s exists, and is not known here yet", v1.NodePort(p.nodeName))
	}
	return ip, err
}

// create creates the IP object with an address; when that cannot be had, with any.
func (p *nodePort) create(ctx context.Context, address string) (*v1.IP, error) {
	ips := p.client.KubeovnV1().IPs()
	want := &v1.IP{
		ObjectMeta: metav1.ObjectMeta{Name: v1.NodePort(p.nodeName), Labels: p.labels},
		Spec:       v1.IPSpec{Subnet: p.nodeSwitch, NodeName: p.nodeName, IPAddress: address},
	}
	ip, err := ips.Create(ctx, want, metav1.CreateOptions{FieldManager: fieldManager})
	if address != "" && (apierrors.IsInvalid(err) || apierrors.IsConflict(err) || apierrors.IsForbidden(err)) {
		klog.FromContext(ctx).Info("The node's port cannot have its former address again", "address", address, "reason", err.Error())
		want.Spec.IPAddress = ""
		return ips.Create(ctx, want, metav1.CreateOptions{FieldManager: fieldManager})
	}
	return ip, err
}

// before is the address that the port had: what this process knows, else what its device has. It is empty unless it has one address in
// each prefix of the Subnet.
func (p *nodePort) before() string {
	addrs, _ := ipam.ParseAddrs(p.last)
	had := addrs.All()
	if link, err := p.host.LinkByName(portName); err == nil && len(had) == 0 {
		had, _ = globalAddresses(p.host, link)
	}
	var texts []string
	for _, prefix := range p.network().join.All() {
		at := slices.IndexFunc(had, prefix.Contains)
		if at < 0 {
			return ""
		}
		texts = append(texts, had[at].String())
	}
	return strings.Join(texts, ",")
}

// label gives an IP object the labels that it lacks.
func (p *nodePort) label(ctx context.Context, ip *v1.IP) error {
	for key, value := range p.labels {
		if ip.Labels[key] == value {
			continue
		}
		patch := fmt.Sprintf(`{"metadata":{"uid":%q,"labels":{%q:%q}}}`, ip.UID, key, value)
		if _, err := p.client.KubeovnV1().IPs().Patch(ctx, ip.Name, types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: fieldManager}); err != nil {
			return fmt.Errorf("label IP %s: %w", ip.Name, err)
		}
	}
	return nil
}

// prefixes are the port's addresses with the lengths of the Subnet's prefixes.
func (p *nodePort) prefixes(ip *v1.IP) ([]netip.Prefix, error) {
	n := p.network()
	addrs, err := ipam.ParseAddrs(ip.Spec.Addresses())
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
	attrs := link.Attrs()
	// ovs-vswitchd sets the same MAC and MTU, but not again when somebody else changes them.
	if attrs.HardwareAddr.String() != mac.String() {
		if err := p.host.LinkSetHardwareAddr(link, mac); err != nil {
			return fmt.Errorf("%s has MAC %s in place of %s: %w", portName, attrs.HardwareAddr, mac, err)
		}
	}
	if attrs.MTU != mtu {
		if err := p.host.LinkSetMTU(link, mtu); err != nil {
			return fmt.Errorf("%s has MTU %d in place of %d: %w", portName, attrs.MTU, mtu, err)
		}
	}
	if attrs.RawFlags&unix.IFF_NOARP != 0 {
		if err := p.host.LinkSetARPOn(link); err != nil {
			return fmt.Errorf("%s: let it resolve addresses: %w", portName, err)
		}
	}
	if slices.ContainsFunc(addrs, func(a netip.Prefix) bool { return a.Addr().Is6() }) {
		if err := p.host.SetSysctl("net/ipv6/conf/"+portName+"/disable_ipv6", "0"); err != nil {
			return fmt.Errorf("%s: let it have addresses of IPv6: %w", portName, err)
		}
	}
	if attrs.Flags&net.FlagUp == 0 {
		if err := p.host.LinkSetUp(link); err != nil {
			return fmt.Errorf("%s: start it: %w", portName, err)
		}
	}
	if err := setAddresses(p.host, link, addrs); err != nil {
		return err
	}
	return keepKernelRoutes(p.host, link, addrs)
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
		if err := h.AddrAdd(link, addressOf(p)); err != nil {
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
