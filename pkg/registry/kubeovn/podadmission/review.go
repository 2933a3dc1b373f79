package podadmission

import (
	"errors"
	"fmt"
	"iter"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/podnet"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/address"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// Review says what is wrong with what a pod's annotations ask for. A pod that asks for nothing is right, whatever its namespace.
func Review(v storage.View, pod podnet.Pod) field.ErrorList {
	var errs field.ErrorList
	for _, provider := range podnet.Asked(pod.Annotations) {
		nic, refused := podnet.InterfaceOf(objects{v}, pod, provider)
		if len(refused) == 0 {
			refused = taken(v, pod, nic)
		}
		errs = append(errs, refused...)
	}
	return errs
}

// taken says why none of the choices of an interface is to be had; nothing when one is.
func taken(v storage.View, pod podnet.Pod, nic podnet.Interface) field.ErrorList {
	var reasons []string
	var first *field.Error
	for _, c := range nic.Choices {
		err := claim(v, pod, nic, c)
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
		reasons = append(reasons, err.Detail)
	}
	first.Detail = strings.Join(reasons, "; ")
	return field.ErrorList{first}
}

// claim says why an interface cannot have what it asks for. What it, or one of the same name, has already is its own: a pod of a
// StatefulSet keeps its address, and one that is created again comes before the former is forgotten.
func claim(v storage.View, pod podnet.Pod, nic podnet.Interface, c v1.PodInterface) *field.Error {
	path := func(annotation string) *field.Path {
		return field.NewPath("metadata", "annotations").Key(v1.ProviderAnnotation(nic.Provider, annotation))
	}
	s, ok := storage.Get[*v1.Subnet](v, nb.Subnets, c.Subnet)
	if !ok {
		return field.NotFound(path(v1.AnnotationLogicalSwitch), c.Subnet)
	}
	if c.Vip != "" {
		for user := range storage.ReferrersOf[*v1.IP](v, "vips", c.Vip) {
			if user.Name != nic.Name {
				return field.Invalid(path(v1.AnnotationVip), c.Vip, fmt.Sprintf("vip '%s' is in use by %s", c.Vip, address.Describe(user)))
			}
		}
	}
	for _, name := range c.AAPs {
		if user := address.VipUser(v, name); user != nil {
			return field.Invalid(path(v1.AnnotationAAPs), name, fmt.Sprintf("vip '%s' is in use by %s", name, address.Describe(user)))
		}
	}
	asked := v1.AnnotationIPAddress
	if pod.Annotations[v1.ProviderAnnotation(nic.Provider, asked)] == "" {
		asked = v1.AnnotationIPPool
	}
	addrs, err := ipam.ParseAddrs(c.IPAddress)
	if err != nil {
		return field.Invalid(path(asked), c.IPAddress, err.Error())
	}
	for _, a := range addrs.All() {
		if holder := address.Holder(v, s.Name, a); holder != nil && !own(holder, nic, c) {
			return field.Invalid(path(asked), c.IPAddress, fmt.Sprintf("%s is in use by %s", a, address.Describe(holder)))
		}
	}
	if c.MacAddress == "" {
		return nil
	}
	var inUse *address.TakenError
	if err := address.ClaimMACIn(v, s, c.MacAddress); errors.As(err, &inUse) && !own(inUse.Holder, nic, c) {
		return field.Invalid(path(v1.AnnotationMacAddress), c.MacAddress, err.Error())
	}
	return nil
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
