package nat

import (
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/northbound-ovn/northbound/pkg/agent/host"
)

// Tracker ends the connections of UDP that do not follow the table any more. A connection keeps the translation with which it began, and
// one of UDP has no end as long as its client sends: without a Tracker, a client that keeps its socket would call a back end that is gone,
// or a node port that led nowhere at its first packet, for ever. Connections of TCP and SCTP end by themselves.
type Tracker struct {
	// followed are the fronts of UDP that the connections follow; nil before the first call of Follow.
	followed []Front
	known    bool
}

// Follow deletes the kernel's connections of UDP, outside of Open vSwitch's zones, that the configuration would lead elsewhere now:
//
//   - those at a Front with another destination than the Front's, or with none
//   - those at no Front with a destination within Services
//   - those to the overlay at what was a Front; at the first call, at no Front
//
// Their next packets are led as those of new connections. Follow reads the kernel's table only when Fronts of UDP have changed since
// the last call without an error. It is called after Apply with the same configuration.
func (t *Tracker) Follow(h *host.Host, config Config) error {
	now := slices.DeleteFunc(slices.Clone(config.Fronts), func(f Front) bool { return f.Protocol != unix.IPPROTO_UDP })
	if t.known && slices.EqualFunc(t.followed, now, sameFront) {
		return nil
	}
	stale := &staleConnections{
		now: frontsByAddress(now), before: frontsByAddress(t.followed), first: !t.known,
		services: config.Services, overlay: config.Overlay, nodes: config.Nodes,
	}
	for _, family := range [...]netlink.InetFamily{unix.AF_INET, unix.AF_INET6} {
		if _, err := h.ConntrackDeleteFilters(netlink.ConntrackTable, family, stale); err != nil {
			return err
		}
	}
	t.followed, t.known = now, true
	return nil
}

func sameFront(a, b Front) bool {
	if a.At != b.At || a.To != b.To || !slices.Equal(a.From, b.From) || (a.Local == nil) != (b.Local == nil) {
		return false
	}
	return a.Local == nil || slices.Equal(a.Local.BackEnds, b.Local.BackEnds)
}

// frontsByAddress are the Fronts by their addresses; the first of each counts.
func frontsByAddress(fronts []Front) map[netip.AddrPort]Front {
	out := map[netip.AddrPort]Front{}
	for _, f := range fronts {
		if _, ok := out[f.At]; !ok {
			out[f.At] = f
		}
	}
	return out
}

// staleConnections finds the connections that Follow deletes.
type staleConnections struct {
	now, before       map[netip.AddrPort]Front
	first             bool
	services, overlay []netip.Prefix
	nodes             []netip.Addr
}

// MatchConntrackFlow implements netlink.CustomConntrackFilter.
func (s *staleConnections) MatchConntrackFlow(c *netlink.ConntrackFlow) bool {
	if c.Forward.Protocol != unix.IPPROTO_UDP || c.Zone != 0 {
		return false
	}
	at := netip.AddrPortFrom(host.AddrOf(c.Forward.DstIP), c.Forward.DstPort)
	to := netip.AddrPortFrom(host.AddrOf(c.Reverse.SrcIP), c.Reverse.SrcPort)
	if f, ok := s.now[at]; ok {
		return !s.leads(f, host.AddrOf(c.Forward.SrcIP), to)
	}
	if to == at {
		return false
	}
	_, was := s.before[at]
	return within(s.services, to.Addr()) || (was || s.first) && within(s.overlay, to.Addr())
}

// leads reports whether a connection from a source to a Front may have a destination. Sources outside have one or the other sort of
// destination. The node's own connections and those of pods may have both: their sources do not tell the way that they took.
func (s *staleConnections) leads(f Front, from netip.Addr, to netip.AddrPort) bool {
	if len(f.From) > 0 && !within(f.From, from) {
		return to == f.At
	}
	if f.Local == nil {
		return to == f.To
	}
	inside := from == f.At.Addr() || slices.Contains(s.nodes, from) || within(s.overlay, from)
	return slices.Contains(f.Local.BackEnds, to) || inside && to == f.To
}

func within(prefixes []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(a) })
}
