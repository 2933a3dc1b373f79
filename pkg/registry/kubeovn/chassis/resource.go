package chassis

import (
	"fmt"
	"slices"
	"strconv"

	"k8s.io/apimachinery/pkg/util/validation/field"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/egress"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// kind is the configuration that References and Rows depend on.
type kind struct{ cfg kubeovn.Config }

// NewResource returns the engine's side of the kind.
func NewResource(cfg kubeovn.Config) *storage.Resource {
	k := kind{cfg}
	return storage.NewResource(nb.Chassis, "Chassis", func() *v1.Chassis { return &v1.Chassis{} }, storage.Kind[*v1.Chassis]{
		References: k.references,
		Index:      index,
		Plan:       plan,
		Affected:   affected,
		Rows:       k.rows,
	})
}

// references are to what the rows of a node are made with: its port, and the router that they are of.
func (k kind) references(c *v1.Chassis) []storage.Ref {
	return []storage.Ref{
		{Resource: nb.IPs, Name: v1.NodePort(c.Name), Field: "metadata.name", Weak: true},
		{Resource: nb.Vpcs, Name: k.cfg.DefaultVpc, Field: "metadata.name", Weak: true},
	}
}

func index(c *v1.Chassis) []string {
	keys := []string{idKey(c.Spec.ChassisID)}
	for _, text := range c.Spec.EncapIPs {
		if a, err := ipam.ParseAddr(text); err == nil {
			keys = append(keys, encapKey(a.String()))
		}
	}
	for _, text := range c.Spec.NodeIPs {
		if a, err := ipam.ParseAddr(text); err == nil {
			keys = append(keys, nodeIPKey(a.String()))
		}
	}
	if c.Spec.ExternalGateway {
		keys = append(keys, nb.GatewayKey(c.Name))
	}
	return keys
}

func idKey(id string) string          { return "chassis-id/" + id }
func encapKey(address string) string  { return "chassis-encap/" + address }
func nodeIPKey(address string) string { return "chassis-node-ip/" + address }

// plan refuses an identifier or an address that another Chassis has: OVN could not tell the two apart.
func plan(v storage.View, _, c *v1.Chassis) error {
	if c == nil {
		return nil
	}
	complete(c)
	errs := validate(c)
	if len(errs) == 0 {
		errs = append(errs, taken(v, c, idPath, c.Spec.ChassisID, idKey(c.Spec.ChassisID))...)
		for i, text := range c.Spec.EncapIPs {
			if a, err := ipam.ParseAddr(text); err == nil {
				errs = append(errs, taken(v, c, ipsPath.Index(i), text, encapKey(a.String()))...)
			}
		}
		for i, text := range c.Spec.NodeIPs {
			if a, err := ipam.ParseAddr(text); err == nil {
				errs = append(errs, taken(v, c, nodePath.Index(i), text, nodeIPKey(a.String()))...)
			}
		}
	}
	return kubeovn.Invalid("Chassis", c.Name, errs)
}

func taken(v storage.View, c *v1.Chassis, path *field.Path, value, key string) field.ErrorList {
	for _, holder := range v.Scan(key, key+"\x00") {
		if holder.GetName() != c.Name {
			return field.ErrorList{field.Invalid(path, value, fmt.Sprintf("chassis %s has it already", holder.GetName()))}
		}
	}
	return nil
}

// affected are the Vpcs with ports in external Subnets when the set of gateways changes, and what leaves the default Vpc at the node
// when that comes, goes, or is no longer fit. What else an agent writes, as its heartbeat, concerns no router.
func affected(v storage.View, old, c *v1.Chassis) []storage.Ref {
	refs := egress.AffectedByChassis(v, old, c)
	if slices.Equal(gateway(old), gateway(c)) {
		return refs
	}
	return append(refs, nb.ExternalVpcs(v)...)
}

// gateway is what routers' external ports need to know of a Chassis that is a gateway; nothing when it is not.
func gateway(c *v1.Chassis) []string {
	if c == nil || !c.Spec.ExternalGateway {
		return nil
	}
	return []string{c.Spec.ChassisID, strconv.FormatBool(egress.IsUsable(c))}
}
