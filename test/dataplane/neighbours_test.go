package dataplane

import "testing"

// Who is outside knows an external address by the MAC of a router that had it before, and sends nothing: it must be told, which OVN
// does for IPv4.
func TestNeighboursOutsideAreToldWhereExternalAddressesAre(t *testing.T) {
	s := bed.Begin(t)
	s.Apply(dualExternal)
	s.Pod(s.Hosts[0], "a.ns1", "net1")
	s.Pod(s.Hosts[1], "b.ns1", "net1")
	for _, rule := range []struct{ name, manifest string }{
		{"snat", `{kind: OvnSnatRule, metadata: {name: snat}, spec: {ovnEip: snat, vpcSubnet: net1}}`},
		{"fip", `{kind: OvnFip, metadata: {name: fip}, spec: {ovnEip: fip, ipName: a.ns1}}`},
		{"dnat", `{kind: OvnDnatRule, metadata: {name: dnat}, spec: {ovnEip: dnat, ipName: a.ns1, protocol: tcp, internalPort: "80", externalPort: "8080"}}`},
		{"distributed", `{kind: OvnFip, metadata: {name: distributed}, spec: {type: distributed, ovnEip: distributed, ipName: b.ns1}}`},
	} {
		s.Apply(`{kind: OvnEip, metadata: {name: ` + rule.name + `}, spec: {type: nat}}`)
		v4, _ := s.EIP(rule.name)
		s.Mislead(s.Internet, v4)
		s.Apply(rule.manifest)
		s.ExpectTold(s.Internet, v4)
	}
}
