package address

import (
	"fmt"
	"math/big"
	"net/netip"
	"reflect"

	"github.com/northbound-ovn/northbound/pkg/storage"
)

// OutOfRangeError refuses an address that lies outside the subnet.
type OutOfRangeError struct {
	Noun   string // what the address is for, as "vip"
	Addr   netip.Addr
	Subnet string
	CIDR   string // spec.cidrBlock of the subnet
}

func (e *OutOfRangeError) Error() string {
	return fmt.Sprintf("the %s %s is not in the range of subnet %s, cidr %s", e.Noun, e.Addr, e.Subnet, e.CIDR)
}

// ReservedError refuses an address of the subnet that no object may have.
type ReservedError struct {
	Addr   netip.Addr
	Subnet string
	Role   string // "the gateway", "the network address", "the broadcast address" ...
}

func (e *ReservedError) Error() string {
	return fmt.Sprintf("%s is %s of subnet %s", e.Addr, e.Role, e.Subnet)
}

// TakenError refuses what another object holds.
type TakenError struct {
	What   string // address, MAC or name of a port
	Holder storage.Object
}

func (e *TakenError) Error() string {
	return fmt.Sprintf("%s is in use by %s", e.What, Describe(e.Holder))
}

// FullError says that no address is left for automatic allocation.
type FullError struct {
	Subnet string
	Prefix netip.Prefix
	Dual   bool // the subnet has a prefix of the other family, too
	Size   *big.Int
}

func (e *FullError) Error() string {
	text := fmt.Sprintf("no address left in subnet %s: %s of %s in use", e.Subnet, e.Size, e.Size)
	if e.Dual {
		text += " in " + e.Prefix.String()
	}
	return text
}

// Describe names an object in messages: "Vip web". Typed objects carry no kind, so that it is the name of the Go type.
func Describe(o storage.Object) string {
	return reflect.TypeOf(o).Elem().Name() + " " + o.GetName()
}
