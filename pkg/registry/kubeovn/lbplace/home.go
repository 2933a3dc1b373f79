package lbplace

import (
	"iter"
	"net/netip"
	"strings"

	"go4.org/netipx"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// Rules is the resource of the objects that have front ends and back ends, and that may follow their namespace.
const Rules = "switch-lb-rules"

const following = "following"

// Home says in which Vpc an object balances: in the one that it names, or, when Vpc is empty, in that of its namespace.
type Home struct{ Vpc, Namespace string }

// In returns the name of the Vpc. It need not exist.
func (h Home) In(v storage.View, cfg kubeovn.Config) string {
	if h.Vpc != "" {
		return h.Vpc
	}
	return VpcOfNamespace(v, cfg, h.Namespace)
}

func (h Home) key(index, middle string) string {
	if h.Vpc != "" {
		return index + "/vpc/" + h.Vpc + "/" + middle
	}
	return index + "/" + following + "/" + middle + "/" + h.Namespace
}

// PlaceKey is the index key of an object whose load balancers hang on the switches of the Vpc.
func (h Home) PlaceKey(resource, name string) string {
	return h.key("load-balancer", resource+"/"+name)
}

// BackEndKey is the index key of an object with a back end at an address.
func (h Home) BackEndKey(a netip.Addr) string { return h.key("back-end", ipam.Key(a)) }

// FrontEndKey is the index key of an object that answers at an address and port, "53/UDP".
func (h Home) FrontEndKey(a netip.Addr, port string) string {
	number, protocol, _ := strings.Cut(port, "/")
	return h.key("front-end", ipam.Key(a)+"/"+number+"-"+protocol)
}

// SourceKey is the index key of an object that checks back ends from an address of a Subnet.
func SourceKey(subnet string, a netip.Addr) string { return sources(subnet) + ipam.Key(a) }

func sources(subnet string) string { return "health-source/" + subnet + "/" }

// Sources yields the addresses of a Subnet from which back ends are checked, each with an object that does so.
func Sources(v storage.View, subnet string) iter.Seq2[netip.Addr, storage.Object] {
	return func(yield func(netip.Addr, storage.Object) bool) {
		for key, o := range v.Scan(sources(subnet), after(sources(subnet))) {
			if a, ok := ipam.ParseKey(strings.TrimPrefix(key, sources(subnet))); ok && !yield(a, o) {
				return
			}
		}
	}
}

// WithBackEnd yields the objects of a Vpc that have a back end at an address.
func WithBackEnd(v storage.View, cfg kubeovn.Config, vpc string, a netip.Addr) iter.Seq[storage.Object] {
	named := Home{Vpc: vpc}.BackEndKey(a)
	return func(yield func(storage.Object) bool) {
		for _, o := range v.Scan(named, named+"\x00") {
			if !yield(o) {
				return
			}
		}
		keys := "back-end/" + following + "/" + ipam.Key(a) + "/"
		for key, o := range v.Scan(keys, after(keys)) {
			if VpcOfNamespace(v, cfg, key[len(keys):]) == vpc && !yield(o) {
				return
			}
		}
	}
}

// AtFrontEnd yields the objects of a Vpc that answer at an address and port.
func AtFrontEnd(v storage.View, cfg kubeovn.Config, vpc string, a netip.Addr, port string) iter.Seq[storage.Object] {
	named := Home{Vpc: vpc}.FrontEndKey(a, port)
	return func(yield func(storage.Object) bool) {
		for _, o := range v.Scan(named, named+"\x00") {
			if !yield(o) {
				return
			}
		}
		for namespace, o := range followersAt(v, a, port) {
			if VpcOfNamespace(v, cfg, namespace) == vpc && !yield(o) {
				return
			}
		}
	}
}

// followersAt yields the objects at an address and port that follow their namespace, with that.
func followersAt(v storage.View, a netip.Addr, port string) iter.Seq2[string, storage.Object] {
	keys := Home{}.FrontEndKey(a, port)
	return func(yield func(string, storage.Object) bool) {
		for key, o := range v.Scan(keys, after(keys)) {
			if !yield(key[len(keys):], o) {
				return
			}
		}
	}
}

// AffectedByFrontEnd names the objects that follow their namespace and answer at an address and port.
func AffectedByFrontEnd(v storage.View, a netip.Addr, port string) []storage.Ref {
	var refs []storage.Ref
	for _, o := range followersAt(v, a, port) {
		refs = append(refs, storage.Ref{Resource: Rules, Name: o.GetName()})
	}
	return refs
}

// FrontEndsWithin yields the addresses of a prefix at which objects answer that name a Vpc, or that follow a namespace which is in
// it, by the judgement of the caller.
func FrontEndsWithin(v storage.View, vpc string, p netip.Prefix, follows func(namespace string) bool) iter.Seq2[netip.Addr, storage.Object] {
	r := netipx.RangeOfPrefix(p)
	return func(yield func(netip.Addr, storage.Object) bool) {
		for _, base := range [...]string{"front-end/vpc/" + vpc + "/", "front-end/" + following + "/"} {
			for key, o := range v.Scan(base+ipam.Key(r.From()), base+ipam.Key(r.To())+"0") {
				text, rest, _ := strings.Cut(strings.TrimPrefix(key, base), "/")
				_, namespace, isFollower := strings.Cut(rest, "/")
				a, ok := ipam.ParseKey(text)
				if ok && (!isFollower || follows(namespace)) && !yield(a, o) {
					return
				}
			}
		}
	}
}

// placed names the objects that name a Vpc and whose load balancers hang on its switches.
func placed(v storage.View, vpc string) []storage.Ref {
	keys := "load-balancer/vpc/" + vpc + "/"
	var refs []storage.Ref
	for key := range v.Scan(keys, after(keys)) {
		if resource, name, ok := strings.Cut(strings.TrimPrefix(key, keys), "/"); ok {
			refs = append(refs, storage.Ref{Resource: resource, Name: name})
		}
	}
	return refs
}

// followers names the objects that follow one of the namespaces that concerned accepts, and others at their addresses: one that comes to
// a Vpc may take an address from another, and one that leaves may leave its address to another.
func followers(v storage.View, concerned func(namespace string) bool) []storage.Ref {
	keys := "load-balancer/" + following + "/"
	known := map[string]bool{}
	var refs []storage.Ref
	for key, o := range v.Scan(keys, after(keys)) {
		_, rest, _ := strings.Cut(strings.TrimPrefix(key, keys), "/")
		_, namespace, _ := strings.Cut(rest, "/")
		yes, seen := known[namespace]
		if !seen {
			yes = concerned(namespace)
			known[namespace] = yes
		}
		if rule, ok := o.(*v1.SwitchLBRule); ok && yes {
			addrs, _ := ipam.ParseAddrs(rule.Spec.Vip)
			refs = append(refs, AffectedByVip(v, addrs)...)
		}
	}
	return refs
}

// NamespaceKey is the index key of a Subnet that a namespace is bound to. It has the provider in it, because interfaces of
// different providers are independent of each other.
func NamespaceKey(namespace, provider string) string {
	return "namespace/" + namespace + "/" + provider
}

// VpcNamespaceKey is the index key of a Vpc that lists a namespace.
func VpcNamespaceKey(namespace, vpc string) string {
	return "vpc-of-namespace/" + namespace + "/" + vpc
}

// VpcOfNamespace returns the Vpc of the pods of a namespace: that of the Subnets which are bound to it; else the Vpc which lists it, one
// with a default Subnet before others, the first by name; else the default Vpc. A Subnet or Vpc counts until it is gone: pods and
// rules of a namespace that a Vpc has do not come to the default Vpc because it lacks something.
func VpcOfNamespace(v storage.View, cfg kubeovn.Config, namespace string) string {
	bound := NamespaceKey(namespace, v1.DefaultProvider)
	for _, o := range v.Scan(bound, bound+"\x00") {
		if s, ok := o.(*v1.Subnet); ok && s.Spec.Vpc != "" {
			return s.Spec.Vpc
		}
	}
	found := ""
	keys := VpcNamespaceKey(namespace, "")
	for _, o := range v.Scan(keys, after(keys)) {
		switch vpc, ok := o.(*v1.Vpc); {
		case !ok:
		case vpc.Spec.DefaultSubnet != "":
			return vpc.Name
		case found == "":
			found = vpc.Name
		}
	}
	if found == "" {
		return cfg.DefaultVpc
	}
	return found
}
