package subnet

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/match"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
	"github.com/northbound-ovn/northbound/pkg/storage"
	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// Priorities of the rules that the server makes; users' rules go beside them.
const (
	privateDropPriority  = 1000
	privateAllowPriority = 1001
	eastWestPriority     = 1900
	nodePriority         = 3000
)

// accessRules returns the users' rules and those that follow from private, allowSubnets and allowEWTraffic. The key of a row is
// all that OVN distinguishes rules by, so that a change of one rule leaves all others standing.
func (k kind) accessRules(v storage.View, s *v1.Subnet, net network) []storage.Row {
	rules := newRules(v, s)
	for _, a := range s.Spec.Acls {
		rules.addRow("acl", a, match.Row(a.Match))
	}
	return append(rules.rows, k.derivedRules(v, s, net)...)
}

// derivedRules are the rules that follow from other fields than acls.
func (k kind) derivedRules(v storage.View, s *v1.Subnet, net network) []storage.Row {
	rules := newRules(v, s)
	if s.Spec.AllowEWTraffic {
		for _, p := range net.prefixes.All() {
			m := between(p, p)
			rules.add("ew", v1.ACL{Direction: v1.ACLFromLport, Priority: eastWestPriority, Match: m, Action: "allow"})
			rules.add("ew", v1.ACL{Direction: v1.ACLToLport, Priority: eastWestPriority, Match: m, Action: "allow"})
		}
	}
	if s.Spec.Private {
		rules.private(s, net, k.nodes(v))
	}
	return rules.rows
}

// checkDerivedRules refuses rules of users that OVN could not tell from those that other fields make: which of the two acts would be
// chance. Rules that stood beside them before stay until one of the fields changes.
func (k kind) checkDerivedRules(v storage.View, old, s *v1.Subnet) field.ErrorList {
	net, err := networkOf(s)
	if err != nil || len(s.Spec.Acls) == 0 || old != nil && old.Spec.Private == s.Spec.Private && old.Spec.AllowEWTraffic == s.Spec.AllowEWTraffic &&
		old.Spec.CIDRBlock == s.Spec.CIDRBlock && slices.Equal(old.Spec.AllowSubnets, s.Spec.AllowSubnets) && slices.Equal(old.Spec.Acls, s.Spec.Acls) {
		return nil
	}
	made := map[string]string{} // the fields that make a rule, by what OVN distinguishes rules by
	for _, row := range k.derivedRules(v, s, net) {
		origin, key, _ := strings.Cut(row.Key, "/")
		made[key] = map[string]string{"private": "private", "ew": "allowEWTraffic"}[origin]
	}
	var errs field.ErrorList
	for i, a := range s.Spec.Acls {
		if by := made[ruleKey(a)]; by != "" {
			errs = append(errs, field.Invalid(specPath.Child("acls").Index(i), a.Match,
				fmt.Sprintf("%s makes a rule of the same direction, priority and match: only one of them could act; choose another priority", specPath.Child(by))))
		}
	}
	return errs
}

// nodes are the prefixes of the nodes' Subnet.
func (k kind) nodes(v storage.View) ipam.Prefixes {
	if s, ok := storage.Get[*v1.Subnet](v, nb.Subnets, k.cfg.NodeSwitch); ok {
		if p, err := ipam.ParsePrefixes(s.Spec.CIDRBlock); err == nil {
			return p
		}
	}
	return k.cfg.NodeSwitchCIDR
}

type rules struct {
	parents []storage.Parent
	rows    []storage.Row
}

func newRules(v storage.View, s *v1.Subnet) *rules {
	return &rules{parents: nb.InSwitch(v, s.Name, "acls")}
}

func (r *rules) add(origin string, a v1.ACL) { r.addRow(origin, a, a.Match) }

// addRow adds a rule whose match has another form in its row.
func (r *rules) addRow(origin string, a v1.ACL, text string) {
	r.rows = append(r.rows, storage.Row{
		Table: nb.ACL,
		Key:   origin + "/" + ruleKey(a),
		Columns: ovsdb.Row{
			"direction":    ovsdb.String(string(a.Direction)),
			"priority":     ovsdb.Int(int64(a.Priority)),
			"match":        ovsdb.String(text),
			"action":       ovsdb.String(a.Action),
			"external_ids": nb.ExternalIDs(nil),
		},
		Parents: r.parents,
	})
}

// ruleKey is all that OVN distinguishes rules of a switch by.
func ruleKey(a v1.ACL) string {
	return fmt.Sprintf("%s/%d/%s", a.Direction, a.Priority, nb.Digest(a.Match))
}

// private lets in the Subnet itself, the nodes and the allowed prefixes, and drops the rest.
func (r *rules) private(s *v1.Subnet, net network, nodes ipam.Prefixes) {
	in := func(priority int32, match, action string) {
		r.add("private", v1.ACL{Direction: v1.ACLToLport, Priority: priority, Match: match, Action: action})
	}
	in(privateDropPriority, "ip", "drop")
	for _, p := range net.prefixes.All() {
		in(privateAllowPriority, between(p, p), "allow-related")
		if n := nodes.Of(p.Addr()); n.IsValid() {
			in(nodePriority, fmt.Sprintf("%s.src == %s", family(n), n), "allow-related")
		}
	}
	for _, text := range s.Spec.AllowSubnets {
		other, err := ipam.ParsePrefix(text)
		if err != nil {
			continue // not accepted by validate
		}
		if p := net.prefixes.Of(other.Addr()); p.IsValid() && p != other {
			in(privateAllowPriority, fmt.Sprintf("(%s) || (%s)", between(p, other), between(other, p)), "allow-related")
		}
	}
}

func between(src, dst netip.Prefix) string {
	f := family(src)
	return fmt.Sprintf("%s.src == %s && %s.dst == %s", f, src, f, dst)
}

func family(p netip.Prefix) string {
	if p.Addr().Is4() {
		return "ip4"
	}
	return "ip6"
}
