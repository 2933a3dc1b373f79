package chassis

import (
	"fmt"
	"regexp"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/shape"
)

var (
	specPath = field.NewPath("spec")
	idPath   = specPath.Child("chassisID")
	ipsPath  = specPath.Child("encapIPs")
	nodePath = specPath.Child("nodeIPs")

	// systemID is what ovn-controller takes as a chassis name: Open vSwitch system-ids are UUIDs or host names.
	systemID = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$`)

	encapTypes = []v1.EncapType{v1.EncapGeneve, v1.EncapVXLAN, v1.EncapSTT}
)

// Shape is what requests and tables need to know of the kind. The status is the node's agent's, which writes it through the
// status subresource.
var Shape = &shape.Kind[*v1.Chassis]{
	Name:     "Chassis",
	Validate: validate,
	Columns: []metav1.TableColumnDefinition{
		shape.NameColumn("The name of the node."),
		shape.Text("Chassis", "The system-id of the node's Open vSwitch."),
		shape.Text("EncapIPs", "Where the node's tunnels end."),
		shape.Flag("ExternalGateway", "Whether routers' external ports may be on the node."),
		shape.Text("Ready", "Whether the agent reports and ovn-controller is connected; empty when it never has."),
		shape.AgeColumn(),
		shape.Wide(shape.Text("EncapType", "The encapsulation of tunnels.")),
		shape.Wide(shape.Text("Hostname", "The host name that the node gives to OVN.")),
		shape.Wide(shape.Text("NodeIPs", "Where the node itself is reached.")),
	},
	Cells: func(c *v1.Chassis, name, age string) []any {
		ready := ""
		if condition := meta.FindStatusCondition(c.Status.Conditions, v1.ChassisReady); condition != nil {
			ready = string(condition.Status)
		}
		return []any{name, c.Spec.ChassisID, kubeovn.ListCell(c.Spec.EncapIPs), c.Spec.ExternalGateway, ready, age, string(c.Spec.EncapType), c.Spec.Hostname,
			kubeovn.ListCell(c.Spec.NodeIPs)}
	},
}

// complete writes out defaults.
func complete(c *v1.Chassis) {
	if c.Spec.Hostname == "" {
		c.Spec.Hostname = c.Name
	}
	if c.Spec.EncapType == "" {
		c.Spec.EncapType = v1.EncapGeneve
	}
}

// validate checks what can be said of a Chassis without looking at others.
func validate(c *v1.Chassis) field.ErrorList {
	var errs field.ErrorList
	switch id := c.Spec.ChassisID; {
	case id == "":
		errs = append(errs, field.Required(idPath, "the node's system-id: ovs-vsctl get Open_vSwitch . external_ids:system-id"))
	case !systemID.MatchString(id):
		errs = append(errs, field.Invalid(idPath, id, "must be letters, digits, '-', '_' and '.', with a letter or digit at both ends"))
	}
	if c.Spec.Hostname != "" {
		for _, problem := range validation.IsDNS1123Subdomain(c.Spec.Hostname) {
			errs = append(errs, field.Invalid(specPath.Child("hostname"), c.Spec.Hostname, problem))
		}
	}
	if c.Spec.EncapType != "" && !slices.Contains(encapTypes, c.Spec.EncapType) {
		errs = append(errs, field.NotSupported(specPath.Child("encapType"), c.Spec.EncapType, encapTypes))
	}
	if len(c.Spec.EncapIPs) == 0 {
		errs = append(errs, field.Required(ipsPath, "the address at which the node's tunnels end"))
	}
	errs = append(errs, validateAddresses(ipsPath, c.Spec.EncapIPs)...)
	return append(errs, validateAddresses(nodePath, c.Spec.NodeIPs)...)
}

// validateAddresses refuses addresses at which no other node reaches this one.
func validateAddresses(path *field.Path, texts []string) field.ErrorList {
	var errs field.ErrorList
	for i, text := range texts {
		a, err := ipam.ParseAddr(text)
		switch {
		case err != nil:
			errs = append(errs, field.Invalid(path.Index(i), text, err.Error()))
		case a.IsUnspecified() || a.IsMulticast() || a.IsLoopback() || a.IsLinkLocalUnicast():
			errs = append(errs, field.Invalid(path.Index(i), text, fmt.Sprintf("no other node can reach %s", a)))
		case slices.Contains(texts[:i], text):
			errs = append(errs, field.Duplicate(path.Index(i), text))
		}
	}
	return errs
}
