package natgateway

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/eipsharing"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/reach"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

var eipPath = specPath.Child("eip")

// rule is the pointer type of a kind of rules.
type rule interface {
	comparable
	storage.Object
}

// outcome are the fields of status that all kinds of rules have.
type outcome struct {
	conditions          *[]metav1.Condition
	ready               *bool
	v4ip, v6ip, natGwDp *string
}

// rules is one kind of rules: what the three have in common. The functions see objects whose spec has passed validation.
type rules[T rule] struct {
	resource, kind string
	new            func() T
	eip            func(T) string
	outcome        func(T) outcome
	// internal is what is translated, an address or a prefix of the gateway's Vpc, and the field that says so.
	internal func(T) (path *field.Path, text string)
	// use is the use of the address but for its resource and router.
	use func(T) eipsharing.Use
	// settle fills the kind's own part of status and labels.
	settle func(T)
}

func (r *rules[T]) newResource() *storage.Resource {
	return storage.NewResource(r.resource, r.kind, r.new, storage.Kind[T]{
		References: func(obj T) []storage.Ref {
			// The address says what it is used for.
			return []storage.Ref{{Resource: EIPResource, Name: r.eip(obj), Field: eipPath.String(), Effect: storage.Immediately}}
		},
		Index:  func(obj T) []string { return r.useOf(obj).Keys() },
		Plan:   r.plan,
		Derive: r.derive,
	})
}

func (r *rules[T]) useOf(obj T) eipsharing.Use {
	u := r.use(obj)
	u.Resource, u.EIP, u.Router = EIPResource, r.eip(obj), *r.outcome(obj).natGwDp
	return u
}

// plan decides at which gateway a rule applies, or why it cannot.
func (r *rules[T]) plan(v storage.View, old, obj T) error {
	var none T
	switch {
	case obj == none:
		return nil
	case old != none && kubeovn.SameSpec(old, obj):
		*r.outcome(obj).natGwDp = *r.outcome(old).natGwDp
		return nil
	}
	return kubeovn.Invalid(r.kind, obj.GetName(), r.decide(v, obj))
}

func (r *rules[T]) decide(v storage.View, obj T) field.ErrorList {
	eip, ok := storage.Get[*v1.IptablesEIP](v, EIPResource, r.eip(obj))
	if !ok {
		return field.ErrorList{kubeovn.NotFound(eipPath, "IptablesEIP", r.eip(obj))}
	}
	gateway, ok := storage.Get[*v1.VpcNatGateway](v, GatewayResource, eip.Spec.NatGwDp)
	if !ok {
		return field.ErrorList{kubeovn.NotFound(eipPath, "VpcNatGateway", eip.Spec.NatGwDp)}
	}
	*r.outcome(obj).natGwDp = gateway.Name
	path, text := r.internal(obj)
	errs := reach.Within(v, path, gateway.Spec.Vpc, text)
	if err := r.useOf(obj).Check(v, obj); err != nil {
		errs = append(errs, field.Invalid(eipPath, eip.Name, err.Error()))
	}
	return errs
}

func (r *rules[T]) derive(v storage.View, obj T) {
	out := r.outcome(obj)
	if eip, ok := storage.Get[*v1.IptablesEIP](v, EIPResource, r.eip(obj)); ok {
		*out.v4ip, *out.v6ip = eip.Spec.V4ip, eip.Spec.V6ip
	}
	*out.ready = false
	unserved(out.conditions, obj)
	r.settle(obj)
	label(obj, v1.LabelEipV4, *out.v4ip)
	label(obj, v1.LabelVpcNatGateway, *out.natGwDp)
}
