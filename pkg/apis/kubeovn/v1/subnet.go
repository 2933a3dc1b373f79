package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/northbound-ovn/northbound/pkg/apis/count"
)

// +genclient
// +genclient:nonNamespaced
// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// Subnet is a logical switch with its address range: pods, virtual machines, nodes and external addresses are in one.
type Subnet struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard object metadata. The name is the name of the logical switch; it must not begin with a digit
	// and must not be the name of a Vpc.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the desired Subnet.
	// +optional
	Spec SubnetSpec `json:"spec,omitempty"`
	// status is what is known of the Subnet. Written by the server only.
	// +optional
	Status SubnetStatus `json:"status,omitempty"`
}

// +k8s:deepcopy-gen:interfaces=k8s.io/apimachinery/pkg/runtime.Object

// SubnetList is a list of Subnets.
type SubnetList struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard list metadata.
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`
	// items are the Subnets, in ascending order of their names.
	Items []Subnet `json:"items"`
}

// Protocol is the address family, or families, of a Subnet.
type Protocol string

const (
	// ProtocolIPv4 is IPv4 only.
	ProtocolIPv4 Protocol = "IPv4"
	// ProtocolIPv6 is IPv6 only.
	ProtocolIPv6 Protocol = "IPv6"
	// ProtocolDual is IPv4 and IPv6.
	ProtocolDual Protocol = "Dual"
	// ProtocolMac is neither: interfaces have a MAC and no address.
	ProtocolMac Protocol = "Mac"
)

// GatewayType says where traffic leaves an overlay Subnet of the default VPC.
type GatewayType string

const (
	// GatewayDistributed leaves at the node of the pod.
	GatewayDistributed GatewayType = "distributed"
	// GatewayCentralized leaves at the nodes of gatewayNode.
	GatewayCentralized GatewayType = "centralized"
)

// SubnetSpec is the desired state of a Subnet.
type SubnetSpec struct {
	// default marks the Subnet of namespaces that are bound to no other. Default: false. Refused for a second Subnet.
	// +optional
	Default bool `json:"default"`
	// vpc is the name of the Vpc to which the Subnet belongs. Default: ovn-cluster, for Subnets of an OVN provider. Cannot be
	// changed. Refused: a Vpc that does not exist or is being deleted, and one in which another Subnet has an overlapping
	// cidrBlock.
	// +optional
	Vpc string `json:"vpc,omitempty"`
	// protocol is IPv4, IPv6, Dual or Mac. Computed from cidrBlock, which it follows; refused when it contradicts it.
	// +optional
	Protocol Protocol `json:"protocol,omitempty"`
	// namespaces are the names of the namespaces whose pods get their addresses from this Subnet: from the default Subnet of
	// the cluster they get none, not even while this one is full or being deleted. Refused: a namespace that the Vpc does not
	// admit, and one that is bound to a Subnet of another Vpc.
	// +optional
	// +listType=set
	Namespaces []string `json:"namespaces,omitempty"`
	// namespaceSelectors select further namespaces by labels; a namespace is bound when one of them matches.
	// +optional
	// +listType=atomic
	NamespaceSelectors []metav1.LabelSelector `json:"namespaceSelectors,omitempty"`
	// cidrBlock is the prefix, as 10.16.0.0/16; "v4,v6" for both families. Required, except for protocol Mac. Refused: a
	// prefix with host bits set, one that overlaps with another Subnet of the Vpc or of its peers, one that has loopback,
	// multicast or link-local addresses or those of 0.0.0.0/8, and a change that leaves addresses in use outside. A /32 or
	// /128 has the gateway's address alone: a warning.
	// +optional
	CIDRBlock string `json:"cidrBlock"`
	// gateway is the address of the router in the Subnet, "v4,v6" for both families. Default: the first address of the
	// prefix, also of a family that it does not name. The default follows cidrBlock, except to an address to which no
	// interface that exists would send. Refused: an address outside cidrBlock or in use, one that is the next hop of a route
	// or policy of the Vpc, and a change while interfaces send to the gateway.
	// +optional
	Gateway string `json:"gateway"`
	// excludeIps are addresses that are never allocated automatically: single ones, or ranges as "10.16.0.1..10.16.0.10"
	// with both ends included. An object that asks for one by name gets it: the list reserves addresses for such use.
	// Default: the gateway, which the default follows. The gateway is never given to anybody, whether it is listed or
	// not; one that is listed is taken out when another takes its place. Refused: entries outside cidrBlock and ranges
	// that run backwards.
	// +optional
	// +listType=set
	ExcludeIps []string `json:"excludeIps,omitempty"`
	// provider says who plugs the interfaces: "ovn" the first interface of pods, "<nad>.<namespace>.ovn" a further
	// interface in the overlay, "<nad>.<namespace>" an interface of another plugin for which only addresses are managed.
	// Default: ovn. While addresses are in use, a change between OVN and address management only is refused.
	// +optional
	Provider string `json:"provider,omitempty"`
	// gatewayType is distributed (traffic leaves at the pod's node) or centralized (at the nodes of gatewayNode). Default:
	// distributed, in the default VPC only; without meaning in others. Anything else is refused.
	// +optional
	GatewayType GatewayType `json:"gatewayType,omitempty"`
	// gatewayNode are the names of the gateway nodes, separated by commas; "node:address" fixes the address that the node
	// uses. Only for gatewayType centralized.
	// +optional
	GatewayNode string `json:"gatewayNode"`
	// gatewayNodeSelectors select the gateway nodes by labels, in addition to gatewayNode; one match is enough.
	// +optional
	// +listType=atomic
	GatewayNodeSelectors []metav1.LabelSelector `json:"gatewayNodeSelectors,omitempty"`
	// natOutgoing translates the source address of traffic that leaves the cluster to the node's. Default: false. Refused
	// together with externalEgressGateway.
	// +optional
	NatOutgoing bool `json:"natOutgoing"`
	// natOutgoingPolicyRules decide, in this order, for which traffic natOutgoing applies; what no rule matches is
	// translated. Only with natOutgoing.
	// +optional
	// +listType=atomic
	NatOutgoingPolicyRules []NatOutgoingPolicyRule `json:"natOutgoingPolicyRules,omitempty"`
	// externalEgressGateway is the address, "v4,v6" for both families, of a router beside the nodes, to which they send the
	// traffic of the Subnet that leaves the cluster, with the pods' own addresses as sources: the pod's node for gatewayType
	// distributed, the gateway nodes for centralized. The router needs routes back to cidrBlock. Default: the node's own
	// routes. Only in the default Vpc. Refused together with natOutgoing, and when the families differ from those of
	// cidrBlock.
	// +optional
	ExternalEgressGateway string `json:"externalEgressGateway,omitempty"`
	// policyRoutingPriority is the priority of the nodes' routing rules for externalEgressGateway, see ip-rule(8), 1 to 32765:
	// a rule for each pod of the node with gatewayType distributed, one for each prefix with centralized. Required with it,
	// refused without.
	// +optional
	PolicyRoutingPriority int32 `json:"policyRoutingPriority,omitempty"`
	// policyRoutingTableID is the number of the nodes' routing table for externalEgressGateway, 1 to 2147483647 besides 110,
	// 253, 254 and 255, which have a meaning already. Subnets with one table have one gateway; routes of others in it stay.
	// Required with it, refused without.
	// +optional
	PolicyRoutingTableID int32 `json:"policyRoutingTableID,omitempty"`
	// mtu is the largest packet, in bytes, of the interfaces, 68 to 65535; at least 1280 with IPv6. 0, the default, means
	// the node's.
	// +optional
	Mtu int32 `json:"mtu,omitempty"`
	// private drops traffic from other Subnets, except those of allowSubnets and the nodes. Default: false.
	// +optional
	Private bool `json:"private"`
	// allowSubnets are the prefixes that may reach a private Subnet. Refused: malformed prefixes.
	// +optional
	// +listType=set
	AllowSubnets []string `json:"allowSubnets,omitempty"`
	// vlan is the name of the Vlan that connects the Subnet with a physical network (underlay). Default: none, an overlay.
	// Refused: a Vlan that does not exist. Cannot be changed.
	// +optional
	Vlan string `json:"vlan,omitempty"`
	// vips are addresses for which a virtual port exists that any interface of the Subnet may claim. Refused: addresses
	// outside cidrBlock or taken.
	// +optional
	// +listType=set
	Vips []string `json:"vips,omitempty"`
	// logicalGateway attaches an underlay Subnet to the Vpc's router instead of a physical one. Default: false. Refused
	// together with u2oInterconnection.
	// +optional
	LogicalGateway bool `json:"logicalGateway"`
	// disableGatewayCheck: when false, nodes wait until the gateway answers before a pod of an underlay Subnet starts.
	// Default: false.
	// +optional
	DisableGatewayCheck bool `json:"disableGatewayCheck"`
	// disableInterConnection keeps the Subnet's routes from being advertised to other clusters. Default: false.
	// +optional
	DisableInterConnection bool `json:"disableInterConnection"`
	// enableDHCP answers DHCP requests of the interfaces with their address, gateway, MTU and what dhcpV4Options and
	// dhcpV6Options say. Default: false.
	// +optional
	EnableDHCP bool `json:"enableDHCP"`
	// dhcpV4Options are DHCPv4 options as "lease_time=7200,dns_server={8.8.8.8,1.1.1.1},domain_name="corp.example"", named
	// and typed as in ovn-nb(5), several values in braces, texts in quotation marks. What is not given has its default:
	// router the gateway, mtu that of the Subnet, lease_time 3600 seconds, server_id 169.254.0.254, server_mac the
	// router's. Refused: names that OVN does not have, values of another type or family or out of range, a router outside
	// of cidrBlock.
	// +optional
	DHCPv4Options string `json:"dhcpV4Options,omitempty"`
	// dhcpV6Options are DHCPv6 options as "dns_server=fd00::a,domain_search="corp.example"": dns_server, domain_search,
	// server_id (a MAC address; default: the router's) and dhcpv6_stateless. Refused as those of dhcpV4Options.
	// +optional
	DHCPv6Options string `json:"dhcpV6Options,omitempty"`
	// enableIPv6RA sends IPv6 router advertisements. Default: false. Without effect in IPv4 Subnets.
	// +optional
	EnableIPv6RA bool `json:"enableIPv6RA"`
	// ipv6RAConfigs are the parameters of router advertisements as "address_mode=slaac,max_interval=30", named as in
	// ovn-nb(5). What is not given has its default: address_mode dhcpv6_stateful, send_periodic true, mtu that of the
	// Subnet, and intervals of 5 to 30 seconds when neither is given. Lists (dnssl, route_info) stand in quotation marks.
	// Refused: other names, and values that OVN or RFC 4861 does not allow.
	// +optional
	IPv6RAConfigs string `json:"ipv6RAConfigs,omitempty"`
	// acls are access rules of the Subnet's interfaces, the highest priority first. Refused: two rules with the same
	// direction, priority and match, also where private or allowEWTraffic makes one of them.
	// +optional
	// +listType=atomic
	Acls []ACL `json:"acls,omitempty"`
	// allowEWTraffic admits traffic within the Subnet whatever acls says. Default: false.
	// +optional
	AllowEWTraffic bool `json:"allowEWTraffic"`
	// u2oInterconnection connects an underlay Subnet with the overlay Subnets of its Vpc: new interfaces, and DHCP, have the
	// Vpc's router (status.u2oInterconnectionIP) as their gateway, which hands what is not for an overlay to gateway.
	// Default: false. Refused together with logicalGateway and for overlays.
	// +optional
	U2OInterconnection bool `json:"u2oInterconnection"`
	// u2oInterconnectionIP is the address of the Vpc's router in an interconnected underlay, "v4,v6" for both families.
	// Default: allocated. Refused: the gateway, an address outside cidrBlock or taken.
	// +optional
	U2OInterconnectionIP string `json:"u2oInterconnectionIP,omitempty"`
	// u2oFeatures are options of u2oInterconnection.
	// +optional
	U2OFeatures *U2OFeatures `json:"u2oFeatures,omitempty"`
	// enableLb attaches the Vpc's load balancers to the Subnet, so that service addresses work in it. Default: the server's
	// setting.
	// +optional
	EnableLb *bool `json:"enableLb,omitempty"`
	// enableEcmp uses all gateway nodes of a centralized Subnet together instead of one active. Default: false.
	// +optional
	EnableEcmp bool `json:"enableEcmp"`
	// enableMulticastSnoop forwards multicast only to interfaces that joined the group. Default: false.
	// +optional
	EnableMulticastSnoop bool `json:"enableMulticastSnoop"`
	// enableExternalLBAddress lets services of type LoadBalancer get addresses of this underlay Subnet. Default: false.
	// +optional
	EnableExternalLBAddress bool `json:"enableExternalLBAddress"`
	// routeTable is the name of the Vpc's routing table for traffic from this Subnet. Default: empty, the main table.
	// +optional
	RouteTable string `json:"routeTable,omitempty"`
	// nodeNetwork is the name of the nodes' network (encapsulation interface) for the Subnet's tunnels. Default: the
	// node's first.
	// +optional
	NodeNetwork string `json:"nodeNetwork,omitempty"`
}

// NatOutgoingAction is what a NatOutgoingPolicyRule does.
type NatOutgoingAction string

const (
	// NatOutgoingNat translates the source address.
	NatOutgoingNat NatOutgoingAction = "nat"
	// NatOutgoingForward forwards unchanged.
	NatOutgoingForward NatOutgoingAction = "forward"
)

// NatOutgoingPolicyRule decides whether traffic that leaves the cluster is translated.
type NatOutgoingPolicyRule struct {
	// match selects the traffic.
	// +optional
	Match NatOutgoingPolicyMatch `json:"match,omitzero"`
	// action is nat (translate) or forward (do not). Required; anything else is refused.
	Action NatOutgoingAction `json:"action"`
}

// NatOutgoingPolicyMatch selects traffic by addresses. Refused when both fields are empty.
type NatOutgoingPolicyMatch struct {
	// srcIPs are source addresses or prefixes, separated by commas. Default: any. Refused: entries outside the Subnet's
	// cidrBlock.
	// +optional
	SrcIPs string `json:"srcIPs,omitempty"`
	// dstIPs are destination addresses or prefixes, separated by commas. Default: any.
	// +optional
	DstIPs string `json:"dstIPs,omitempty"`
}

// ACLDirection is the point of a logical switch at which an ACL acts.
type ACLDirection string

const (
	// ACLFromLport acts on traffic that comes from an interface.
	ACLFromLport ACLDirection = "from-lport"
	// ACLToLport acts on traffic that goes to an interface.
	ACLToLport ACLDirection = "to-lport"
)

// ACL is an access rule of a logical switch.
type ACL struct {
	// direction is from-lport (traffic from interfaces) or to-lport (traffic to interfaces). Required; anything else is
	// refused.
	Direction ACLDirection `json:"direction"`
	// priority orders the rules, the highest first. 0 to 32767; anything else is refused.
	// +optional
	Priority int32 `json:"priority,omitempty"`
	// match is an OVN logical expression as in ovn-sb(5), for instance "ip4.src == 10.16.0.0/16 && tcp". Required; an
	// expression that OVN 23.03 or 25.03 does not read is refused, with the column of what is wrong: unknown fields,
	// constants of another kind or wider than the field, && beside || without parentheses, predicates and nominal fields
	// (tcp, ip4, ip.proto, ip.ttl, icmp4.type) that are not tested positively. Refused, too: MAC addresses other than six
	// pairs of digits, parentheses deeper than 90, and $sets with < or > or with fields of less than 32 bits.
	Match string `json:"match"`
	// action is allow, allow-related (and replies), allow-stateless, drop, or reject (with an ICMP error or a TCP reset).
	// Required; anything else is refused.
	Action string `json:"action"`
}

// U2OFeatures are options of the interconnection of an underlay with overlay Subnets.
type U2OFeatures struct {
	// overlayOnlyRouting lets the Vpc's router forward only traffic for overlay Subnets; it hands all other traffic of the
	// underlay to the physical gateway, also traffic for nodes. Default: false.
	// +optional
	OverlayOnlyRouting bool `json:"overlayOnlyRouting"`
}

// SubnetStatus is the observed state of a Subnet.
//
// Counts of addresses are exact: numbers up to 2^53 (9007199254740992), strings of decimal digits above, because a /64 has
// more addresses than programs read exactly as numbers. They are refreshed at most once a second.
type SubnetStatus struct {
	// conditions: Validated is true when spec was accepted, Ready when the logical switch exists with all that spec asks
	// for, Error when something that the server cannot repair stands in the way.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// v4availableIPs is the number of IPv4 addresses that can still be allocated automatically.
	// +optional
	V4AvailableIPs count.Count `json:"v4availableIPs"`
	// v4availableIPrange are the IPv4 addresses that can still be allocated, as "a-b,c".
	// +optional
	V4AvailableIPRange string `json:"v4availableIPrange"`
	// v4usingIPs is the number of IPv4 addresses in use by IPs, Vips and external addresses.
	// +optional
	V4UsingIPs count.Count `json:"v4usingIPs"`
	// v4usingIPrange are the IPv4 addresses in use, as "a-b,c".
	// +optional
	V4UsingIPRange string `json:"v4usingIPrange"`
	// v6availableIPs is the number of IPv6 addresses that can still be allocated automatically.
	// +optional
	V6AvailableIPs count.Count `json:"v6availableIPs"`
	// v6availableIPrange are the IPv6 addresses that can still be allocated, as "a-b,c".
	// +optional
	V6AvailableIPRange string `json:"v6availableIPrange"`
	// v6usingIPs is the number of IPv6 addresses in use by IPs, Vips and external addresses.
	// +optional
	V6UsingIPs count.Count `json:"v6usingIPs"`
	// v6usingIPrange are the IPv6 addresses in use, as "a-b,c".
	// +optional
	V6UsingIPRange string `json:"v6usingIPrange"`
	// activateGateway are the names of the gateway nodes in use, separated by commas.
	// +optional
	ActivateGateway string `json:"activateGateway"`
	// dhcpV4OptionsUUID is the UUID of the Northbound DHCP_Options row for IPv4, empty when there is none.
	// +optional
	DHCPv4OptionsUUID string `json:"dhcpV4OptionsUUID"`
	// dhcpV6OptionsUUID is the UUID of the Northbound DHCP_Options row for IPv6, empty when there is none.
	// +optional
	DHCPv6OptionsUUID string `json:"dhcpV6OptionsUUID"`
	// u2oInterconnectionIP is the address of the Vpc's router in an interconnected underlay.
	// +optional
	U2OInterconnectionIP string `json:"u2oInterconnectionIP"`
	// u2oInterconnectionMAC is the MAC of the Vpc's router in an interconnected underlay.
	// +optional
	U2OInterconnectionMAC string `json:"u2oInterconnectionMAC"`
	// u2oInterconnectionVPC is the name of the Vpc with which the underlay is interconnected.
	// +optional
	U2OInterconnectionVPC string `json:"u2oInterconnectionVPC"`
	// natOutgoingPolicyRules are the rules of spec in effect, with their identifiers.
	// +optional
	// +listType=atomic
	NatOutgoingPolicyRules []NatOutgoingPolicyRuleStatus `json:"natOutgoingPolicyRules,omitempty"`
	// mcastQuerierIP is the source address of multicast queries.
	// +optional
	McastQuerierIP string `json:"mcastQuerierIP,omitempty"`
	// mcastQuerierMAC is the source MAC of multicast queries.
	// +optional
	McastQuerierMAC string `json:"mcastQuerierMAC,omitempty"`
}

// NatOutgoingPolicyRuleStatus is a NatOutgoingPolicyRule in effect.
type NatOutgoingPolicyRuleStatus struct {
	// ruleID identifies the rule on the nodes: 12 hexadecimal digits that depend on the rule only.
	// +optional
	RuleID string `json:"ruleID"`

	NatOutgoingPolicyRule `json:",inline"`
}
