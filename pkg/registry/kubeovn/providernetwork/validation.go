package providernetwork

import (
	"fmt"
	"regexp"
	"strings"

	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
)

const (
	maxInterface = 15 // IFNAMSIZ of Linux without the NUL
	bridgePrefix = "br-"
	// readyCondition is the condition with which an agent says that its node is connected.
	readyCondition = "Ready"
)

var (
	specPath      = field.NewPath("spec")
	vlanInterface = regexp.MustCompile(`^[a-zA-Z0-9_-]+\.[0-9]{1,4}$`)
)

// validate checks what can be said of a ProviderNetwork without looking at other objects.
func validate(pn *v1.ProviderNetwork) field.ErrorList {
	errs := validateObjectName(pn.Name)
	errs = append(errs, validateInterface(specPath.Child("defaultInterface"), pn.Spec.DefaultInterface)...)
	errs = append(errs, validateCustom(specPath.Child("customInterfaces"), pn.Spec.CustomInterfaces)...)
	if s := pn.Spec.NodeSelector; s != nil {
		errs = append(errs, metav1validation.ValidateLabelSelector(s, metav1validation.LabelSelectorValidationOptions{}, specPath.Child("nodeSelector"))...)
	}
	errs = append(errs, validateNodes(specPath.Child("excludeNodes"), pn.Spec.ExcludeNodes)...)
	seen := sets.New[string]()
	for i, name := range pn.Spec.VlanInterfaces {
		path := specPath.Child("vlanInterfaces").Index(i)
		if !vlanInterface.MatchString(name) || len(name) > maxInterface {
			errs = append(errs, field.Invalid(path, name, fmt.Sprintf("must be the name of a VLAN interface, as eth0.10, of at most %d characters", maxInterface)))
		}
		if seen.Has(name) {
			errs = append(errs, field.Duplicate(path, name))
		}
		seen.Insert(name)
	}
	return errs
}

// validateObjectName leaves room for the bridge on the nodes, which is a network interface.
func validateObjectName(name string) field.ErrorList {
	var errs field.ErrorList
	path := field.NewPath("metadata", "name")
	if bridge := bridgePrefix + name; len(bridge) > maxInterface {
		errs = append(errs, field.Invalid(path, name, fmt.Sprintf("the bridge on the nodes would be %q: the name of an interface has at most %d characters, so that this one has at most %d",
			bridge, maxInterface, maxInterface-len(bridgePrefix))))
	}
	return errs
}

func validateInterface(path *field.Path, name string) field.ErrorList {
	switch {
	case name == "":
		return field.ErrorList{field.Required(path, "the name of the nodes' interface, as eth1")}
	case len(name) > maxInterface:
		return field.ErrorList{field.Invalid(path, name, fmt.Sprintf("the name of an interface has at most %d characters", maxInterface))}
	case strings.ContainsAny(name, "/ \t\n\v\f\r:") || name == "." || name == "..":
		return field.ErrorList{field.Invalid(path, name, "is no name of an interface: slashes, colons and blanks are not allowed")}
	}
	return nil
}

func validateCustom(path *field.Path, customs []v1.CustomInterface) field.ErrorList {
	var errs field.ErrorList
	names, nodes := sets.New[string](), map[string]string{}
	for i, c := range customs {
		path := path.Index(i)
		errs = append(errs, validateInterface(path.Child("interface"), c.Interface)...)
		if names.Has(c.Interface) {
			errs = append(errs, field.Duplicate(path.Child("interface"), c.Interface))
		}
		names.Insert(c.Interface)
		if len(c.Nodes) == 0 {
			errs = append(errs, field.Required(path.Child("nodes"), "the nodes that have this interface"))
		}
		errs = append(errs, validateNodes(path.Child("nodes"), c.Nodes)...)
		for j, node := range c.Nodes {
			if first, ok := nodes[node]; ok && first != c.Interface {
				errs = append(errs, field.Invalid(path.Child("nodes").Index(j), node, fmt.Sprintf("the node is connected through %s already", first)))
			}
			nodes[node] = c.Interface
		}
	}
	return errs
}

func validateNodes(path *field.Path, nodes []string) field.ErrorList {
	var errs field.ErrorList
	seen := sets.New[string]()
	for i, node := range nodes {
		for _, problem := range apivalidation.NameIsDNSSubdomain(node, false) {
			errs = append(errs, field.Invalid(path.Index(i), node, problem))
		}
		if seen.Has(node) {
			errs = append(errs, field.Duplicate(path.Index(i), node))
		}
		seen.Insert(node)
	}
	return errs
}

// validateStatus checks what agents say.
func validateStatus(pn *v1.ProviderNetwork) field.ErrorList {
	var errs field.ErrorList
	for i, c := range pn.Status.Conditions {
		path := field.NewPath("status", "conditions").Index(i)
		if c.Node == "" {
			errs = append(errs, field.Required(path.Child("node"), "the node that the condition is about"))
		}
		if c.Status != metav1.ConditionTrue && c.Status != metav1.ConditionFalse && c.Status != metav1.ConditionUnknown {
			errs = append(errs, field.NotSupported(path.Child("status"), c.Status, []metav1.ConditionStatus{metav1.ConditionTrue, metav1.ConditionFalse, metav1.ConditionUnknown}))
		}
	}
	return errs
}
