package apiserver_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// invention makes objects of all kinds from so few names, prefixes, addresses and ports that most of them concern each other, and
// many contradict each other.
type invention struct {
	*rand.Rand
	checks bool                          // load balancers check their back ends, for which the server takes addresses
	there  func() map[key]storage.Object // what exists
}

// known is the name of an object that exists, more often than not; it is what an object is made up for otherwise.
func (r invention) known(resource string, otherwise string) string {
	var names []string
	for k := range r.there() {
		if k.resource == resource && !isDefault(k) {
			names = append(names, k.name)
		}
	}
	if len(names) == 0 || r.oneIn(8) {
		return otherwise
	}
	slices.Sort(names)
	return pick(r, names...)
}

// free is a name that no object of the resource has, more often than not.
func (r invention) free(resource string) string {
	name := inventors[resource].name(r)
	for range 4 {
		if r.there()[key{resource, name}] == nil {
			break
		}
		name = inventors[resource].name(r)
	}
	return name
}

// oneIn is true once in n times.
func (r invention) oneIn(n int) bool { return r.IntN(n) == 0 }

func (r invention) name(prefix string, n int) string { return fmt.Sprintf("%s%d", prefix, 1+r.IntN(n)) }

func pick[T any](r invention, from ...T) T { return from[r.IntN(len(from))] }

// some is each member with a probability of one half.
func some[T any](r invention, from ...T) (out []T) {
	for _, x := range from {
		if r.oneIn(2) {
			out = append(out, x)
		}
	}
	return out
}

// maybe is a value, or in half of the cases none.
func maybe[T any](r invention, value T) (out T) {
	if r.oneIn(2) {
		return value
	}
	return out
}

func (r invention) vpcName() string {
	return r.known("vpcs", pick(r, "nowhere", r.name("vpc", 3)))
}

func (r invention) subnetName() string { return r.known("subnets", r.newSubnetName()) }

func (r invention) newSubnetName() string {
	return pick(r, "net1", "net2", "net3", "net4", "net5", "net6", "external", "extra")
}

func (r invention) externalName() string { return pick(r, "external", "external", "extra", "net1") }

// host is an address in one of the prefixes of Subnets; small numbers are also what the server chooses.
func (r invention) host() string {
	return fmt.Sprintf(pick(r, "10.0.1.%d", "10.0.1.%d", "10.0.2.%d", "10.0.3.%d", "10.5.204.%d"), pick(r, 1, 2, 3, 4, 5, 6, 9, 77))
}

// hostIn is an address in a Subnet, or now and then in another one.
func (r invention) hostIn(subnet string) string {
	s, ok := r.there()[key{"subnets", subnet}].(*v1.Subnet)
	if !ok || r.oneIn(6) {
		return r.host()
	}
	for _, p := range prefixes(s) {
		if p.Addr().Is4() {
			a := p.Addr()
			for range pick(r, 1, 2, 3, 4, 5, 6, 7, 9) {
				a = a.Next()
			}
			return a.String()
		}
	}
	return ""
}

// eipName is an OvnEip, mostly not one of a router port.
func (r invention) eipName() string {
	name := r.known("ovn-eips", r.name("eip", 6))
	if !strings.HasPrefix(name, "eip") && !r.oneIn(6) {
		return r.name("eip", 6)
	}
	return name
}

// vpcOf is the Vpc of a Subnet, or now and then another one.
func (r invention) vpcOf(subnet string) string {
	s, ok := r.there()[key{"subnets", subnet}].(*v1.Subnet)
	if !ok || s.Spec.Vpc == "" || r.oneIn(6) {
		return r.vpcName()
	}
	return s.Spec.Vpc
}

// inventors make an object of each resource, without a name, and say which names there are.
var inventors = map[string]struct {
	weight int // how often
	name   func(r invention) string
	object func(r invention, name string) storage.Object
}{
	"vpcs":               {3, func(r invention) string { return r.name("vpc", 3) }, inventVpc},
	"subnets":            {6, invention.newSubnetName, inventSubnet},
	"provider-networks":  {1, func(r invention) string { return r.name("pn", 2) }, inventProviderNetwork},
	"vlans":              {1, func(r invention) string { return r.name("vlan", 3) }, inventVlan},
	"chassis":            {2, func(r invention) string { return r.name("node", 3) }, inventChassis},
	"ips":                {6, func(r invention) string { return r.name("pod", 9) + ".ns1" }, inventIP},
	"vips":               {4, func(r invention) string { return r.name("vip", 6) }, inventVip},
	"ovn-eips":           {5, func(r invention) string { return pick(r, r.name("eip", 6), "vpc1-external", "vpc2-extra") }, inventOvnEip},
	"ovn-fips":           {7, func(r invention) string { return r.name("fip", 4) }, inventOvnFip},
	"ovn-snat-rules":     {5, func(r invention) string { return r.name("snat", 3) }, inventOvnSnat},
	"ovn-dnat-rules":     {5, func(r invention) string { return r.name("dnat", 3) }, inventOvnDnat},
	"switch-lb-rules":    {3, func(r invention) string { return r.name("slr", 3) }, inventBalancer},
	"vpc-dnses":          {1, func(r invention) string { return r.name("dns", 3) }, inventDns},
	"vpc-nat-gateways":   {2, func(r invention) string { return r.name("gw", 2) }, inventGateway},
	"iptables-eips":      {2, func(r invention) string { return r.name("ieip", 3) }, inventEIP},
	"iptables-fip-rules": {1, func(r invention) string { return r.name("ifip", 2) }, inventFIP},
	"iptables-snat-rules": {1, func(r invention) string { return r.name("isnat", 2) }, func(r invention, _ string) storage.Object {
		return &v1.IptablesSnatRule{Spec: v1.IptablesSnatRuleSpec{EIP: r.known("iptables-eips", r.name("ieip", 3)), InternalCIDR: pick(r, "10.0.1.0/24", r.host())}}
	}},
	"iptables-dnat-rules": {1, func(r invention) string { return r.name("idnat", 2) }, func(r invention, _ string) storage.Object {
		return &v1.IptablesDnatRule{Spec: v1.IptablesDnatRuleSpec{EIP: r.known("iptables-eips", r.name("ieip", 3)), InternalIP: r.host(), Protocol: pick(r, "tcp", "udp"),
			ExternalPort: pick(r, "80", "81"), InternalPort: "8080", Type: pick(r, v1.DnatShare, v1.DnatExclusive, "")}}
	}},
}

func inventVpc(r invention, _ string) storage.Object {
	vpc := &v1.Vpc{}
	s := &vpc.Spec
	s.EnableExternal = !r.oneIn(3)
	s.EnableBfd = r.oneIn(2)
	if r.oneIn(4) {
		s.ExtraExternalSubnets = []string{"extra"}
	}
	if r.oneIn(3) {
		s.StaticRoutes = some(r, v1.StaticRoute{CIDR: "0.0.0.0/0", NextHopIP: "10.0.1.254"}, v1.StaticRoute{CIDR: "172.16.0.0/12", NextHopIP: "10.0.1.9"},
			v1.StaticRoute{CIDR: "10.0.1.7", NextHopIP: "10.0.2.9", Policy: v1.PolicySrc}, v1.StaticRoute{CIDR: "172.16.0.0/12", NextHopIP: "10.0.2.9", RouteTable: "t1"})
		s.PolicyRoutes = some(r, v1.PolicyRoute{Priority: 10, Match: "ip4.src == 10.0.1.0/24", Action: v1.PolicyRouteAllow},
			v1.PolicyRoute{Priority: 20, Match: "ip4.dst == 10.0.2.0/24", Action: v1.PolicyRouteReroute, NextHopIP: "10.0.2.77"})
	}
	if r.oneIn(4) {
		i := 1 + r.IntN(3)
		s.VpcPeerings = []v1.VpcPeering{{RemoteVpc: fmt.Sprintf("vpc%d", i), LocalConnectIP: fmt.Sprintf("169.254.0.%d/24", 1+r.IntN(3))}}
	}
	if r.oneIn(8) {
		s.Namespaces = []string{"ns1"}
	}
	s.DefaultSubnet = maybe(r, pick(r, "", r.subnetName()))
	return vpc
}

func inventSubnet(r invention, name string) storage.Object {
	subnet := &v1.Subnet{}
	s := &subnet.Spec
	sort := r.IntN(10)
	if strings.HasPrefix(name, "ext") && sort > 0 {
		sort = 9
	}
	switch sort {
	case 9: // external
		s.Vlan = r.known("vlans", r.name("vlan", 3))
		s.CIDRBlock = pick(r, "10.5.204.0/24", "10.5.205.0/24", "10.5.205.0/24,fd05::/64")
		if r.oneIn(4) {
			s.Vpc, s.LogicalGateway = r.vpcName(), r.oneIn(2)
			s.U2OInterconnection = !s.LogicalGateway
		}
	case 8: // of another plugin
		s.Provider, s.CIDRBlock = "macvlan.kube-system", pick(r, "192.168.9.0/24", "10.0.1.0/24")
	default:
		s.Vpc = r.vpcName()
		s.CIDRBlock = pick(r, "10.0.1.0/24", "10.0.1.0/24", "10.0.2.0/24", "10.0.2.0/24", "10.0.3.0/29", "10.0.0.0/16", "10.0.1.128/25", "fd00:1::/64", "10.0.4.0/24,fd00:4::/64")
	}
	s.Private, s.EnableDHCP, s.EnableIPv6RA, s.EnableMulticastSnoop = r.oneIn(4), r.oneIn(3), r.oneIn(4), r.oneIn(6)
	if s.Private {
		s.AllowSubnets = some(r, "10.0.9.0/24")
	}
	s.Acls = some(r, v1.ACL{Direction: v1.ACLToLport, Priority: 1002, Match: "ip4.src == 10.0.1.9", Action: "drop"},
		v1.ACL{Direction: v1.ACLFromLport, Priority: 1003, Match: "ip4.dst == 10.0.2.9", Action: "allow-related"})
	if r.oneIn(6) {
		s.Vips = []string{r.host()}
	}
	if r.oneIn(6) {
		s.ExcludeIps = []string{pick(r, "10.0.1.3..10.0.1.6", "10.0.2.2", "10.5.204.2..10.5.204.4")}
	}
	if r.oneIn(8) {
		s.Namespaces = []string{"ns1"}
	}
	s.RouteTable = maybe(r, maybe(r, "t1"))
	return subnet
}

func inventProviderNetwork(r invention, _ string) storage.Object {
	return &v1.ProviderNetwork{Spec: v1.ProviderNetworkSpec{DefaultInterface: pick(r, "eth1", "eth2")}}
}

func inventVlan(r invention, _ string) storage.Object {
	return &v1.Vlan{Spec: v1.VlanSpec{Provider: r.known("provider-networks", r.name("pn", 2)), ID: int32(r.IntN(4))}}
}

func inventChassis(r invention, _ string) storage.Object {
	n := 1 + r.IntN(3)
	return &v1.Chassis{Spec: v1.ChassisSpec{ChassisID: fmt.Sprintf("chassis-%d", n), EncapIPs: []string{fmt.Sprintf("172.18.0.%d", n)}, ExternalGateway: !r.oneIn(4)}}
}

func inventIP(r invention, _ string) storage.Object {
	ip := &v1.IP{Spec: v1.IPSpec{Namespace: "ns1", PodName: r.name("pod", 9), Subnet: r.subnetName(), NodeName: r.name("node", 3)}}
	switch r.IntN(8) {
	case 0, 1, 2:
		ip.Spec.V4IPAddress = r.hostIn(ip.Spec.Subnet)
	case 3:
		ip.Spec.Vip = r.known("vips", r.name("vip", 6))
	case 4, 5:
		ip.Spec.Vips = []string{r.known("vips", r.name("vip", 6))}
	}
	return ip
}

func inventVip(r invention, _ string) storage.Object {
	vip := &v1.Vip{Spec: v1.VipSpec{Subnet: r.subnetName()}}
	vip.Spec.V4ip = maybe(r, r.hostIn(vip.Spec.Subnet))
	switch r.IntN(6) {
	case 0, 1:
		vip.Spec.Type = v1.VipSwitchLB
	case 2:
		vip.Spec.Type, vip.Spec.Namespace = v1.VipKubeHostVM, maybe(r, "ns1")
	case 3, 4:
		vip.Spec.Namespace, vip.Spec.Selector = "ns1", []string{"app: web"}
	}
	return vip
}

func inventOvnEip(r invention, _ string) storage.Object {
	eip := &v1.OvnEip{Spec: v1.OvnEipSpec{ExternalSubnet: maybe(r, r.externalName())}}
	eip.Spec.V4IP = maybe(r, r.hostIn(cmp.Or(eip.Spec.ExternalSubnet, "external")))
	eip.Spec.Type = pick(r, "", v1.OvnEipNat, v1.OvnEipNat, v1.OvnEipNat, v1.OvnEipNat, v1.OvnEipLsp, v1.OvnEipLrp)
	return eip
}

// internal is what a rule translates: an IP, a Vip, or an address in a Vpc.
func (r invention) internal() (ipType v1.IPType, ipName, vpc, v4 string) {
	switch r.IntN(4) {
	case 0:
		return v1.IPTypeVip, r.known("vips", r.name("vip", 6)), "", ""
	case 1:
		subnet := r.subnetName()
		return "", "", r.vpcOf(subnet), r.hostIn(subnet)
	}
	return maybe(r, v1.IPTypeIP), r.known("ips", r.name("pod", 9)+".ns1"), "", ""
}

func inventOvnFip(r invention, _ string) storage.Object {
	fip := &v1.OvnFip{Spec: v1.OvnFipSpec{OvnEip: r.eipName(), Type: pick(r, "", "distributed", "centralized")}}
	fip.Spec.IPType, fip.Spec.IPName, fip.Spec.Vpc, fip.Spec.V4IP = r.internal()
	return fip
}

func inventOvnSnat(r invention, _ string) storage.Object {
	rule := &v1.OvnSnatRule{Spec: v1.OvnSnatRuleSpec{OvnEip: r.eipName()}}
	switch r.IntN(3) {
	case 0:
		rule.Spec.IPName = r.known("ips", r.name("pod", 9)+".ns1")
	case 1:
		subnet := r.subnetName()
		rule.Spec.Vpc, rule.Spec.V4IPCidr = r.vpcOf(subnet), pick(r, "10.0.1.0/25", r.hostIn(subnet))
	default:
		rule.Spec.VpcSubnet = r.subnetName()
	}
	return rule
}

func inventOvnDnat(r invention, _ string) storage.Object {
	rule := &v1.OvnDnatRule{Spec: v1.OvnDnatRuleSpec{OvnEip: r.eipName(), Protocol: pick(r, "tcp", "udp"), ExternalPort: pick(r, "80", "81"), InternalPort: "8080"}}
	rule.Spec.IPType, rule.Spec.IPName, rule.Spec.Vpc, rule.Spec.V4IP = r.internal()
	return rule
}

func inventBalancer(r invention, _ string) storage.Object {
	rule := &v1.SwitchLBRule{Spec: v1.SwitchLBRuleSpec{
		Vip: pick(r, "1.1.1.1", "1.1.1.2", cmp.Or(r.hostIn(r.subnetName()), "1.1.1.3")), Namespace: "ns1", SessionAffinity: pick(r, "", "ClientIP"),
		Endpoints: some(r, "10.0.1.2", "10.0.1.3", "10.0.2.2", "10.0.2.3"),
		Ports:     []v1.SwitchLBRulePort{{Name: "a", Port: int32(80 + r.IntN(2)), TargetPort: 8080, Protocol: pick(r, "TCP", "UDP", "")}},
	}}
	if len(rule.Spec.Endpoints) == 0 {
		rule.Spec.Selector = []string{"app:web"}
	}
	rule.Annotations = map[string]string{v1.AnnotationVpc: r.vpcName()}
	if !r.checks || r.oneIn(4) {
		rule.Annotations["ovn.kubernetes.io/service_health_check"] = "false"
	}
	return rule
}

func inventDns(r invention, _ string) storage.Object {
	subnet := r.subnetName()
	return &v1.VpcDns{Spec: v1.VpcDnsSpec{Vpc: r.vpcOf(subnet), Subnet: subnet}}
}

func inventGateway(r invention, _ string) storage.Object {
	subnet := r.subnetName()
	g := &v1.VpcNatGateway{Spec: v1.VpcNatGatewaySpec{Vpc: r.vpcOf(subnet), Subnet: subnet, ExternalSubnets: []string{r.subnetName()}}}
	g.Spec.LanIP = r.hostIn(g.Spec.Subnet)
	if r.oneIn(4) {
		g.Spec.InternalSubnets = []string{r.subnetName()}
	}
	if r.oneIn(4) {
		g.Spec.InternalCIDRs = []string{"10.0.1.0/24"}
	}
	return g
}

func inventEIP(r invention, _ string) storage.Object {
	eip := &v1.IptablesEIP{Spec: v1.IptablesEIPSpec{NatGwDp: r.known("vpc-nat-gateways", r.name("gw", 2)), ExternalSubnet: r.subnetName()}}
	if g, ok := r.there()[key{"vpc-nat-gateways", eip.Spec.NatGwDp}].(*v1.VpcNatGateway); ok && !r.oneIn(4) {
		eip.Spec.ExternalSubnet = g.Spec.ExternalSubnets[0]
	}
	eip.Spec.V4ip = maybe(r, r.hostIn(eip.Spec.ExternalSubnet))
	return eip
}

func inventFIP(r invention, _ string) storage.Object {
	return &v1.IptablesFIPRule{Spec: v1.IptablesFIPRuleSpec{EIP: r.known("iptables-eips", r.name("ieip", 3)), InternalIP: r.host()}}
}

// alter takes some fields of the spec from another invention, or writes only a label.
func (r invention) alter(o storage.Object, resource string) {
	if r.oneIn(5) {
		labels := map[string]string{"color": pick(r, "red", "green")}
		for name, value := range o.GetLabels() {
			if name != "color" {
				labels[name] = value
			}
		}
		o.SetLabels(labels)
		return
	}
	spec, other := reflect.ValueOf(o).Elem().FieldByName("Spec"), reflect.ValueOf(inventors[resource].object(r, o.GetName())).Elem().FieldByName("Spec")
	for _, i := range r.Perm(spec.NumField())[:min(1+r.IntN(3), spec.NumField())] {
		spec.Field(i).Set(other.Field(i))
	}
}

// disturb writes nonsense into the status, as far as it is text.
func (r invention) disturb(o storage.Object) {
	status := reflect.ValueOf(o).Elem().FieldByName("Status")
	for i := range status.NumField() {
		switch field := status.Field(i); field.Kind() {
		case reflect.String:
			if r.oneIn(2) {
				field.SetString(pick(r, "", "vpc1", "10.0.1.9", "nonsense"))
			}
		case reflect.Bool:
			field.SetBool(r.oneIn(2))
		}
	}
	if pn, ok := o.(*v1.ProviderNetwork); ok {
		pn.Status.Conditions = []v1.ProviderNetworkCondition{{Node: r.name("node", 3), Type: "Ready", Status: pick(r, metav1.ConditionTrue, metav1.ConditionFalse)}}
	}
}

// beginnings are objects with which the others have something to do with each other from the start.
func beginnings() []operation {
	var ops []operation
	add := func(resource, name string, o storage.Object) {
		o.SetName(name)
		ops = append(ops, operation{verb: creates, resource: resource, object: o})
	}
	add("provider-networks", "pn1", &v1.ProviderNetwork{Spec: v1.ProviderNetworkSpec{DefaultInterface: "eth1"}})
	for i, name := range []string{"external", "extra"} {
		vlan := fmt.Sprintf("vlan%d", 1+i)
		add("vlans", vlan, &v1.Vlan{Spec: v1.VlanSpec{Provider: "pn1", ID: int32(1 + i)}})
		add("subnets", name, &v1.Subnet{Spec: v1.SubnetSpec{Vlan: vlan, CIDRBlock: fmt.Sprintf("10.5.%d.0/24", 204+i)}})
	}
	for i, vpc := range []string{"vpc1", "vpc2"} {
		add("vpcs", vpc, &v1.Vpc{Spec: v1.VpcSpec{EnableExternal: true}})
		for j := range 2 {
			add("subnets", fmt.Sprintf("net%d", 1+2*i+j), &v1.Subnet{Spec: v1.SubnetSpec{Vpc: vpc, CIDRBlock: fmt.Sprintf("10.0.%d.0/24", 1+j)}})
		}
	}
	for i := range 4 {
		add("ips", fmt.Sprintf("pod%d.ns1", 1+i), &v1.IP{Spec: v1.IPSpec{Namespace: "ns1", PodName: fmt.Sprintf("pod%d", 1+i), Subnet: fmt.Sprintf("net%d", 1+i)}})
		add("ovn-eips", fmt.Sprintf("eip%d", 1+i), &v1.OvnEip{})
	}
	return ops
}
