package subnet

import (
	"net/netip"
	"slices"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
)

// change is an update of a Subnet whose prefixes can be read.
type change struct {
	s, old        *v1.Subnet
	stated        kubeovn.Statements
	before, after ipam.Prefixes
	was           ipam.Addrs // the gateways before
}

// follow prepares an update for complete. Values that the server wrote follow what the user changes: a value that is as before, and
// is the one that the server derives from the old spec, becomes empty when what it is derived from changes. A value that a manifest
// states stays (kubeovn.Statements); in a manifest of kubectl only while it fits, as that may have been read from the server.
// What an update leaves out stays as it was while it fits, for clients that send their own manifest again, except where a
// manifest stated it before and does not any more. Running it twice is as running it once.
func follow(s, old *v1.Subnet) {
	if s.Spec.Vpc == "" {
		s.Spec.Vpc = old.Spec.Vpc
	}
	if s.Spec.Provider == "" {
		s.Spec.Provider = old.Spec.Provider
	}
	if mac := nb.RouterMAC(old); mac != "" {
		if s.Annotations == nil {
			s.Annotations = map[string]string{}
		}
		s.Annotations[nb.RouterMACAnnotation] = mac
	}
	c := change{s: s, old: old, stated: kubeovn.StatementsOf(s, old)}
	if s.Spec.GatewayType == "" && !c.stated.Withdrawn("gatewayType") {
		s.Spec.GatewayType = old.Spec.GatewayType
	}
	var err error
	if c.before, err = ipam.ParsePrefixes(old.Spec.CIDRBlock); err != nil {
		return
	}
	if c.after, err = ipam.ParsePrefixes(s.Spec.CIDRBlock); err != nil {
		return
	}
	if c.was, err = gatewaysOf(old); err != nil {
		return
	}
	c.protocol()
	c.gateway()
	c.excludes()
}

func (c change) protocol() {
	spec := &c.s.Spec
	if c.before != c.after && spec.Protocol == protocolOf(c.before) && !c.stated.Applied("protocol") {
		spec.Protocol = ""
	}
	if c.before == c.after && spec.Protocol == "" {
		spec.Protocol = c.old.Spec.Protocol
	}
}

func (c change) gateway() {
	spec, derived := &c.s.Spec, c.before.FirstHosts()
	moved := c.before != c.after
	if spec.Gateway == "" {
		stays := !c.stated.Withdrawn("gateway") && !slices.ContainsFunc(c.was.All(), func(a netip.Addr) bool { return !fits(c.after, a) })
		if stays && !(moved && c.was == derived) {
			spec.Gateway = c.old.Spec.Gateway
		}
		return
	}
	now, err := ipam.ParseAddrs(spec.Gateway)
	if err != nil || !moved || spec.Gateway != c.old.Spec.Gateway || c.stated.Applied("gateway") {
		return
	}
	if c.stated.InManifest("gateway") && !slices.ContainsFunc(now.All(), func(a netip.Addr) bool { return !fits(c.after, a) }) {
		return
	}
	if now == derived {
		spec.Gateway = ""
		return
	}
	kept := now
	if c.before.V4 != c.after.V4 && now.V4 == derived.V4 {
		kept.V4 = netip.Addr{}
	}
	if c.before.V6 != c.after.V6 && now.V6 == derived.V6 {
		kept.V6 = netip.Addr{}
	}
	if kept != now {
		spec.Gateway = kept.String()
	}
}

// excludes takes gateways that are none any more out of excludeIps. A list that had nothing else becomes empty.
func (c change) excludes() {
	spec := &c.s.Spec
	same := c.before == c.after && spec.Gateway == c.old.Spec.Gateway
	derived := sameMembers(c.old.Spec.ExcludeIps, texts(c.was))
	if derived && c.stated.Applied("excludeIps") {
		// The list of a user takes the place of the default. A set that is applied at the server is merged instead.
		spec.ExcludeIps = slices.DeleteFunc(slices.Clone(spec.ExcludeIps), func(member string) bool {
			return slices.Contains(c.old.Spec.ExcludeIps, member) && !c.stated.AppliedMember("excludeIps", member)
		})
	}
	if same {
		if len(spec.ExcludeIps) == 0 && derived && !c.stated.Withdrawn("excludeIps") {
			spec.ExcludeIps = slices.Clone(c.old.Spec.ExcludeIps)
		}
		return
	}
	own := func(member string) bool {
		r, err := ipam.ParseRange(member)
		return c.stated.AppliedMember("excludeIps", member) ||
			c.stated.MemberInManifest("excludeIps", member) && err == nil && c.after.Contains(r.From()) && c.after.Contains(r.To())
	}
	if derived && sameMembers(spec.ExcludeIps, c.old.Spec.ExcludeIps) && !slices.ContainsFunc(spec.ExcludeIps, own) {
		spec.ExcludeIps = nil
		return
	}
	var left []string
	for _, member := range spec.ExcludeIps {
		if a, err := ipam.ParseAddr(member); err != nil || !c.was.Has(a) || !c.leaves(a) || own(member) {
			left = append(left, member)
		}
	}
	spec.ExcludeIps = left
}

// leaves reports whether a gateway is about to be none, or may be.
func (c change) leaves(gateway netip.Addr) bool {
	if c.before.Of(gateway) != c.after.Of(gateway) {
		return true
	}
	now, err := gatewaysOf(c.s)
	return err == nil && !now.Has(gateway)
}

func sameMembers(a, b []string) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(member string) bool { return !slices.Contains(b, member) })
}
