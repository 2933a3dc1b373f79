package ovnnat

import (
	"net/netip"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/egress"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/eipsharing"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/lbplace"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/ovneip"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/reach"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

var (
	specPath = field.NewPath("spec")
	eipPath  = specPath.Child("ovnEip")
)

// rule is the pointer type of a kind of rules.
type rule interface {
	comparable
	storage.Object
}

// outcome are the fields of status that all kinds of rules have.
type outcome struct {
	conditions        *[]metav1.Condition
	ready             *bool
	vpc, v4Eip, v6Eip *string
}

// target is what a rule translates, in one Vpc.
type target struct {
	vpc    string
	v4, v6 string // address or prefix of each family; "" when there is none
	exact  bool   // the user named the families: neither may be left out
}

// rules is one kind of rules. The functions see objects whose spec has passed validation.
type rules[T rule] struct {
	resource, kind string
	new            func() T
	cfg            kubeovn.Config

	eip      func(T) string
	outcome  func(T) outcome
	sameSpec func(a, b T) bool
	// adopt takes over what is stored when the spec has not changed.
	adopt func(obj, old T)
	// references are those to what is translated; that to the address is added.
	references func(T) []storage.Ref
	use        func(T) eipsharing.Use
	resolve    func(v storage.View, obj T) (target, field.ErrorList)
	// settle fills the kind's own part of status; the target has the families in use only.
	settle func(v storage.View, obj T, eip *v1.OvnEip, t target) field.ErrorList
	// named are the addresses and prefixes of the Vpc that obj names itself, without an object that would hold their Subnet; none when
	// it names an object.
	named func(obj T) []string
	// lost says what of the target is in no Subnet of the Vpc any more; none when all of it is.
	lost func(v storage.View, obj T) field.ErrorList
	// refresh brings the kind's own part of status and labels up to date with what obj refers to. Optional.
	refresh func(v storage.View, obj T)
	rows    func(v storage.View, obj T) []storage.Row
	// internal are the address or the prefix of each family that is translated, "" of those that are not.
	internal func(obj T) []string
	// replies narrows what is translated on its way out. Optional: all is.
	replies func(obj T) string
	// balances: the rows are load balancers, which hang on all switches of the Vpc.
	balances bool
}

func (r *rules[T]) newResource() *storage.Resource {
	return storage.NewResource(r.resource, r.kind, r.new, storage.Kind[T]{
		References: r.allReferences,
		Index:      r.index,
		Plan:       r.plan,
		Derive:     r.derive,
		Rows: func(v storage.View, obj T) ([]storage.Row, error) {
			rows := r.rows(v, obj)
			if vpc := *r.outcome(obj).vpc; vpc == r.cfg.DefaultVpc && v.Get(nb.Vpcs, vpc) != nil {
				rows = append(rows, r.stays(v, obj)...)
			}
			return rows, nil
		},
	})
}

// stays are the policies that keep what the default Vpc's router translates from leaving at a node: it has to pass the router's port
// in the external Subnet.
func (r *rules[T]) stays(v storage.View, obj T) []storage.Row {
	narrower := ""
	if r.replies != nil {
		narrower = r.replies(obj)
	}
	var rows []storage.Row
	for _, text := range r.internal(obj) {
		if p, ok := prefixOf(text); ok {
			rows = append(rows, egress.Allow(v, r.cfg, "stays"+egress.Family(p.Addr()), egress.NATPriority, egress.From(p)+narrower))
		}
	}
	return rows
}

// prefixOf reads an address or a prefix; there is none when the family is not translated.
func prefixOf(text string) (netip.Prefix, bool) {
	if a, err := ipam.ParseAddr(text); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), true
	}
	p, err := ipam.ParseInterface(text)
	return p.Masked(), err == nil
}

func (r *rules[T]) allReferences(obj T) []storage.Ref {
	// The address says what it is used for.
	refs := []storage.Ref{{Resource: ovneip.Resource, Name: r.eip(obj), Field: eipPath.String(), Effect: storage.Immediately}}
	return append(refs, r.references(obj)...)
}

func (r *rules[T]) index(obj T) []string {
	keys := r.use(obj).Keys()
	keys = append(keys, reach.Keys(*r.outcome(obj).vpc, r.resource, obj.GetName(), r.named(obj)...)...)
	if r.balances {
		keys = append(keys, lbplace.Home{Vpc: *r.outcome(obj).vpc}.PlaceKey(r.resource, obj.GetName()))
	}
	return keys
}

// plan decides what a rule is in effect, or why it cannot be.
func (r *rules[T]) plan(v storage.View, old, obj T) error {
	var none T
	if obj == none {
		return nil
	}
	if old != none && r.sameSpec(old, obj) {
		r.adopt(obj, old)
		return nil
	}
	return kubeovn.Invalid(r.kind, obj.GetName(), r.decide(v, obj))
}

func (r *rules[T]) decide(v storage.View, obj T) field.ErrorList {
	t, errs := r.resolve(v, obj)
	eip, ok := storage.Get[*v1.OvnEip](v, ovneip.Resource, r.eip(obj))
	if !ok {
		errs = append(errs, kubeovn.NotFound(eipPath, "OvnEip", r.eip(obj)))
	}
	if len(errs) > 0 {
		return errs
	}
	if err := r.usable(v, obj, eip, t); err != nil {
		return append(errs, err)
	}
	out := r.outcome(obj)
	*out.vpc = t.vpc
	*out.v4Eip, *out.v6Eip = common(eip.Status.V4IP, &t.v4), common(eip.Status.V6IP, &t.v6)
	if err := r.use(obj).Check(v, obj); err != nil {
		return append(errs, field.Invalid(eipPath, eip.Name, err.Error()))
	}
	return append(errs, r.settle(v, obj, eip, t)...)
}

// common returns the external address of a family if there is something to translate of it, and clears what there is no address for.
func common(external string, internal *string) string {
	if external == "" {
		*internal = ""
	}
	if *internal == "" {
		return ""
	}
	return external
}

// usable says why a target cannot be translated to an address.
func (r *rules[T]) usable(v storage.View, obj T, eip *v1.OvnEip, t target) *field.Error {
	vpc, ok := storage.Get[*v1.Vpc](v, nb.Vpcs, t.vpc)
	if !ok {
		return kubeovn.NotFound(specPath.Child("vpc"), "Vpc", t.vpc)
	}
	if err := ovneip.Usable(r.cfg, eip, vpc, r.use(obj).Sort == eipsharing.FIP); err != nil {
		return field.Invalid(eipPath, eip.Name, err.Error())
	}
	has4, has6 := eip.Status.V4IP != "", eip.Status.V6IP != ""
	missing4, missing6 := t.v4 != "" && !has4, t.v6 != "" && !has6
	if t.exact && (missing4 || missing6) || !(t.v4 != "" && has4) && !(t.v6 != "" && has6) {
		return field.Invalid(eipPath, eip.Name, "the address is "+ovneip.Assigned(eip).String()+", of another address family than "+join(t.v4, t.v6))
	}
	return nil
}

func join(v4, v6 string) string { return strings.Trim(v4+","+v6, ",") }

// derive completes status and labels: the rows exist in the transaction that stores the rule. A rule whose Subnet went away or shrank
// keeps its rows, and is ready again when a Subnet has the address.
func (r *rules[T]) derive(v storage.View, obj T) {
	if r.refresh != nil {
		r.refresh(v, obj)
	}
	out := r.outcome(obj)
	if lost := r.lost(v, obj); len(lost) > 0 {
		*out.ready = false
		kubeovn.SetFalse(out.conditions, obj, "Ready", "TargetUnreachable", lost.ToAggregate().Error())
	} else {
		*out.ready = true
		kubeovn.SetTrue(out.conditions, obj, "Ready", "Translated", "the router applies the rule")
	}
	ovneip.SetLabels(obj, *out.v4Eip, *out.v6Eip)
}
