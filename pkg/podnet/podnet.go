package podnet

import (
	"iter"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
)

// Pod is the pod that is decided about.
type Pod struct {
	metav1.ObjectMeta
	// NamespaceAnnotations are the annotations of the pod's Namespace; nil when they are not known.
	NamespaceAnnotations map[string]string
	// NamespaceLabels are the labels of the pod's Namespace, which Subnets may select.
	NamespaceLabels map[string]string
	// StartOrdinal is the number of the first pod of the pod's StatefulSet (spec.ordinals.start).
	StartOrdinal int
}

// Objects are the API objects on which the answer depends. They may be a little old, as those of an informer are.
// What is returned is not modified.
type Objects interface {
	Subnet(name string) (*v1.Subnet, bool)
	Vpc(name string) (*v1.Vpc, bool)
	Vip(name string) (*v1.Vip, bool)
	// Subnets yields all Subnets and Vpcs all Vpcs, ascending by name.
	Subnets() iter.Seq[*v1.Subnet]
	Vpcs() iter.Seq[*v1.Vpc]
}

// Interface is one interface of a pod.
type Interface struct {
	// Provider is who plugs it: "ovn" for the pod's first interface, "<nad>.<namespace>.ovn" for others in the overlay,
	// "<nad>.<namespace>" for those of other plugins.
	Provider string
	// Name is the name of the IP object and of the logical switch port.
	Name string
	// Choices are what may be asked for, the best first and at least one. A choice that the API server refuses because its Subnet
	// is full or its address is taken gives way to the next.
	Choices []v1.PodInterface
	// Routes are further routes of the interface inside the pod.
	Routes []Route
	// DefaultRoute says that the pod's default route is that of this interface, although it is not the first.
	DefaultRoute bool
}

// Owner returns in whose name a pod has its addresses, and what keeps them over the death of the pod: a StatefulSet's pod and a
// virtual machine keep theirs. The name is the pod's own, or that of the virtual machine.
func Owner(pod *metav1.ObjectMeta) (name string, kind v1.PodType) {
	if vm := pod.Annotations[v1.AnnotationVirtualMachine]; vm != "" {
		return vm, v1.PodTypeVirtualMachine
	}
	for _, o := range pod.OwnerReferences {
		group, _, _ := strings.Cut(o.APIVersion, "/")
		switch {
		case group == "kubevirt.io" && o.Kind == "VirtualMachineInstance":
			return o.Name, v1.PodTypeVirtualMachine
		case group == "apps" && o.Kind == "StatefulSet":
			return pod.Name, v1.PodTypeStatefulSet
		}
	}
	return pod.Name, ""
}

// PortName is the name of the IP object and of the logical switch port of an interface; owner is the name that Owner returns.
func PortName(owner, namespace, provider string) string {
	if provider == v1.DefaultProvider {
		return owner + "." + namespace
	}
	return owner + "." + namespace + "." + provider
}

// Interfaces returns the interfaces of a pod: its first one, and those of the networks that it names in its annotation
// k8s.v1.cni.cncf.io/networks for which a Subnet is there. Networks without a Subnet are not ours.
// The errors are about annotations of the pod.
func Interfaces(o Objects, pod Pod) ([]Interface, field.ErrorList) {
	var nics []Interface
	providers, errs := attached(o, &pod)
	for _, provider := range append([]string{v1.DefaultProvider}, providers...) {
		nic, nicErrs := InterfaceOf(o, pod, provider)
		nics, errs = append(nics, nic), append(errs, nicErrs...)
	}
	if len(errs) > 0 {
		return nil, errs
	}
	return nics, nil
}

// InterfaceOf returns the interface of a pod that a provider plugs; the provider of a pod's first interface is "ovn", whatever
// that of its Subnet.
func InterfaceOf(o Objects, pod Pod, provider string) (Interface, field.ErrorList) {
	owner, _ := Owner(&pod.ObjectMeta)
	nic := Interface{Provider: provider, Name: PortName(owner, pod.Namespace, provider)}
	w, errs := read(&pod, provider)
	if len(errs) > 0 {
		return nic, errs
	}
	nic.Routes, nic.DefaultRoute = w.routes, w.defaultRoute
	subnets, errs := w.subnets(o, &pod)
	if len(errs) > 0 {
		return nic, errs
	}
	errs = w.checkCarried(o, &pod, subnets)
	template := v1.PodInterface{Name: nic.Name, MacAddress: w.mac, Vip: w.vip, AAPs: w.carried}
	if len(w.addresses) == 0 {
		for _, s := range subnets {
			nic.Choices = append(nic.Choices, choice(template, s, ""))
		}
		return nic, errs
	}
	for _, addrs := range w.addresses {
		i := slices.IndexFunc(subnets, func(s *v1.Subnet) bool { return problem(s, addrs) == "" })
		if i < 0 {
			errs = append(errs, field.Invalid(w.addressPath, addrs.String(), problem(subnets[0], addrs)))
			continue
		}
		nic.Choices = append(nic.Choices, choice(template, subnets[i], addrs.String()))
	}
	return nic, errs
}

func choice(template v1.PodInterface, s *v1.Subnet, addresses string) v1.PodInterface {
	template.Subnet, template.IPAddress = s.Name, addresses
	return template
}
