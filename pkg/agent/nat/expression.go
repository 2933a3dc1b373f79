package nat

import (
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// register is the first of the kernel's registers of four bytes, where register 1 begins.
const register = unix.NFT_REG32_00

func isTCP() []expr.Any {
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.IPPROTO_TCP}}}
}

// loadEndpoint loads the destination's address and port side by side.
func (f family) loadEndpoint() []expr.Any {
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: f.dst, Len: f.length},
		&expr.Payload{DestRegister: register + f.length/4, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
	}
}

// translation changes the source to the address of the family, or else to that of the interface. Source ports are chosen at
// random over the whole range: nodes do not collide at a far end that sees them behind one address.
func translation(f family, sources []netip.Addr) []expr.Any {
	for _, a := range sources {
		if f.has(a) {
			return []expr.Any{
				&expr.Immediate{Register: 1, Data: a.AsSlice()},
				&expr.NAT{Type: expr.NATTypeSourceNAT, Family: uint32(f.proto), RegAddrMin: 1, FullyRandom: true},
			}
		}
	}
	return []expr.Any{&expr.Masq{FullyRandom: true}}
}

func (f family) is() []expr.Any {
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1}, &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{f.proto}}}
}

func (f family) load(offset uint32) []expr.Any {
	return []expr.Any{&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: f.length}}
}

func lookup(set *nftables.Set) []expr.Any {
	return []expr.Any{&expr.Lookup{SourceRegister: 1, SetName: set.Name, SetID: set.ID}}
}

// verdictOf looks a verdict up in a map, and follows it.
func verdictOf(verdicts *nftables.Set) []expr.Any {
	return []expr.Any{&expr.Lookup{SourceRegister: 1, IsDestRegSet: true, SetName: verdicts.Name, SetID: verdicts.ID}}
}

// destination translates the destination to the address and port that lie side by side from register 1 on.
func (f family) destination() expr.Any {
	return &expr.NAT{Type: expr.NATTypeDestNAT, Family: uint32(f.proto), RegAddrMin: 1, RegProtoMin: register + f.length/4}
}

func iif(name string) []expr.Any { return interfaceName(expr.MetaKeyIIFNAME, expr.CmpOpEq, name) }

func notIif(name string) []expr.Any { return interfaceName(expr.MetaKeyIIFNAME, expr.CmpOpNeq, name) }

func oif(name string) []expr.Any { return interfaceName(expr.MetaKeyOIFNAME, expr.CmpOpEq, name) }

func interfaceName(key expr.MetaKey, op expr.CmpOp, name string) []expr.Any {
	padded := make([]byte, unix.IFNAMSIZ)
	copy(padded, name)
	return []expr.Any{&expr.Meta{Key: key, Register: 1}, &expr.Cmp{Op: op, Register: 1, Data: padded}}
}

func markConnection() []expr.Any {
	return []expr.Any{
		&expr.Ct{Key: expr.CtKeyMARK, Register: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: binaryutil.NativeEndian.PutUint32(^Mark), Xor: binaryutil.NativeEndian.PutUint32(Mark)},
		&expr.Ct{Key: expr.CtKeyMARK, Register: 1, SourceRegister: true},
	}
}

func markAnswer() []expr.Any {
	const reply = 1 // IP_CT_DIR_REPLY
	return []expr.Any{
		&expr.Ct{Key: expr.CtKeyDIRECTION, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{reply}},
		&expr.Ct{Key: expr.CtKeyMARK, Register: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: binaryutil.NativeEndian.PutUint32(Mark), Xor: make([]byte, 4)},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: make([]byte, 4)},
		&expr.Meta{Key: expr.MetaKeyMARK, Register: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: binaryutil.NativeEndian.PutUint32(^Mark), Xor: binaryutil.NativeEndian.PutUint32(Mark)},
		&expr.Meta{Key: expr.MetaKeyMARK, Register: 1, SourceRegister: true},
	}
}

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
