// Package nb is the vocabulary that kinds share when they write rows of the Northbound database: names of tables, keys of
// rows that other kinds hang theirs on, and the names of switches, routers and ports, which are Kube-OVN's.
package nb

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/storage"
	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// Tables of the Northbound database, ovn-nb(5).
const (
	LogicalSwitch     = "Logical_Switch"
	LogicalSwitchPort = "Logical_Switch_Port"
	LogicalRouter     = "Logical_Router"
	LogicalRouterPort = "Logical_Router_Port"
	StaticRoute       = "Logical_Router_Static_Route"
	RouterPolicy      = "Logical_Router_Policy"
	ACL               = "ACL"
	DHCPOptions       = "DHCP_Options"
	NAT               = "NAT"
	LoadBalancer      = "Load_Balancer"
	GatewayChassis    = "Gateway_Chassis"
	HAChassisGroup    = "HA_Chassis_Group"
	AddressSet        = "Address_Set"
	PortGroup         = "Port_Group"
	QoS               = "QoS"
	BFD               = "BFD"
	StaticMACBinding  = "Static_MAC_Binding"
	HealthCheck       = "Load_Balancer_Health_Check"
)

// Resources whose rows others hang theirs on.
const (
	Vpcs    = "vpcs"
	Subnets = "subnets"
)

// Resources that others refer to, without rows of their own or with none that others refer to.
const (
	ProviderNetworks = "provider-networks"
	Vlans            = "vlans"
	Chassis          = "chassis"
	OvnEips          = "ovn-eips"
	IPs              = "ips"
)

// Keys of rows that other objects refer to with View.RowID. They never change: a row keeps its UUID as long as its key.
const (
	SwitchKey     = "switch" // the Logical_Switch of a Subnet
	RouterKey     = "router" // the Logical_Router of a Vpc
	RouterPortKey = "lrp"    // the Logical_Router_Port of a Subnet in its Vpc
	PatchPortKey  = "lsp"    // the Logical_Switch_Port of a Subnet that leads to its Vpc
	DHCPv4Key     = "dhcpv4" // the DHCP_Options of a Subnet for IPv4, if spec.enableDHCP
	DHCPv6Key     = "dhcpv6" // and for IPv6
)

// Vendor is the value of external_ids:vendor by which Kube-OVN's tools find rows.
const Vendor = "kube-ovn"

// RouterMACAnnotation keeps the MAC of a Subnet's router port. The server writes it once, when the Subnet is created.
const RouterMACAnnotation = "kubeovn.io/router-mac"

// RouterMAC is the MAC of the router port of a Subnet, "" when the Subnet has no rows in OVN.
func RouterMAC(s *v1.Subnet) string { return s.Annotations[RouterMACAnnotation] }

// RouterPort is the name of the port of a router in a Subnet: "vpc1-subnet1".
func RouterPort(vpc, subnet string) string { return vpc + "-" + subnet }

// PatchPort is the name of the port of a Subnet's switch that leads to a router: "subnet1-vpc1".
func PatchPort(subnet, vpc string) string { return subnet + "-" + vpc }

// PeerPort is the name of the port of a Vpc's router that leads to another Vpc: "vpc1-vpc2".
func PeerPort(vpc, remote string) string { return vpc + "-" + remote }

// GatewayName is the name of the place of a chassis among the gateways of a router port. Neither names of objects nor those
// of ports have an underscore, so that no two are the same.
func GatewayName(port, chassis string) string { return port + "_" + chassis }

// ExternalPortKey is the key of the Logical_Router_Port of a Vpc in an external Subnet.
func ExternalPortKey(subnet string) string { return "external/" + subnet }

// VirtualPort is the name of the port of an address of spec.vips of a Subnet.
func VirtualPort(subnet, address string) string { return subnet + "-vip-" + address }

// LocalnetPort is the name of the port of a Subnet's switch that leads to the physical network.
func LocalnetPort(subnet string) string { return "localnet." + subnet }

// RouterPortNameKey is the index key of the name of a logical router port: names are unique in the database.
func RouterPortNameKey(name string) string { return "router-port/" + name }

// ExternalIDs is a value of external_ids with the vendor.
func ExternalIDs(pairs map[string]string) ovsdb.Value {
	m := map[string]string{"vendor": Vendor}
	maps.Copy(m, pairs)
	return ovsdb.Map(m)
}

// InSwitch is the place of a row in a column of a Subnet's switch, as "ports" or "acls".
func InSwitch(v storage.View, subnet, column string) []storage.Parent {
	return []storage.Parent{{Table: LogicalSwitch, UUID: v.RowID(Subnets, subnet, SwitchKey), Column: column}}
}

// InRouter is the place of a row in a column of a Vpc's router, as "ports", "static_routes" or "nat".
func InRouter(v storage.View, vpc, column string) []storage.Parent {
	return []storage.Parent{{Table: LogicalRouter, UUID: v.RowID(Vpcs, vpc, RouterKey), Column: column}}
}

// Digest is a short fixed-width form of a text for row keys: 16 hexadecimal digits.
func Digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}
