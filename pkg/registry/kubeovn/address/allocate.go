package address

import (
	"encoding/binary"
	"fmt"
	"iter"
	"net/netip"

	"go4.org/netipx"
	"k8s.io/apimachinery/pkg/util/validation/field"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// Request is what an object asks for in a subnet.
type Request struct {
	Resource string // resource of the object, "vips"; generated MACs derive from it and from Name
	Name     string // name of the object
	Noun     string // what the addresses are for in messages, "vip"
	Addrs    ipam.Addrs
	MAC      string // requested MAC; it has passed CheckMAC
	NoMAC    bool   // the object has no MAC of its own
	// Avoid refuses addresses that are free but not to be chosen; nil refuses none. An address that was asked for is not refused.
	Avoid func(netip.Addr) bool
	Paths Paths
}

// Paths are the fields that errors name.
type Paths struct{ Subnet, V4, V6, MAC *field.Path }

// Grant is what an object gets: one address of each family of the subnet, and a MAC unless it asked for none.
type Grant struct {
	Addrs ipam.Addrs
	MAC   string
}

// Claim returns nil when an object may take an address of a subnet by name, otherwise an OutOfRangeError, a ReservedError
// or a TakenError. The noun says what the address is for.
func Claim(v storage.View, s *v1.Subnet, noun string, a netip.Addr) error {
	pools, err := poolsOf(s)
	if err != nil {
		return err
	}
	return pools.claim(v, s, noun, a)
}

// ClaimPort returns a TakenError when there is a logical switch port of this name.
func ClaimPort(v storage.View, name string) error {
	if h := PortHolder(v, name); h != nil {
		return &TakenError{What: fmt.Sprintf("logical switch port %q", name), Holder: h}
	}
	return nil
}

// Allocate grants a request or says, at the field paths of the request, why not. Addresses that were not asked for are
// the next free ones after those last given in the subnet, so that a released address is not used again soon.
func Allocate(v storage.View, s *v1.Subnet, r Request) (Grant, field.ErrorList) {
	pools, err := poolsOf(s)
	if err != nil {
		return Grant{}, field.ErrorList{field.Invalid(r.Paths.Subnet, s.Name, err.Error())}
	}
	var errs field.ErrorList
	grant := Grant{MAC: r.MAC}
	for _, f := range [...]struct {
		pool   netip.Prefix
		wanted netip.Addr
		given  *netip.Addr
		path   *field.Path
	}{
		{pools.prefixes.V4, r.Addrs.V4, &grant.Addrs.V4, r.Paths.V4},
		{pools.prefixes.V6, r.Addrs.V6, &grant.Addrs.V6, r.Paths.V6},
	} {
		switch {
		case f.wanted.IsValid():
			if err := pools.claim(v, s, r.Noun, f.wanted); err != nil {
				errs = append(errs, field.Invalid(f.path, f.wanted.String(), err.Error()))
			}
			*f.given = f.wanted
		case f.pool.IsValid():
			if *f.given, err = pools.choose(v, s, f.pool, r.Avoid); err != nil {
				errs = append(errs, field.Invalid(r.Paths.Subnet, s.Name, err.Error()))
			}
		}
	}
	switch {
	case len(errs) > 0 || r.NoMAC:
	case r.MAC != "":
		err = claimMAC(v, macScope(s), r.MAC)
		if err != nil {
			errs = append(errs, field.Invalid(r.Paths.MAC, r.MAC, err.Error()))
		}
	default:
		grant.MAC, err = newMAC(v, macScope(s), macIdentity(s, r, grant.Addrs))
		if err != nil {
			errs = append(errs, field.Invalid(r.Paths.Subnet, s.Name, err.Error()))
		}
	}
	if len(errs) > 0 {
		return Grant{}, errs
	}
	remember(v, s, r.Addrs, grant.Addrs)
	return grant, nil
}

// pools are the addresses of a subnet.
type pools struct {
	prefixes ipam.Prefixes
	gateways ipam.Addrs
	excluded ipam.Set // with the gateways
}

func poolsOf(s *v1.Subnet) (pools, error) {
	var p pools
	var err error
	if p.prefixes, err = ipam.ParsePrefixes(s.Spec.CIDRBlock); err != nil {
		return p, fmt.Errorf("subnet %s: %w", s.Name, err)
	}
	if p.gateways, err = ipam.Gateways(s.Spec.CIDRBlock, s.Spec.Gateway); err != nil {
		return p, fmt.Errorf("subnet %s: %w", s.Name, err)
	}
	ranges := make([]netipx.IPRange, 0, len(s.Spec.ExcludeIps)+2)
	for _, member := range s.Spec.ExcludeIps {
		r, err := ipam.ParseRange(member)
		if err != nil {
			return p, fmt.Errorf("subnet %s: %w", s.Name, err)
		}
		ranges = append(ranges, r)
	}
	for _, g := range p.gateways.All() {
		ranges = append(ranges, netipx.IPRangeFrom(g, g))
	}
	p.excluded = ipam.NewSet(ranges...)
	return p, nil
}

func (p pools) claim(v storage.View, s *v1.Subnet, noun string, a netip.Addr) error {
	if !p.prefixes.Contains(a) {
		return &OutOfRangeError{Noun: noun, Addr: a, Subnet: s.Name, CIDR: s.Spec.CIDRBlock}
	}
	role := ""
	if unusable := ipam.Unusable(p.prefixes.Of(a), a); unusable != "" {
		role = "the " + unusable
	} else if a == p.gateways.V4 || a == p.gateways.V6 {
		role = "the gateway"
	}
	if role != "" {
		return &ReservedError{Addr: a, Subnet: s.Name, Role: role}
	}
	if h := Holder(v, s.Name, a); h != nil {
		return &TakenError{What: a.String(), Holder: h}
	}
	return nil
}

func (p pools) choose(v storage.View, s *v1.Subnet, prefix netip.Prefix, avoid func(netip.Addr) bool) (netip.Addr, error) {
	pool := ipam.Pool{Prefix: prefix, Excluded: p.excluded}
	used := func(from netip.Addr) iter.Seq[netip.Addr] {
		return func(yield func(netip.Addr) bool) {
			end := Key(s.Name, netipx.RangeOfPrefix(prefix).To()) + "0"
			for key := range v.Scan(Key(s.Name, from), end) {
				if a, ok := addressOf(key); ok && !yield(a) {
					return
				}
			}
		}
	}
	a, ok := pool.Next(resume(v, s, prefix), used)
	for first := a; ok && avoid != nil && avoid(a); {
		a, ok = pool.Next(a.Next(), used)
		ok = ok && a != first // else all that are free were refused
	}
	if !ok {
		dual := p.prefixes.V4.IsValid() && p.prefixes.V6.IsValid()
		return a, &FullError{Subnet: s.Name, Prefix: prefix, Dual: dual, Size: pool.Size()}
	}
	return a, nil
}

// remember makes the next search begin after the addresses that were chosen.
func remember(v storage.View, s *v1.Subnet, wanted, given ipam.Addrs) {
	if given.V4.IsValid() && !wanted.V4.IsValid() {
		Resume(v, s, given.V4.Next())
	}
	if given.V6.IsValid() && !wanted.V6.IsValid() {
		Resume(v, s, given.V6.Next())
	}
}

// Resume makes the next search for an address of the family in a Subnet begin at a. After the last address of all, the search
// begins anywhere.
func Resume(v storage.View, s *v1.Subnet, a netip.Addr) {
	if a.IsValid() {
		v.SetHint(hintKey(s, a.Is4()), low(a))
	}
}

// resume returns where the search in a prefix begins: the address at the hint, invalid when there is none. A hint is the low
// 64 bits of an address; the others are those of the prefix, as no search ever gets past 2^64 addresses.
func resume(v storage.View, s *v1.Subnet, prefix netip.Prefix) netip.Addr {
	hint := v.Hint(hintKey(s, prefix.Addr().Is4()))
	if hint == 0 {
		return netip.Addr{}
	}
	bytes := prefix.Addr().As16()
	if prefix.Addr().Is4() {
		hint |= 0xffff << 32 // RFC 4291 section 2.5.5.2
	}
	binary.BigEndian.PutUint64(bytes[8:], hint)
	return netip.AddrFrom16(bytes).Unmap()
}

// low is the low 64 bits of an address: of IPv4 the address itself. It is 0, which stands for no hint, when the address is
// invalid, as the one after the last of a family is.
func low(a netip.Addr) uint64 {
	switch {
	case !a.IsValid():
		return 0
	case a.Is4():
		bytes := a.As4()
		return uint64(binary.BigEndian.Uint32(bytes[:]))
	}
	bytes := a.As16()
	return binary.BigEndian.Uint64(bytes[8:])
}

// hintKey is of one Subnet, not of all that ever had its name: a new one begins with its first address.
func hintKey(s *v1.Subnet, is4 bool) string {
	family := "6"
	if is4 {
		family = "4"
	}
	return base(s.Name) + string(s.UID) + "/" + family
}
