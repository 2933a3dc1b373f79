package ovneip

import (
	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/address"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// Resource is the plural name of the kind.
const Resource = nb.OvnEips

// kind is the configuration that Plan depends on.
type kind struct{ cfg kubeovn.Config }

// NewResource returns what the engine knows about OvnEips.
func NewResource(cfg kubeovn.Config) *storage.Resource {
	k := kind{cfg}
	return storage.NewResource(Resource, "OvnEip", func() *v1.OvnEip { return &v1.OvnEip{} }, storage.Kind[*v1.OvnEip]{
		References: references,
		Index:      index,
		Plan:       k.plan,
		Derive:     derive,
		Affected:   affected,
		Rows:       rows,
	})
}

func references(e *v1.OvnEip) []storage.Ref {
	if e.Spec.ExternalSubnet == "" {
		return nil
	}
	return []storage.Ref{{Resource: nb.Subnets, Name: e.Spec.ExternalSubnet, Field: "spec.externalSubnet", Effect: storage.Eventually}}
}

// affected are the Vpcs that watch the address of a gateway node.
func affected(v storage.View, old, e *v1.OvnEip) []storage.Ref {
	for _, o := range [...]*v1.OvnEip{old, e} {
		if o != nil && o.Spec.Type == v1.OvnEipLsp {
			return nb.BFDVpcs(v, o.Spec.ExternalSubnet)
		}
	}
	return nil
}

func index(e *v1.OvnEip) []string {
	keys := address.Keys(e.Spec.ExternalSubnet, Assigned(e), e.Status.MacAddress)
	if e.Spec.Type == v1.OvnEipLsp {
		keys = append(keys, address.PortKey(e.Name))
	}
	return keys
}

// Assigned are the addresses of a stored OvnEip.
func Assigned(e *v1.OvnEip) ipam.Addrs {
	v4, _ := ipam.ParseAddr(e.Status.V4IP) // written by plan; "" is the invalid address
	v6, _ := ipam.ParseAddr(e.Status.V6IP)
	return ipam.Addrs{V4: v4, V6: v6}
}
