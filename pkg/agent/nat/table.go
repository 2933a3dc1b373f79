// Package nat is the node's table of the kernel's packet filter, "inet northbound": the translation of source addresses of pods'
// traffic that leaves the cluster (natOutgoing), and the marks that bring answers to other nodes back through the overlay.
//
//	postrouting (nat)   out of the overlay? ──► by source ──► chain of the Subnet: natOutgoingPolicyRules, then translate
//	prerouting          from another node, in through ovn0: mark the connection
//	output (route)      answer of a marked connection: mark the packet, so that a routing rule sends it to ovn0
//	services (nat)      to an address outside of a Service, from outside or the node: to its cluster IP, which the overlay balances;
//	                    from outside with externalTrafficPolicy Local: to a back end on the node
//	probes (nat)        of the node to a pod that it does not reach: to the agent, which does; or refused
//
// The table is replaced as a whole, in one transaction of the kernel: there is no instant without it. Connections keep the
// translation with which they began; those of UDP to Services, which may never end, do so only as long as the table agrees (Tracker).
package nat

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"go4.org/netipx"
	"golang.org/x/sys/unix"
)

// Name is the name of the table.
const Name = "northbound"

// Mark is the bit of packet and connection marks that says: answers go through ovn0.
const Mark uint32 = 0x0010_0000

// priority of the translation: before anybody's general masquerading (srcnat, 100), whose choice of an address would count.
const priority = 95

// Config is what the table holds.
type Config struct {
	// Port is the node's port in the overlay, as "ovn0".
	Port string
	// Services are the prefixes of Services' cluster IPs, Fronts what leads there. Traffic that was led there leaves through Port with
	// the address of Port as its source, so that its answers come back here, wherever a back end is.
	Services []netip.Prefix
	Fronts   []Front
	// Centralized are the back ends whose answers to clients outside would leave by another node. To these, and for clients that are
	// nodes or pods, which the overlay answers directly, the address of Port is the source also where a Front is Local.
	Centralized []netip.Prefix
	// Overlay are the destinations for which sources are never translated.
	Overlay []netip.Prefix
	// Nodes are the addresses of all nodes.
	Nodes []netip.Addr
	// Subnets are the sources that are translated, without overlaps.
	Subnets []Subnet
	// Redirected are TCP destinations of the node itself that are redirected to ProxyPort of the node, Refused those to which the
	// node's connections are refused.
	Redirected, Refused []netip.AddrPort
	// ProxyPort is where redirected connections go.
	ProxyPort uint16
}

// Subnet is a Subnet with natOutgoing.
type Subnet struct {
	// Name is part of the name of its chain.
	Name string
	// Prefixes are the sources.
	Prefixes []netip.Prefix
	// Rules are tried in order; the first that matches decides. What none matches is translated.
	Rules []Rule
	// Sources are the addresses to translate to, at most one of each family; without one of the family, it is the address of
	// the interface through which the packet leaves.
	Sources []netip.Addr
}

// Rule decides for traffic from certain sources to certain destinations.
type Rule struct {
	// From and To match when empty, or when they contain the address.
	From, To []netip.Prefix
	// Forward says that the source is left as it is.
	Forward bool
}

// Front is an address and port at which a Service is known outside. Of two of the same address, port and protocol, the first counts.
type Front struct {
	// Protocol is a number of IP's, as unix.IPPROTO_TCP.
	Protocol uint8
	// At is where clients call, To the cluster IP, of the same family.
	At, To netip.AddrPort
	// From are the sources that are admitted; all when it is empty. Others are not led to the Service.
	From []netip.Prefix
	// Local, unless nil, is in place of To for calls from outside, and for those of pods to the address of a node; not for those of the
	// node itself.
	Local *Local
}

// Local is how a Service answers at a node by its back ends there alone (externalTrafficPolicy), which see the clients' addresses.
type Local struct {
	// BackEnds have an equal share of the clients. Without any, calls are dropped: who balances between nodes has been told.
	BackEnds []netip.AddrPort
	// Affinity keeps a client's address with a back end, as long as they are the same.
	Affinity bool
}

// ChainOf is the name of the chain of a Subnet. Its rules count the connections, whose first packets are all that they see.
func ChainOf(subnet string) string { return "subnet-" + subnet }

// numbering guards the library's numbers of sets, which are one counter of the process.
var numbering sync.Mutex

// Apply makes the table what the configuration says, in one transaction.
func Apply(c *nftables.Conn, config Config) error {
	numbering.Lock()
	defer numbering.Unlock()
	b := &builder{conn: c, table: &nftables.Table{Name: Name, Family: nftables.TableFamilyINet}}
	c.AddTable(b.table) // Deleting what does not exist is an error.
	c.DelTable(b.table)
	c.AddTable(b.table)
	for _, f := range families {
		b.services(f, b.family(f, config), config)
		b.probes(f, config)
	}
	if b.err != nil {
		return fmt.Errorf("table inet %s: %w", Name, b.err)
	}
	if err := c.Flush(); err != nil {
		return fmt.Errorf("table inet %s: %w", Name, err)
	}
	return nil
}

// Remove removes the table; there need not be one.
func Remove(c *nftables.Conn) error {
	t := &nftables.Table{Name: Name, Family: nftables.TableFamilyINet}
	c.AddTable(t)
	c.DelTable(t)
	return c.Flush()
}

// family is what differs between IPv4 and IPv6.
type family struct {
	suffix   string
	proto    byte
	keyType  nftables.SetDatatype
	src, dst uint32 // offsets of the addresses in the header
	length   uint32
}

var families = [...]family{
	{suffix: "4", proto: unix.NFPROTO_IPV4, keyType: nftables.TypeIPAddr, src: 12, dst: 16, length: 4},
	{suffix: "6", proto: unix.NFPROTO_IPV6, keyType: nftables.TypeIP6Addr, src: 8, dst: 24, length: 16},
}

func (f family) has(a netip.Addr) bool { return a.Is4() == (f.proto == unix.NFPROTO_IPV4) }

// builder collects the messages of one transaction.
type builder struct {
	conn   *nftables.Conn
	table  *nftables.Table
	chains map[string]*nftables.Chain
	err    error
}

// base returns a chain that the kernel calls; the families share it.
func (b *builder) base(name string, kind nftables.ChainType, hook *nftables.ChainHook, p nftables.ChainPriority) *nftables.Chain {
	return b.chain(&nftables.Chain{Name: name, Table: b.table, Type: kind, Hooknum: hook, Priority: nftables.ChainPriorityRef(p)})
}

func (b *builder) chain(c *nftables.Chain) *nftables.Chain {
	if known, ok := b.chains[c.Name]; ok {
		return known
	}
	if b.chains == nil {
		b.chains = map[string]*nftables.Chain{}
	}
	b.chains[c.Name] = c
	return b.conn.AddChain(c)
}

func (b *builder) rule(chain *nftables.Chain, parts ...[]expr.Any) {
	b.conn.AddRule(&nftables.Rule{Table: b.table, Chain: chain, Exprs: slices.Concat(parts...)})
}

// family adds the rules for one family, and returns the set of the nodes' addresses.
func (b *builder) family(f family, config Config) (nodes *nftables.Set) {
	overlay := b.set(f, "overlay"+f.suffix, config.Overlay)
	nodes = b.set(f, "nodes"+f.suffix, prefixes(config.Nodes))
	sources := b.sources(f, config.Subnets)

	// The first answer of the kernel decides: what enters the overlay is not translated, unless it was led to a Service.
	out := b.base("postrouting", nftables.ChainTypeNAT, nftables.ChainHookPostrouting, priority)
	if len(config.Fronts) > 0 {
		masquerade := func(offset uint32, set *nftables.Set) {
			b.rule(out, oif(config.Port), f.is(), f.load(offset), lookup(set), isDestinationTranslated(), []expr.Any{&expr.Masq{FullyRandom: true}})
		}
		masquerade(f.dst, b.set(f, "services"+f.suffix, config.Services))
		masquerade(f.dst, b.set(f, "centralized"+f.suffix, config.Centralized))
		masquerade(f.src, nodes)
		masquerade(f.src, overlay)
	}
	b.rule(out, f.is(), f.load(f.dst), lookup(overlay), []expr.Any{&expr.Verdict{Kind: expr.VerdictReturn}})
	b.rule(out, f.is(), f.load(f.src), verdictOf(sources))

	in := b.base("prerouting", nftables.ChainTypeFilter, nftables.ChainHookPrerouting, *nftables.ChainPriorityMangle)
	b.rule(in, iif(config.Port), f.is(), f.load(f.src), lookup(nodes), markConnection())
	if f.proto == unix.NFPROTO_IPV4 { // The rule is the same for both.
		answers := b.base("output", nftables.ChainTypeRoute, nftables.ChainHookOutput, *nftables.ChainPriorityMangle)
		b.rule(answers, markAnswer())
	}
	return nodes
}

// probes adds what happens to the node's own connections to pods in custom Vpcs.
func (b *builder) probes(f family, config Config) {
	if config.ProxyPort == 0 {
		return
	}
	redirected := b.endpoints(f, "probes"+f.suffix, config.Redirected)
	refused := b.endpoints(f, "refused"+f.suffix, config.Refused)
	to := b.base("probes", nftables.ChainTypeNAT, nftables.ChainHookOutput, *nftables.ChainPriorityNATDest)
	b.rule(to, f.is(), isTCP(), f.loadEndpoint(), lookup(redirected), []expr.Any{
		&expr.Immediate{Register: 1, Data: binaryutil.BigEndian.PutUint16(config.ProxyPort)},
		&expr.Redir{RegisterProtoMin: 1, Flags: unix.NF_NAT_RANGE_PROTO_SPECIFIED},
	})
	no := b.base("refused", nftables.ChainTypeFilter, nftables.ChainHookOutput, *nftables.ChainPriorityFilter)
	b.rule(no, f.is(), isTCP(), f.loadEndpoint(), lookup(refused), []expr.Any{&expr.Reject{Type: unix.NFT_REJECT_TCP_RST}})
}

// endpoints adds a set of addresses with ports.
func (b *builder) endpoints(f family, name string, endpoints []netip.AddrPort) *nftables.Set {
	set := &nftables.Set{Table: b.table, Name: name, KeyType: nftables.MustConcatSetType(f.keyType, nftables.TypeInetService)}
	var elements []nftables.SetElement
	for _, e := range endpoints {
		if f.has(e.Addr()) {
			elements = append(elements, nftables.SetElement{Key: endpoint(e)})
		}
	}
	b.add(set, elements)
	return set
}

// sources adds the map from a source to the chain of its Subnet, and those chains.
func (b *builder) sources(f family, subnets []Subnet) *nftables.Set {
	var elements []nftables.SetElement
	for _, s := range subnets {
		ranges := rangesOf(f, s.Prefixes)
		if len(ranges) == 0 {
			continue
		}
		chain := b.chain(&nftables.Chain{Name: ChainOf(s.Name), Table: b.table})
		b.subnet(f, chain, s)
		for _, e := range interval(ranges) {
			if !e.IntervalEnd {
				e.VerdictData = &expr.Verdict{Kind: expr.VerdictGoto, Chain: chain.Name}
			}
			elements = append(elements, e)
		}
	}
	slices.SortStableFunc(elements, func(x, y nftables.SetElement) int { return slices.Compare(x.Key, y.Key) })
	set := &nftables.Set{Table: b.table, Name: "sources" + f.suffix, IsMap: true, Interval: true, KeyType: f.keyType, DataType: nftables.TypeVerdict}
	b.add(set, elements)
	return set
}

func (b *builder) subnet(f family, chain *nftables.Chain, s Subnet) {
	translate := translation(f, s.Sources)
	for _, r := range s.Rules {
		from, to := rangesOf(f, r.From), rangesOf(f, r.To)
		if len(from) == 0 && len(r.From) > 0 || len(to) == 0 && len(r.To) > 0 {
			continue // A rule for the other family.
		}
		exprs := f.is()
		if len(from) > 0 {
			exprs = slices.Concat(exprs, f.load(f.src), lookup(b.anonymous(f, from)))
		}
		if len(to) > 0 {
			exprs = slices.Concat(exprs, f.load(f.dst), lookup(b.anonymous(f, to)))
		}
		action := translate
		if r.Forward {
			action = []expr.Any{&expr.Verdict{Kind: expr.VerdictReturn}}
		}
		b.rule(chain, exprs, []expr.Any{&expr.Counter{}}, action)
	}
	b.rule(chain, f.is(), []expr.Any{&expr.Counter{}}, translate)
}

func (b *builder) set(f family, name string, ps []netip.Prefix) *nftables.Set {
	set := &nftables.Set{Table: b.table, Name: name, Interval: true, KeyType: f.keyType}
	b.add(set, interval(rangesOf(f, ps)))
	return set
}

func (b *builder) anonymous(f family, ranges []netipx.IPRange) *nftables.Set {
	set := &nftables.Set{Table: b.table, Anonymous: true, Constant: true, Interval: true, KeyType: f.keyType}
	b.add(set, interval(ranges))
	return set
}

func (b *builder) add(set *nftables.Set, elements []nftables.SetElement) {
	if err := b.conn.AddSet(set, elements); err != nil && b.err == nil {
		b.err = fmt.Errorf("set %s: %w", set.Name, err)
	}
}
