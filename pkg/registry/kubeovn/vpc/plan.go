package vpc

import (
	"fmt"
	"net/netip"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/prefix"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// plan refuses what conflicts with other objects. Nothing stands in the way of a deletion: that no
// Subnet refers to the Vpc any more is known.
func (k kind) plan(v storage.View, old, vpc *v1.Vpc) error {
	if vpc == nil {
		return nil
	}
	errs := validate(vpc)
	if len(errs) == 0 {
		if old == nil {
			errs = append(errs, checkName(v, vpc)...)
		}
		errs = append(errs, checkNamespaces(v, old, vpc)...)
		errs = append(errs, checkDefaultSubnet(v, old, vpc)...)
		errs = append(errs, checkLinks(v, old, vpc)...)
		errs = append(errs, k.checkExternals(v, old, vpc)...)
		errs = append(errs, k.checkHops(v, old, vpc)...)
	}
	return kubeovn.Invalid("Vpc", vpc.Name, errs)
}

func checkName(v storage.View, vpc *v1.Vpc) field.ErrorList {
	if v.Get(nb.Subnets, vpc.Name) == nil {
		return nil
	}
	return field.ErrorList{field.Invalid(field.NewPath("metadata", "name"), vpc.Name,
		fmt.Sprintf("subnet %s and vpc %s cannot have the same name", vpc.Name, vpc.Name))}
}

// checkNamespaces refuses to take a namespace from the Vpc that one of its Subnets is bound to.
func checkNamespaces(v storage.View, old, vpc *v1.Vpc) field.ErrorList {
	if len(vpc.Spec.Namespaces) == 0 || old == nil || slices.Equal(old.Spec.Namespaces, vpc.Spec.Namespaces) {
		return nil
	}
	var errs field.ErrorList
	for s := range storage.ReferrersOf[*v1.Subnet](v, nb.Vpcs, vpc.Name) {
		for _, ns := range s.Spec.Namespaces {
			if s.Spec.Vpc == vpc.Name && !slices.Contains(vpc.Spec.Namespaces, ns) {
				errs = append(errs, field.Invalid(specPath.Child("namespaces"), vpc.Spec.Namespaces,
					fmt.Sprintf("subnet %s is bound to namespace '%s': keep it here, or unbind it there first", s.Name, ns)))
			}
		}
	}
	return errs
}

func checkDefaultSubnet(v storage.View, old, vpc *v1.Vpc) field.ErrorList {
	s, ok := storage.Get[*v1.Subnet](v, nb.Subnets, vpc.Spec.DefaultSubnet)
	if !ok || s.Spec.Vpc == vpc.Name || old != nil && old.Spec.DefaultSubnet == s.Name {
		return nil
	}
	return field.ErrorList{field.Invalid(specPath.Child("defaultSubnet"), s.Name, fmt.Sprintf("subnet %s is not in vpc %s", s.Name, vpc.Name))}
}

// checkLinks checks the links to peers that are new or changed.
func checkLinks(v storage.View, old, vpc *v1.Vpc) field.ErrorList {
	var errs field.ErrorList
	changed := func(p v1.VpcPeering) bool { return old == nil || !slices.Contains(old.Spec.VpcPeerings, p) }
	for i, p := range vpc.Spec.VpcPeerings {
		if changed(p) {
			errs = append(errs, checkLink(v, vpc, i, p)...)
		}
	}
	for _, p := range mutualPeers(v, vpc) {
		if changed(vpc.Spec.VpcPeerings[p.index]) {
			errs = append(errs, checkPeer(v, vpc, p)...)
		}
	}
	return errs
}

func checkLink(v storage.View, vpc *v1.Vpc, i int, p v1.VpcPeering) field.ErrorList {
	var errs field.ErrorList
	path := peeringsPath.Index(i)
	link, _ := linkOf(p)
	for _, x := range link.All() {
		for theirs, holder := range prefix.Overlapping(v, prefix.InVpc(vpc.Name), x.Masked()) {
			if holder.GetName() != vpc.Name {
				errs = append(errs, field.Invalid(path.Child("localConnectIP"), p.LocalConnectIP,
					fmt.Sprintf("%s overlaps with cidr %s of subnet %s: a link needs a prefix of its own", x.Masked(), theirs, holder.GetName())))
			}
		}
	}
	name := nb.PeerPort(vpc.Name, p.RemoteVpc)
	for _, holder := range v.Scan(nb.RouterPortNameKey(name), nb.RouterPortNameKey(name)+"\x00") {
		if _, own := holder.(*v1.Vpc); !own || holder.GetName() != vpc.Name {
			errs = append(errs, field.Invalid(path.Child("remoteVpc"), p.RemoteVpc,
				fmt.Sprintf("the link needs the router port %q, which %s has already", name, holder.GetName())))
		}
	}
	return errs
}

// checkPeer checks that two Vpcs that name each other can be connected.
func checkPeer(v storage.View, vpc *v1.Vpc, p peer) field.ErrorList {
	var errs field.ErrorList
	path := peeringsPath.Index(p.index)
	connect, text := path.Child("localConnectIP"), vpc.Spec.VpcPeerings[p.index].LocalConnectIP
	for _, mine := range p.local.All() {
		theirs := p.theirs.Of(mine.Addr())
		switch {
		case !theirs.IsValid():
		case mine.Masked() != theirs.Masked():
			errs = append(errs, field.Invalid(connect, text,
				fmt.Sprintf("vpc %s connects with %s: both sides must be in one prefix", p.remote.Name, theirs)))
		case mine.Addr() == theirs.Addr():
			errs = append(errs, field.Invalid(connect, text, fmt.Sprintf("vpc %s has the address %s on this link", p.remote.Name, theirs.Addr())))
		}
	}
	if !slices.ContainsFunc(p.local.All(), func(x netip.Prefix) bool { return p.theirs.Of(x.Addr()).IsValid() }) {
		errs = append(errs, field.Invalid(connect, text, fmt.Sprintf("vpc %s connects with %s: no family in common", p.remote.Name, p.theirs)))
	}
	if c, found := firstConflict(v, vpc.Name, p.remote.Name); found {
		errs = append(errs, field.Invalid(path.Child("remoteVpc"), p.remote.Name,
			fmt.Sprintf("subnet %s cidr %s is conflict with subnet %s cidr %s of vpc %s", c.mine, c.minePrefix, c.theirs, c.theirsPrefix, p.remote.Name)))
	}
	return errs
}
