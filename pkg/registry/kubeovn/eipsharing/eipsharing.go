// Package eipsharing says what may share an external address: the one place of the matrix that docs/eip-sharing.md shows.
//
//	         FIP      SNAT     DNAT
//	FIP      no       no       no
//	SNAT     no       yes      yes
//	DNAT     no       yes      if protocol or external port differ, or both share it
//
// All rules of one address are of one router: two routers that both answered for it would fight over the neighbours' caches.
//
// Nothing is stored here. Every kind of rule returns the key of the use that it makes of its address from its Index function,
// so that the use is a fact of the snapshot that a write is planned on:
//
//	eip-use/<resource of the address>/<its name>/<fip, snat or dnat>[/<protocol>/<external port>/<exclusive or share>]
//	eip-router/<resource of the address>/<its name>/<router>
package eipsharing

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/address"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// Sort is a sort of NAT rule.
type Sort string

// The sorts of rules, as status.nat of an address names them.
const (
	DNAT Sort = "dnat"
	FIP  Sort = "fip"
	SNAT Sort = "snat"
)

// Use is what a rule makes of an external address.
type Use struct {
	Resource string // of the address, "ovn-eips"
	EIP      string // its name
	Router   string // the Vpc, or the gateway, that translates
	Sort     Sort
	// Of DNAT only.
	Protocol string // "tcp"
	Port     string // the external port
	Share    bool   // whether other rules that say so, too, may have the same port
}

// Keys are the index keys of a use.
func (u Use) Keys() []string {
	router := u.routers() + u.Router
	if u.Sort != DNAT {
		return []string{base(u.Resource, u.EIP) + string(u.Sort), router}
	}
	return []string{u.port() + u.mode(), router}
}

func (u Use) routers() string { return "eip-router/" + u.Resource + "/" + u.EIP + "/" }

func base(resource, eip string) string { return "eip-use/" + resource + "/" + eip + "/" }

// port begins the keys of all DNAT rules of one external port.
func (u Use) port() string {
	return base(u.Resource, u.EIP) + string(DNAT) + "/" + strings.ToLower(u.Protocol) + "/" + u.Port + "/"
}

func (u Use) mode() string {
	if u.Share {
		return "share"
	}
	return "exclusive"
}

// ConflictError refuses a rule because of another one at the same address.
type ConflictError struct {
	EIP    string         // name of the address
	Holder storage.Object // the rule in the way
	Reason string
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("%s is in use by %s: %s", e.EIP, address.Describe(e.Holder), e.Reason)
}

// Check returns a ConflictError when a rule may not make this use of an address because of another one. It looks at
// no more rules than a few, however many share the address.
func (u Use) Check(v storage.View, rule storage.Object) error {
	for key, holder := range v.Scan(u.routers(), strings.TrimSuffix(u.routers(), "/")+"0") {
		if same(holder, rule) {
			continue
		}
		if router := strings.TrimPrefix(key, u.routers()); router != u.Router {
			return u.refuse(holder, "all rules of an address are of one router, here of "+router)
		}
		break // all others are of this router, too
	}
	all := base(u.Resource, u.EIP)
	switch u.Sort {
	case FIP:
		return u.refuse(first(v, all, rule), "a FIP has its address alone")
	case SNAT:
		return u.refuse(first(v, all+string(FIP), rule), "a FIP has its address alone")
	}
	if err := u.refuse(first(v, all+string(FIP), rule), "a FIP has its address alone"); err != nil {
		return err
	}
	reason := fmt.Sprintf("it forwards %s port %s already", strings.ToLower(u.Protocol), u.Port)
	if !u.Share {
		return u.refuse(first(v, u.port(), rule), reason)
	}
	return u.refuse(first(v, u.port()+"exclusive", rule), reason+", alone (type exclusive)")
}

func (u Use) refuse(holder storage.Object, reason string) error {
	if holder == nil {
		return nil
	}
	return &ConflictError{EIP: u.EIP, Holder: holder, Reason: reason}
}

// first returns a holder of this key, or of one below it if it ends in a slash, that is another object than rule.
func first(v storage.View, key string, rule storage.Object) storage.Object {
	end := key + "\x00"
	if below, ok := strings.CutSuffix(key, "/"); ok {
		end = below + "0" // follows the slash
	}
	for _, holder := range v.Scan(key, end) {
		if !same(holder, rule) {
			return holder
		}
	}
	return nil
}

func same(a, b storage.Object) bool {
	return a.GetName() == b.GetName() && reflect.TypeOf(a) == reflect.TypeOf(b)
}

// Uses returns the sorts of rules that use an address, ascending and separated by commas, as "dnat,snat"; "" when none does.
// It looks at no more than one rule of each sort.
func Uses(v storage.View, resource, eip string) string {
	var found []string
	for _, s := range [...]Sort{DNAT, FIP, SNAT} {
		beginning := base(resource, eip) + string(s)
		for range v.Scan(beginning, beginning+"0") {
			found = append(found, string(s))
			break
		}
	}
	return strings.Join(found, ",")
}
