package vpc

import (
	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/address"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/lbplace"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/prefix"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// kind is the configuration that Plan and Derive depend on.
type kind struct{ cfg kubeovn.Config }

// NewResource returns the engine's side of the kind.
func NewResource(cfg kubeovn.Config) *storage.Resource {
	k := kind{cfg}
	return storage.NewResource(nb.Vpcs, "Vpc", func() *v1.Vpc { return &v1.Vpc{} }, storage.Kind[*v1.Vpc]{
		References: k.references,
		Index:      k.index,
		Plan:       k.plan,
		Derive:     k.derive,
		Companions: k.companions,
		Affected:   lbplace.AffectedByVpc,
		Rows:       k.rows,
	})
}

// references to the default Subnet and to peers are weak: neither needs to exist before the Vpc that names it. A peer's rows
// depend on what this side says of the link.
func (k kind) references(vpc *v1.Vpc) []storage.Ref {
	refs := k.externalReferences(vpc)
	if name := vpc.Spec.DefaultSubnet; name != "" {
		refs = append(refs, storage.Ref{Resource: nb.Subnets, Name: name, Field: "spec.defaultSubnet", Weak: true})
	}
	for i, p := range vpc.Spec.VpcPeerings {
		path := peeringsPath.Index(i).Child("remoteVpc").String()
		refs = append(refs, storage.Ref{Resource: nb.Vpcs, Name: p.RemoteVpc, Field: path, Weak: true, Effect: storage.Immediately})
	}
	return refs
}

// index holds the prefixes of the links to peers, which no Subnet of the Vpc may overlap, the names of ports, and what makes
// others find the Vpcs with external ports.
func (k kind) index(vpc *v1.Vpc) []string {
	var keys []string
	for i, x := range externals(k.cfg.ExternalGatewaySwitch, vpc) {
		if i == 0 {
			keys = append(keys, nb.ExternalVpcKey(vpc.Name))
		}
		if x.isDefault && vpc.Spec.EnableBfd {
			keys = append(keys, nb.BFDVpcKey(x.subnet, vpc.Name))
		}
		keys = append(keys, nb.RouterPortNameKey(nb.RouterPort(vpc.Name, x.subnet)), address.PortKey(nb.PatchPort(x.subnet, vpc.Name)))
	}
	for _, ns := range vpc.Spec.Namespaces {
		keys = append(keys, lbplace.VpcNamespaceKey(ns, vpc.Name))
	}
	for _, p := range vpc.Spec.VpcPeerings {
		keys = append(keys, nb.RouterPortNameKey(nb.PeerPort(vpc.Name, p.RemoteVpc)))
		link, _ := ipam.ParseInterfaces(p.LocalConnectIP)
		for _, x := range link.All() {
			keys = append(keys, prefix.Key(prefix.InVpc(vpc.Name), x.Masked()))
		}
	}
	return keys
}

// peer is a link that both sides declare.
type peer struct {
	index         int // in spec.vpcPeerings of this side
	remote        *v1.Vpc
	local, theirs ipam.Prefixes
}

// mutualPeers returns the links of a Vpc that both sides declare. A link that only one side declares has no effect on the
// other, or anyone could take prefixes from a Vpc by naming it.
func mutualPeers(v storage.View, vpc *v1.Vpc) []peer {
	var peers []peer
	for i, p := range vpc.Spec.VpcPeerings {
		remote, ok := storage.Get[*v1.Vpc](v, nb.Vpcs, p.RemoteVpc)
		if !ok {
			continue
		}
		for _, back := range remote.Spec.VpcPeerings {
			if back.RemoteVpc == vpc.Name {
				local, _ := ipam.ParseInterfaces(p.LocalConnectIP)
				theirs, _ := ipam.ParseInterfaces(back.LocalConnectIP)
				peers = append(peers, peer{i, remote, local, theirs})
			}
		}
	}
	return peers
}

// Peers returns the names of the Vpcs with which a link is up: both sides declare it.
func Peers(v storage.View, vpc *v1.Vpc) []string {
	var names []string
	for _, p := range mutualPeers(v, vpc) {
		names = append(names, p.remote.Name)
	}
	return names
}
