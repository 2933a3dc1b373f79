package apiserver_test

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// model is what a server should hold, by rules that are stated once more here, as plainly as possible: loops over all objects,
// nothing of the server's own code. Where it does not know what the answer to a write must be, it says so.
type model struct {
	external string // the default external Subnet
	objects  map[key]storage.Object
}

// key names an object.
type key struct{ resource, name string }

func (k key) String() string { return k.resource + "/" + k.name }

// verdict is what a write must be answered.
type verdict int

const (
	unknown verdict = iota // the rules of the model do not say
	accepted
	denied
)

func (v verdict) String() string { return [...]string{"unknown", "accepted", "refused"}[v] }

// refs are the objects that one may only refer to while they exist, and that stay as long as it does.
func (m *model) refs(o storage.Object) []key {
	var out []key
	add := func(resource string, names ...string) {
		for _, name := range names {
			if k := (key{resource, name}); name != "" && !slices.Contains(out, k) {
				out = append(out, k)
			}
		}
	}
	endpoint := func(ipType v1.IPType, ipName, vpc string) {
		switch {
		case ipName == "":
			add("vpcs", vpc)
		case ipType == v1.IPTypeVip:
			add("vips", ipName)
		default:
			add("ips", ipName)
		}
	}
	switch o := o.(type) {
	case *v1.Vpc:
		for _, subnet := range m.externals(o) {
			add("subnets", subnet)
			add("ovn-eips", o.Name+"-"+subnet)
		}
	case *v1.Subnet:
		add("vpcs", o.Spec.Vpc)
		add("vlans", o.Spec.Vlan)
	case *v1.Vlan:
		add("provider-networks", o.Spec.Provider)
	case *v1.IP:
		add("subnets", o.Spec.Subnet)
		add("vips", o.Spec.Vip)
		add("vips", o.Spec.Vips...)
	case *v1.Vip:
		add("subnets", o.Spec.Subnet)
	case *v1.OvnEip:
		add("subnets", cmp.Or(o.Spec.ExternalSubnet, m.external))
	case *v1.OvnFip:
		add("ovn-eips", o.Spec.OvnEip)
		endpoint(o.Spec.IPType, o.Spec.IPName, o.Spec.Vpc)
	case *v1.OvnDnatRule:
		add("ovn-eips", o.Spec.OvnEip)
		endpoint(o.Spec.IPType, o.Spec.IPName, o.Spec.Vpc)
	case *v1.OvnSnatRule:
		add("ovn-eips", o.Spec.OvnEip)
		if o.Spec.VpcSubnet != "" {
			add("subnets", o.Spec.VpcSubnet)
		} else {
			endpoint(v1.IPTypeIP, o.Spec.IPName, o.Spec.Vpc)
		}
	case *v1.SwitchLBRule:
		add("vpcs", o.Annotations[v1.AnnotationVpc])
		add("vips", strings.Split(o.Annotations["kubeovn.io/vips"], ",")...)
		for entry := range strings.SplitSeq(o.Annotations["kubeovn.io/health-check-sources"], ",") {
			subnet, _, _ := strings.Cut(entry, "=")
			add("subnets", subnet)
		}
	case *v1.VpcDns:
		add("vpcs", o.Spec.Vpc)
		add("subnets", o.Spec.Subnet)
	case *v1.VpcNatGateway:
		add("vpcs", o.Spec.Vpc)
		add("subnets", o.Spec.Subnet)
		add("subnets", o.Spec.InternalSubnets...)
		add("subnets", o.Spec.ExternalSubnets...)
		if len(o.Spec.ExternalSubnets) == 0 {
			add("subnets", v1.DefaultExternalSubnet)
		}
	case *v1.IptablesEIP:
		add("vpc-nat-gateways", o.Spec.NatGwDp)
		add("subnets", o.Spec.ExternalSubnet)
	case *v1.IptablesFIPRule:
		add("iptables-eips", o.Spec.EIP)
	case *v1.IptablesSnatRule:
		add("iptables-eips", o.Spec.EIP)
	case *v1.IptablesDnatRule:
		add("iptables-eips", o.Spec.EIP)
	}
	return out
}

// externals are the external Subnets that a Vpc asks for.
func (m *model) externals(vpc *v1.Vpc) []string {
	var out []string
	if vpc.Spec.EnableExternal {
		out = append(out, m.external)
	}
	for _, name := range vpc.Spec.ExtraExternalSubnets {
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

func (m *model) held(k key) bool {
	for other, o := range m.objects {
		if other != k && slices.Contains(m.refs(o), k) {
			return true
		}
	}
	return false
}

func terminating(o storage.Object) bool { return o.GetDeletionTimestamp() != nil }

// judge says how a write must be answered, and why.
func (m *model) judge(op operation) (verdict, string) {
	k := op.key()
	stored := m.objects[k]
	switch {
	case op.verb == creates && stored != nil:
		return denied, "it exists"
	case op.verb != creates && stored == nil:
		return denied, "it does not exist"
	case op.verb == removes:
		return accepted, "nothing stands in the way of a deletion"
	case op.verb == reports:
		return unknown, ""
	}
	if op.verb == updates && kubeovn.SameSpec(op.object, stored) {
		return accepted, "it asks for the same as before"
	}
	var had []key
	if stored != nil {
		had = m.refs(stored)
	}
	if e, ok := op.object.(*v1.OvnEip); ok && e.Spec.ExternalSubnet == "" && stored != nil {
		return unknown, "" // it stays where it is
	}
	for _, ref := range m.refs(op.object) {
		switch target := m.objects[ref]; {
		case slices.Contains(had, ref) || m.isCompanion(op.object, ref) && target == nil:
		case target == nil:
			return denied, fmt.Sprintf("%s does not exist", ref)
		case terminating(target):
			return denied, fmt.Sprintf("%s is being deleted", ref)
		}
	}
	if op.verb == updates {
		return unknown, ""
	}
	return m.judgeNew(op.object)
}

// isCompanion reports whether a Vpc gets the object that it refers to.
func (m *model) isCompanion(o storage.Object, ref key) bool {
	_, ok := o.(*v1.Vpc)
	return ok && ref.resource == "ovn-eips"
}

// judgeNew is judge for an object that is new and refers to what it may refer to.
func (m *model) judgeNew(o storage.Object) (verdict, string) {
	switch o := o.(type) {
	case *v1.ProviderNetwork:
		return accepted, "nothing else counts"
	case *v1.Vpc:
		if len(m.externals(o)) == 0 && len(o.Spec.VpcPeerings) == 0 && len(o.Spec.StaticRoutes) == 0 && o.Spec.DefaultSubnet == "" {
			return accepted, "it concerns no other object"
		}
	case *v1.Vlan:
		return m.unless(func(other storage.Object) bool {
			v, ok := other.(*v1.Vlan)
			return ok && v.Spec.Provider == o.Spec.Provider && v.Spec.ID == o.Spec.ID
		}, "has the identifier")
	case *v1.Chassis:
		return m.unless(func(other storage.Object) bool {
			c, ok := other.(*v1.Chassis)
			return ok && (c.Spec.ChassisID == o.Spec.ChassisID || slices.Equal(c.Spec.EncapIPs, o.Spec.EncapIPs))
		}, "has the chassis or its address")
	case *v1.Subnet:
		return m.judgeSubnet(o)
	case *v1.IP:
		if o.Spec.Vip == "" && len(o.Spec.Vips) == 0 {
			return m.judgeAddress(o.Spec.Subnet, o.Spec.V4IPAddress, o.Spec.Namespace)
		}
	case *v1.Vip:
		return m.judgeAddress(o.Spec.Subnet, o.Spec.V4ip, o.Spec.Namespace)
	case *v1.OvnEip:
		subnet := cmp.Or(o.Spec.ExternalSubnet, m.external)
		if m.objects[key{"subnets", subnet}].(*v1.Subnet).Spec.Vlan == "" {
			return denied, subnet + " is no external Subnet"
		}
		return m.judgeAddress(subnet, o.Spec.V4IP, "")
	case *v1.OvnFip, *v1.OvnSnatRule, *v1.OvnDnatRule:
		return m.judgeRule(o)
	case *v1.SwitchLBRule:
		return m.judgeBalancer(o)
	case *v1.VpcDns:
		if m.objects[key{"subnets", o.Spec.Subnet}].(*v1.Subnet).Spec.Vpc != o.Spec.Vpc {
			return denied, "the Subnet is of another Vpc"
		}
		return accepted, "its Subnet is of its Vpc"
	case *v1.VpcNatGateway:
		if m.objects[key{"subnets", o.Spec.Subnet}].(*v1.Subnet).Spec.Vpc != o.Spec.Vpc {
			return denied, "the Subnet is of another Vpc"
		}
		if v, why := m.judgeAddress(o.Spec.Subnet, o.Spec.LanIP, ""); v == denied {
			return v, why
		}
	case *v1.IptablesEIP:
		gateway := m.objects[key{"vpc-nat-gateways", o.Spec.NatGwDp}]
		if subnet := cmp.Or(o.Spec.ExternalSubnet, v1.DefaultExternalSubnet); !slices.Contains(gateway.(*v1.VpcNatGateway).Spec.ExternalSubnets, subnet) {
			return denied, "the gateway is not in " + subnet
		}
		return m.judgeAddress(cmp.Or(o.Spec.ExternalSubnet, v1.DefaultExternalSubnet), o.Spec.V4ip, "")
	case *v1.IptablesFIPRule, *v1.IptablesSnatRule, *v1.IptablesDnatRule:
		if mine := useOf(o); m.conflict(o, mine) != "" {
			return denied, m.conflict(o, mine)
		}
	}
	return unknown, ""
}

// unless refuses what conflicts with another object, and accepts all else.
func (m *model) unless(conflicts func(storage.Object) bool, how string) (verdict, string) {
	for k, other := range m.objects {
		if conflicts(other) {
			return denied, fmt.Sprintf("%s %s", k, how)
		}
	}
	return accepted, "no other object " + how
}

// judgeSubnet knows the rule of prefixes in a Vpc, and when nothing else can be in the way.
func (m *model) judgeSubnet(s *v1.Subnet) (verdict, string) {
	if s.Spec.Vlan != "" || s.Spec.Vpc == "" {
		return unknown, ""
	}
	for k, o := range m.objects {
		if rule, ok := o.(*v1.SwitchLBRule); ok && rule.Status.Vpc == s.Spec.Vpc {
			for _, p := range prefixes(s) {
				if a, err := netip.ParseAddr(rule.Spec.Vip); err == nil && p.Contains(a) {
					return denied, fmt.Sprintf("%s has %s", k, a)
				}
			}
		}
		other, ok := o.(*v1.Subnet)
		if !ok || !routed(other) || other.Spec.Vpc != s.Spec.Vpc {
			continue
		}
		for _, p := range prefixes(s) {
			for _, q := range prefixes(other) {
				if p.Overlaps(q) {
					return denied, fmt.Sprintf("%s has %s", k, q)
				}
			}
		}
	}
	vpc := m.objects[key{"vpcs", s.Spec.Vpc}].(*v1.Vpc)
	if len(s.Spec.Vips) > 0 || len(s.Spec.Namespaces) > 0 || len(s.Spec.ExcludeIps) > 0 || vpc.Spec.EnableExternal ||
		len(vpc.Spec.ExtraExternalSubnets) > 0 || len(vpc.Spec.VpcPeerings) > 0 {
		return unknown, ""
	}
	return accepted, "no other Subnet of the Vpc has the prefix"
}

func prefixes(s *v1.Subnet) []netip.Prefix {
	var out []netip.Prefix
	for text := range strings.SplitSeq(s.Spec.CIDRBlock, ",") {
		if p, err := netip.ParsePrefix(text); err == nil {
			out = append(out, p)
		}
	}
	return out
}

func routed(s *v1.Subnet) bool {
	return s.Spec.Vpc != "" && (s.Spec.Provider == "" || s.Spec.Provider == "ovn") && (s.Spec.Vlan == "" || s.Spec.LogicalGateway || s.Spec.U2OInterconnection)
}

// judgeAddress knows who may have an address that is asked for by name.
func (m *model) judgeAddress(subnet, text, namespace string) (verdict, string) {
	s, _ := m.objects[key{"subnets", subnet}].(*v1.Subnet)
	a, err := netip.ParseAddr(text)
	if s == nil || err != nil || namespace != "" && len(s.Spec.Namespaces) > 0 {
		return unknown, ""
	}
	inside := slices.ContainsFunc(prefixes(s), func(p netip.Prefix) bool { return p.Contains(a) })
	switch holder := m.holders()[address{subnet, a}]; {
	case !inside:
		return denied, fmt.Sprintf("%s is outside of %s", a, s.Spec.CIDRBlock)
	case excluded(s, a):
		return denied, fmt.Sprintf("%s is excluded", a)
	case !slices.ContainsFunc(prefixes(s), func(p netip.Prefix) bool { return p.Contains(a.Next()) && p.Contains(a.Prev()) }):
		return denied, fmt.Sprintf("%s is the first or the last of %s", a, s.Spec.CIDRBlock)
	case len(holder) > 0:
		return denied, fmt.Sprintf("%s is that of %v", a, holder)
	case len(prefixes(s)) > 1:
		return unknown, "" // the other family may be full
	}
	return accepted, fmt.Sprintf("%s is free", a)
}

func excluded(s *v1.Subnet, a netip.Addr) bool {
	for _, text := range append(strings.Split(s.Spec.Gateway, ","), s.Spec.ExcludeIps...) {
		first, last, isRange := strings.Cut(text, "..")
		if !isRange {
			last = first
		}
		from, err := netip.ParseAddr(first)
		to, err2 := netip.ParseAddr(last)
		if err == nil && err2 == nil && from.Compare(a) <= 0 && a.Compare(to) <= 0 {
			return true
		}
	}
	return false
}

// address is an address in a Subnet: other Subnets may have the same.
type address struct {
	subnet string
	addr   netip.Addr
}

// holders are the objects that have addresses. One that uses the address of a Vip does not count beside it.
func (m *model) holders() map[address][]key {
	out := map[address][]key{}
	for k, o := range m.objects {
		for _, a := range m.addresses(o) {
			out[a] = append(out[a], k)
		}
	}
	return out
}

func (m *model) addresses(o storage.Object) []address {
	var out []address
	add := func(subnet string, texts ...string) {
		for _, text := range texts {
			if a, err := netip.ParseAddr(text); err == nil {
				out = append(out, address{subnet, a})
			}
		}
	}
	switch o := o.(type) {
	case *v1.Subnet:
		add(o.Name, o.Spec.Vips...)
		add(o.Name, strings.Split(o.Status.U2OInterconnectionIP, ",")...)
	case *v1.IP:
		if o.Spec.Vip == "" {
			add(o.Spec.Subnet, o.Spec.V4IPAddress, o.Spec.V6IPAddress)
		}
	case *v1.Vip:
		add(o.Spec.Subnet, o.Status.V4ip, o.Status.V6ip)
	case *v1.OvnEip:
		add(o.Spec.ExternalSubnet, o.Status.V4IP, o.Status.V6IP)
	case *v1.IptablesEIP:
		add(o.Spec.ExternalSubnet, o.Spec.V4ip, o.Spec.V6ip)
	case *v1.VpcNatGateway:
		add(o.Spec.Subnet, o.Spec.LanIP)
	case *v1.SwitchLBRule:
		for entry := range strings.SplitSeq(o.Annotations["kubeovn.io/health-check-sources"], ",") {
			subnet, text, _ := strings.Cut(entry, "=")
			add(subnet, text)
		}
	}
	return out
}

// use is what a rule makes of an external address.
type use struct {
	eip    key
	sort   string // "fip", "snat" or "dnat"
	port   string // protocol and number, of DNAT
	shared bool
}

func useOf(o storage.Object) use {
	switch o := o.(type) {
	case *v1.OvnFip:
		return use{eip: key{"ovn-eips", o.Spec.OvnEip}, sort: "fip"}
	case *v1.OvnSnatRule:
		return use{eip: key{"ovn-eips", o.Spec.OvnEip}, sort: "snat"}
	case *v1.OvnDnatRule:
		return use{eip: key{"ovn-eips", o.Spec.OvnEip}, sort: "dnat", port: o.Spec.Protocol + o.Spec.ExternalPort}
	case *v1.IptablesFIPRule:
		return use{eip: key{"iptables-eips", o.Spec.EIP}, sort: "fip"}
	case *v1.IptablesSnatRule:
		return use{eip: key{"iptables-eips", o.Spec.EIP}, sort: "snat"}
	case *v1.IptablesDnatRule:
		return use{eip: key{"iptables-eips", o.Spec.EIP}, sort: "dnat", port: o.Spec.Protocol + o.Spec.ExternalPort, shared: o.Spec.Type == v1.DnatShare}
	}
	return use{}
}

// conflict names the rule that keeps another one from its address; "" when there is none.
func (m *model) conflict(rule storage.Object, mine use) string {
	for k, o := range m.objects {
		if o.GetName() == rule.GetName() && fmt.Sprintf("%T", o) == fmt.Sprintf("%T", rule) {
			continue
		}
		theirs := useOf(o)
		samePort := theirs.sort == "dnat" && mine.sort == "dnat" && theirs.port == mine.port && !(theirs.shared && mine.shared)
		if theirs.eip == mine.eip && (theirs.sort == "fip" || mine.sort == "fip" || samePort) {
			return fmt.Sprintf("%s has the address", k)
		}
	}
	return ""
}

// judgeRule knows what may share an address, and that the router of the target must be connected with the network of the address.
func (m *model) judgeRule(o storage.Object) (verdict, string) {
	mine := useOf(o)
	if why := m.conflict(o, mine); why != "" {
		return denied, why
	}
	eip := m.objects[mine.eip].(*v1.OvnEip)
	if eip.Spec.Type != "" && eip.Spec.Type != v1.OvnEipNat {
		return denied, "the address is not for NAT"
	}
	ref := m.refs(o)[1] // what is translated
	subnet := ""
	switch target := m.objects[ref].(type) {
	case *v1.IP:
		subnet = target.Spec.Subnet
	case *v1.Vip:
		subnet = target.Spec.Subnet
	default:
		return unknown, ""
	}
	name := m.objects[key{"subnets", subnet}].(*v1.Subnet).Spec.Vpc
	vpc, ok := m.objects[key{"vpcs", name}].(*v1.Vpc)
	if !ok {
		return denied, "the target is in no Vpc"
	}
	if !slices.Contains(m.externals(vpc), eip.Spec.ExternalSubnet) {
		return denied, fmt.Sprintf("vpc %s is not connected with %s", name, eip.Spec.ExternalSubnet)
	}
	return unknown, ""
}

// judgeBalancer knows that an address and port has one rule in a Vpc.
func (m *model) judgeBalancer(r *v1.SwitchLBRule) (verdict, string) {
	vpc := r.Annotations[v1.AnnotationVpc]
	if vpc == "" {
		return unknown, ""
	}
	for k, o := range m.objects {
		if other, ok := o.(*v1.SwitchLBRule); ok && other.Status.Vpc == vpc && sharesFront(r, other) {
			return denied, fmt.Sprintf("%s has the address and port", k)
		}
	}
	return unknown, ""
}

func sharesFront(a, b *v1.SwitchLBRule) bool {
	if a.Spec.Vip != b.Spec.Vip {
		return false
	}
	return slices.ContainsFunc(a.Spec.Ports, func(p v1.SwitchLBRulePort) bool {
		return slices.ContainsFunc(b.Spec.Ports, func(q v1.SwitchLBRulePort) bool {
			return p.Port == q.Port && cmp.Or(p.Protocol, "TCP") == cmp.Or(q.Protocol, "TCP")
		})
	})
}
