package podinterfaces

import (
	"errors"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/address"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// withHolders adds to the refusal of an interface a cause of type CauseHeld for each object that holds what the interface asks for and
// may let it go, so that a node can wait for that.
func withHolders(v storage.View, err error, ips []*v1.IP) error {
	var status *apierrors.StatusError
	if !errors.As(err, &status) || !apierrors.IsInvalid(err) || status.ErrStatus.Details == nil || len(status.ErrStatus.Details.Causes) == 0 {
		return err
	}
	out := *status
	details := status.ErrStatus.Details.DeepCopy()
	for i, ip := range ips {
		path := specPath.Child("interfaces").Index(i).String()
		if !strings.HasPrefix(details.Causes[0].Field, path) {
			continue
		}
		for _, holder := range holders(v, ip) {
			if name := releasable(holder); name != "" {
				details.Causes = append(details.Causes, metav1.StatusCause{Type: v1.CauseHeld, Field: path, Message: name})
			}
		}
	}
	out.ErrStatus.Details = details
	return &out
}

// holders are the other objects that hold an address, the MAC or the Vip that an IP asks for.
func holders(v storage.View, ip *v1.IP) []storage.Object {
	var out []storage.Object
	add := func(o storage.Object) {
		switch o := o.(type) {
		case *v1.IP:
			if o.Name == ip.Name {
				return
			}
		case *v1.Vip:
			if o.Name == ip.Spec.Vip {
				return
			}
		}
		out = append(out, o)
	}
	subnet, ok := storage.Get[*v1.Subnet](v, "subnets", ip.Spec.Subnet)
	if !ok {
		return nil
	}
	wanted, _ := ipam.ParseAddrs(ip.Spec.Addresses()) // nobody holds what cannot be read
	for _, a := range wanted.All() {
		if holder := address.Holder(v, subnet.Name, a); holder != nil {
			add(holder)
		}
	}
	var inUse *address.TakenError
	if ip.Spec.MacAddress != "" && errors.As(address.ClaimMACIn(v, subnet, ip.Spec.MacAddress), &inUse) {
		add(inUse.Holder)
	}
	if ip.Spec.Vip != "" {
		for user := range storage.ReferrersOf[*v1.IP](v, "vips", ip.Spec.Vip) {
			add(user)
		}
	}
	for _, name := range ip.Spec.Vips {
		if user := address.VipUser(v, name); user != nil {
			add(user)
		}
	}
	return out
}

// releasable is the "<resource>/<name>" of a holder that may let go what it holds; empty for reservations and nodes.
func releasable(holder storage.Object) string {
	switch o := holder.(type) {
	case *v1.IP:
		if o.Spec.PodUID != "" || o.DeletionTimestamp != nil {
			return "ips/" + o.Name
		}
	case *v1.Vip:
		if o.DeletionTimestamp != nil {
			return "vips/" + o.Name
		}
	}
	return ""
}
