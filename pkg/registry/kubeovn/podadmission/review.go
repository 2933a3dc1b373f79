package podadmission

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/podnet"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/address"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// Releases reports whether an interface's holder, an IP of another pod, will be deleted without the pod's users doing anything more: its
// pod is gone, has ended or is being deleted, or belongs to the same controller as the pod under review, which replaces it.
type Releases func(holder *v1.IP) bool

// Review returns what is wrong with what a pod's annotations ask for, and warnings about what the pod has to wait for: what others hold
// and will release. A pod that asks for nothing is right, whatever its namespace. Without releases, only objects that are being deleted
// are waited for.
func Review(v storage.View, pod podnet.Pod, releases Releases) (warnings []string, errs field.ErrorList) {
	for _, provider := range podnet.Asked(pod.Annotations) {
		nic, refused := podnet.InterfaceOf(objects{v}, pod, provider)
		if len(refused) == 0 {
			var warning string
			if warning, refused = taken(v, pod, nic, releases); warning != "" {
				warnings = append(warnings, warning)
			}
		}
		errs = append(errs, refused...)
	}
	return warnings, errs
}

// conflict is why an interface cannot have something now. The holder is nil when no object holds it.
type conflict struct {
	*field.Error
	holder storage.Object
}

// taken returns why none of the choices of an interface is free; nothing when one is, and a warning when one will be.
func taken(v storage.View, pod podnet.Pod, nic podnet.Interface, releases Releases) (warning string, errs field.ErrorList) {
	var reasons []string
	var first *field.Error
	for _, c := range nic.Choices {
		conflicts := claim(v, pod, nic, c)
		if len(conflicts) == 0 {
			return "", nil
		}
		if first == nil {
			first = conflicts[0].Error
		}
		lasting := slices.IndexFunc(conflicts, func(c conflict) bool { return !released(c.holder, releases) })
		if lasting >= 0 {
			reasons = append(reasons, conflicts[lasting].Detail)
			continue
		}
		if warning == "" {
			warning = fmt.Sprintf("%s: %s; the pod waits until it is released", conflicts[0].Field, conflicts[0].Detail)
		}
	}
	if warning != "" || first == nil {
		return warning, nil
	}
	first.Detail = strings.Join(reasons, "; ")
	return "", field.ErrorList{first}
}

// released reports whether a holder will be gone without anybody's doing. Reservations, and the addresses that StatefulSets and virtual
// machines keep, are not.
func released(holder storage.Object, releases Releases) bool {
	switch o := holder.(type) {
	case *v1.IP:
		return o.DeletionTimestamp != nil || o.Spec.PodUID != "" && o.Spec.PodType == "" && releases != nil && releases(o)
	case *v1.Vip:
		return o.DeletionTimestamp != nil
	}
	return false
}

// claim returns why an interface cannot have now what it asks for. What it, or one of the same name, has already is its own: a pod of a
// StatefulSet keeps its address, and one that is created again comes before the former is forgotten.
func claim(v storage.View, pod podnet.Pod, nic podnet.Interface, c v1.PodInterface) (conflicts []conflict) {
	path := func(annotation string) *field.Path {
		return field.NewPath("metadata", "annotations").Key(v1.ProviderAnnotation(nic.Provider, annotation))
	}
	never := func(err *field.Error) []conflict { return []conflict{{err, nil}} }
	s, ok := storage.Get[*v1.Subnet](v, nb.Subnets, c.Subnet)
	if !ok {
		return never(field.NotFound(path(v1.AnnotationLogicalSwitch), c.Subnet))
	}
	add := func(annotation, value, detail string, holder storage.Object) {
		conflicts = append(conflicts, conflict{field.Invalid(path(annotation), value, detail), holder})
	}
	if c.Vip != "" {
		for user := range storage.ReferrersOf[*v1.IP](v, "vips", c.Vip) {
			if user.Name != nic.Name {
				add(v1.AnnotationVip, c.Vip, fmt.Sprintf("vip '%s' is in use by %s", c.Vip, address.Describe(user)), user)
			}
		}
	}
	for _, name := range c.AAPs {
		if user := address.VipUser(v, name); user != nil {
			add(v1.AnnotationAAPs, name, fmt.Sprintf("vip '%s' is in use by %s", name, address.Describe(user)), user)
		}
	}
	asked := v1.AnnotationIPAddress
	if pod.Annotations[v1.ProviderAnnotation(nic.Provider, asked)] == "" {
		asked = v1.AnnotationIPPool
	}
	addrs, err := ipam.ParseAddrs(c.IPAddress)
	if err != nil {
		return never(field.Invalid(path(asked), c.IPAddress, err.Error()))
	}
	for _, a := range addrs.All() {
		if holder := address.Holder(v, s.Name, a); holder != nil && !own(holder, nic, c) {
			add(asked, c.IPAddress, fmt.Sprintf("%s is in use by %s", a, address.Describe(holder)), holder)
		}
	}
	if c.MacAddress == "" {
		return conflicts
	}
	var inUse *address.TakenError
	if err := address.ClaimMACIn(v, s, c.MacAddress); errors.As(err, &inUse) && !own(inUse.Holder, nic, c) {
		add(v1.AnnotationMacAddress, c.MacAddress, err.Error(), inUse.Holder)
	}
	return conflicts
}

// own reports whether what an object holds is for this interface: it is its IP, or the Vip that it uses.
func own(holder storage.Object, nic podnet.Interface, c v1.PodInterface) bool {
	switch o := holder.(type) {
	case *v1.IP:
		return o.Name == nic.Name
	case *v1.Vip:
		return o.Name == c.Vip
	}
	return false
}

// objects are those of a snapshot.
type objects struct{ v storage.View }

var _ podnet.Objects = objects{}

func (o objects) Subnet(name string) (*v1.Subnet, bool) {
	return storage.Get[*v1.Subnet](o.v, nb.Subnets, name)
}
func (o objects) Vpc(name string) (*v1.Vpc, bool) { return storage.Get[*v1.Vpc](o.v, nb.Vpcs, name) }
func (o objects) Vip(name string) (*v1.Vip, bool) { return storage.Get[*v1.Vip](o.v, "vips", name) }
func (o objects) Subnets() iter.Seq[*v1.Subnet]   { return all[*v1.Subnet](o.v, nb.Subnets) }
func (o objects) Vpcs() iter.Seq[*v1.Vpc]         { return all[*v1.Vpc](o.v, nb.Vpcs) }

func all[T storage.Object](v storage.View, resource string) iter.Seq[T] {
	return func(yield func(T) bool) {
		for o := range v.List(resource) {
			if t, ok := o.(T); ok && !yield(t) {
				return
			}
		}
	}
}
