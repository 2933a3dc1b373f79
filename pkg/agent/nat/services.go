package nat

import (
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// register is the first of the kernel's registers of four bytes, where register 1 begins.
const register = unix.NFT_REG32_00

// services adds what leads the calls of others, and the node's own, to Services. Fronts for all sources are one map, so that a packet
// costs one look; the others have a rule each.
func (b *builder) services(f family, config Config) {
	if len(config.Fronts) == 0 {
		return
	}
	all := &nftables.Set{
		Table: b.table, Name: "fronts" + f.suffix, IsMap: true,
		KeyType:  nftables.MustConcatSetType(f.keyType, nftables.TypeInetProto, nftables.TypeInetService),
		DataType: nftables.MustConcatSetType(f.keyType, nftables.TypeInetService),
	}
	var elements []nftables.SetElement
	var some []Front
	seen := map[string]bool{}
	for _, front := range config.Fronts {
		key := keyOf(front)
		if !f.has(front.At.Addr()) || !f.has(front.To.Addr()) || seen[string(key)] {
			continue
		}
		seen[string(key)] = true
		if len(front.From) > 0 {
			some = append(some, front)
			continue
		}
		elements = append(elements, nftables.SetElement{Key: key, Val: slices.Concat(front.To.Addr().AsSlice(), padded(front.To.Port()))})
	}
	b.add(all, elements)

	lead := b.chain(&nftables.Chain{Name: "services", Table: b.table})
	port := register + f.length/4
	b.rule(lead, f.is(), f.loadFront(), []expr.Any{
		&expr.Lookup{SourceRegister: 1, DestRegister: 1, IsDestRegSet: true, SetName: all.Name, SetID: all.ID},
		&expr.NAT{Type: expr.NATTypeDestNAT, Family: uint32(f.proto), RegAddrMin: 1, RegProtoMin: port},
	})
	for _, front := range some {
		from := rangesOf(f, front.From)
		if len(from) == 0 {
			continue // Of the other family: nobody is admitted.
		}
		b.rule(lead, f.is(), f.loadFront(), lookup(b.one(f, front)), f.load(f.src), lookup(b.anonymous(f, from)), []expr.Any{
			&expr.Immediate{Register: 1, Data: front.To.Addr().AsSlice()},
			&expr.Immediate{Register: port, Data: binaryutil.BigEndian.PutUint16(front.To.Port())},
			&expr.NAT{Type: expr.NATTypeDestNAT, Family: uint32(f.proto), RegAddrMin: 1, RegProtoMin: port},
		})
	}
	if f.proto != unix.NFPROTO_IPV4 { // The chains of the kernel are the same for both.
		return
	}
	for name, hook := range map[string]*nftables.ChainHook{"services-in": nftables.ChainHookPrerouting, "services-out": nftables.ChainHookOutput} {
		base := b.base(name, nftables.ChainTypeNAT, hook, *nftables.ChainPriorityNATDest)
		b.rule(base, []expr.Any{&expr.Verdict{Kind: expr.VerdictJump, Chain: lead.Name}})
	}
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

// padded is a port as part of a key or value: each part is padded to four bytes.
func padded(port uint16) []byte { return append(binaryutil.BigEndian.PutUint16(port), 0, 0) }

// loadFront loads the destination's address, the protocol and the destination's port side by side.
func (f family) loadFront() []expr.Any {
	next := register + f.length/4
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: f.dst, Len: f.length},
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: next},
		&expr.Payload{DestRegister: next + 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
	}
}

// isDestinationTranslated matches packets of connections whose destination was translated here.
func isDestinationTranslated() []expr.Any {
	const translated = 1 << 5 // IPS_DST_NAT
	return []expr.Any{
		&expr.Ct{Key: expr.CtKeySTATUS, Register: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: binaryutil.NativeEndian.PutUint32(translated), Xor: make([]byte, 4)},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: make([]byte, 4)},
	}
}
