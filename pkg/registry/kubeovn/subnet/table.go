package subnet

import (
	"math/big"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/registry/rest"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/shape"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

var columns = []metav1.TableColumnDefinition{
	{Name: "Name", Type: "string", Format: "name", Description: "The name of the Subnet and of its logical switch."},
	{Name: "Provider", Type: "string", Description: "Who plugs the interfaces."},
	{Name: "Vpc", Type: "string", Description: "The Vpc of the Subnet."},
	{Name: "Vlan", Type: "string", Description: "The Vlan of an underlay Subnet."},
	{Name: "Protocol", Type: "string", Description: "IPv4, IPv6, Dual or Mac."},
	{Name: "CIDR", Type: "string", Description: "The prefixes of the Subnet."},
	{Name: "Private", Type: "boolean", Description: "Whether traffic from other Subnets is dropped."},
	{Name: "NAT", Type: "boolean", Description: "Whether the source address is translated when traffic leaves the cluster."},
	{Name: "Default", Type: "boolean", Description: "Whether pods that name no Subnet get their addresses here."},
	{Name: "GatewayType", Type: "string", Description: "Where traffic leaves the cluster."},
	{Name: "V4Used", Type: "number", Description: "IPv4 addresses in use."},
	{Name: "V4Available", Type: "number", Description: "IPv4 addresses that can still be allocated."},
	{Name: "V6Used", Type: "number", Description: "IPv6 addresses in use."},
	{Name: "V6Available", Type: "number", Description: "IPv6 addresses that can still be allocated."},
	{Name: "ExcludeIPs", Type: "string", Description: "Addresses that are not allocated automatically."},
	{Name: "U2OInterconnectionIP", Type: "string", Description: "The router's address in an interconnected underlay."},
}

// Table returns the columns of kubectl get. Numbers of addresses are counted in the snapshot that view returns, so that they
// are newer than the status; without a view they are the status.
func Table(view func() storage.View) rest.TableConvertor { return shape.NewTable(view, columns, cells) }

func cells(v storage.View, s *v1.Subnet, name, _ string) []any {
	spec := &s.Spec
	return append(append([]any{name, spec.Provider, spec.Vpc, spec.Vlan, string(spec.Protocol), spec.CIDRBlock, spec.Private, spec.NatOutgoing,
		spec.Default, string(spec.GatewayType)}, counts(v, s)...), kubeovn.ListCell(spec.ExcludeIps), s.Status.U2OInterconnectionIP)
}

// counts are the four columns of numbers.
func counts(v storage.View, s *v1.Subnet) []any {
	if v == nil {
		st := s.Status
		return []any{cell(st.V4UsingIPs.Int()), cell(st.V4AvailableIPs.Int()), cell(st.V6UsingIPs.Int()), cell(st.V6AvailableIPs.Int())}
	}
	v4, v6 := usages(v, s)
	return []any{cell(big.NewInt(int64(v4.using))), cell(v4.available), cell(big.NewInt(int64(v6.using))), cell(v6.available)}
}
