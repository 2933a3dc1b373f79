package nat

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// services adds what leads the calls of others, and the node's own, to Services. Fronts for all sources are one map, so that a packet
// costs one look; the others have a rule each. Those with back ends on the node alone are another map, to a chain each, where calls from
// outside look first.
func (b *builder) services(f family, nodes *nftables.Set, config Config) {
	if len(config.Fronts) == 0 {
		return
	}
	all := &nftables.Set{
		Table: b.table, Name: "fronts" + f.suffix, IsMap: true,
		KeyType:  nftables.MustConcatSetType(f.keyType, nftables.TypeInetProto, nftables.TypeInetService),
		DataType: nftables.MustConcatSetType(f.keyType, nftables.TypeInetService),
	}
	local := &nftables.Set{Table: b.table, Name: "local" + f.suffix, IsMap: true, KeyType: all.KeyType, DataType: nftables.TypeVerdict}
	var elements, locals []nftables.SetElement
	var some []Front
	seen := map[string]bool{}
	for _, front := range config.Fronts {
		key := keyOf(front)
		if !f.has(front.At.Addr()) || !f.has(front.To.Addr()) || seen[string(key)] {
			continue
		}
		seen[string(key)] = true
		if front.Local != nil {
			locals = append(locals, nftables.SetElement{Key: key, VerdictData: &expr.Verdict{Kind: expr.VerdictGoto, Chain: b.local(f, front).Name}})
		}
		if len(front.From) > 0 {
			some = append(some, front)
			continue
		}
		elements = append(elements, nftables.SetElement{Key: key, Val: endpoint(front.To)})
	}
	b.add(all, elements)
	b.add(local, locals)

	lead := b.chain(&nftables.Chain{Name: "services", Table: b.table})
	b.rule(lead, f.is(), f.loadFront(), []expr.Any{
		&expr.Lookup{SourceRegister: 1, DestRegister: 1, IsDestRegSet: true, SetName: all.Name, SetID: all.ID},
		f.destination(),
	})
	for _, front := range some {
		from := rangesOf(f, front.From)
		if len(from) == 0 {
			continue // Of the other family: nobody is admitted.
		}
		b.rule(lead, f.is(), f.loadFront(), lookup(b.one(f, front)), f.load(f.src), lookup(b.anonymous(f, from)), []expr.Any{
			&expr.Immediate{Register: 1, Data: front.To.Addr().AsSlice()},
			&expr.Immediate{Register: register + f.length/4, Data: binaryutil.BigEndian.PutUint16(front.To.Port())},
			f.destination(),
		})
	}
	in := b.base("services-in", nftables.ChainTypeNAT, nftables.ChainHookPrerouting, *nftables.ChainPriorityNATDest)
	b.rule(in, notIif(config.Port), f.is(), f.loadFront(), verdictOf(local))
	// At the address of a node, pods are clients as others are.
	b.rule(in, iif(config.Port), f.is(), f.load(f.dst), lookup(nodes), f.loadFront(), verdictOf(local))
	if f != families[len(families)-1] { // The chains of the kernel are the same for both.
		return
	}
	out := b.base("services-out", nftables.ChainTypeNAT, nftables.ChainHookOutput, *nftables.ChainPriorityNATDest)
	for _, base := range []*nftables.Chain{in, out} {
		b.rule(base, []expr.Any{&expr.Verdict{Kind: expr.VerdictJump, Chain: lead.Name}})
	}
}

// local is the chain that leads calls to the back ends on the node, or drops them. All addresses of a Service's port that admit the same
// sources share it.
func (b *builder) local(f family, front Front) *nftables.Chain {
	name := fmt.Sprintf("local-%d-%s-%d", front.Protocol, strings.ReplaceAll(front.To.Addr().StringExpanded(), ":", "-"), front.To.Port())
	if len(front.From) > 0 {
		name += "-admitted"
	}
	if known, ok := b.chains[name]; ok {
		return known
	}
	chain := b.chain(&nftables.Chain{Name: name, Table: b.table})
	if len(front.Local.BackEnds) > 0 {
		admitted := rangesOf(f, front.From)
		switch {
		case len(front.From) == 0:
			b.rule(chain, b.balance(f, front.Local))
		case len(admitted) > 0: // else they are of the other family, and nobody is admitted
			b.rule(chain, f.load(f.src), lookup(b.anonymous(f, admitted)), b.balance(f, front.Local))
		}
	}
	b.rule(chain, []expr.Any{&expr.Verdict{Kind: expr.VerdictDrop}})
	return chain
}

// balance translates the destination to one of the back ends.
func (b *builder) balance(f family, to *Local) []expr.Any {
	numbered := &nftables.Set{
		Table: b.table, Anonymous: true, Constant: true, IsMap: true,
		KeyType: nftables.TypeInteger, DataType: nftables.MustConcatSetType(f.keyType, nftables.TypeInetService),
	}
	elements := make([]nftables.SetElement, len(to.BackEnds))
	for i, end := range to.BackEnds {
		elements[i] = nftables.SetElement{Key: binaryutil.NativeEndian.PutUint32(uint32(i)), Val: endpoint(end)}
	}
	b.add(numbered, elements)
	number := uint32(len(to.BackEnds))
	choice := []expr.Any{&expr.Numgen{Register: 1, Modulus: number, Type: unix.NFT_NG_RANDOM}}
	if to.Affinity {
		const second = 2 // the register of 16 bytes
		choice = []expr.Any{
			&expr.Payload{DestRegister: second, Base: expr.PayloadBaseNetworkHeader, Offset: f.src, Len: f.length},
			&expr.Hash{SourceRegister: second, DestRegister: 1, Length: f.length, Modulus: number, Type: expr.HashTypeJenkins},
		}
	}
	return append(choice,
		&expr.Lookup{SourceRegister: 1, DestRegister: 1, IsDestRegSet: true, SetName: numbered.Name, SetID: numbered.ID},
		f.destination(),
	)
}

// one is an anonymous set of one front: a concatenation can be looked up, but not compared.
func (b *builder) one(f family, front Front) *nftables.Set {
	set := &nftables.Set{Table: b.table, Anonymous: true, Constant: true, KeyType: nftables.MustConcatSetType(f.keyType, nftables.TypeInetProto, nftables.TypeInetService)}
	b.add(set, []nftables.SetElement{{Key: keyOf(front)}})
	return set
}

// keyOf is a front as a key: address, protocol, port.
func keyOf(front Front) []byte {
	return slices.Concat(front.At.Addr().AsSlice(), []byte{front.Protocol, 0, 0, 0}, padded(front.At.Port()))
}

// endpoint is an address and port as a key or value.
func endpoint(e netip.AddrPort) []byte { return slices.Concat(e.Addr().AsSlice(), padded(e.Port())) }

// padded is a port as part of a key or value: each part is padded to four bytes.
func padded(port uint16) []byte { return append(binaryutil.BigEndian.PutUint16(port), 0, 0) }
