package podinterfaces

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/rest"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// wantedIPs are the IPs that a request describes, in its order.
func wantedIPs(v storage.View, req *v1.PodInterfaces) ([]*v1.IP, field.ErrorList) {
	var errs field.ErrorList
	ips := make([]*v1.IP, len(req.Spec.Interfaces))
	for i := range req.Spec.Interfaces {
		nic := &req.Spec.Interfaces[i]
		ip, err := wantedIP(v, req, nic, specPath.Child("interfaces").Index(i))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		ips[i] = ip
	}
	if len(errs) == 0 {
		errs = checkNames(ips)
	}
	return ips, errs
}

func wantedIP(v storage.View, req *v1.PodInterfaces, nic *v1.PodInterface, path *field.Path) (*v1.IP, *field.Error) {
	subnetName := nic.Subnet
	if subnetName == "" {
		vip, ok := storage.Get[*v1.Vip](v, "vips", nic.Vip)
		if !ok {
			return nil, kubeovn.NotFound(path.Child("vip"), "Vip", nic.Vip)
		}
		subnetName = vip.Spec.Subnet
	}
	subnet, ok := storage.Get[*v1.Subnet](v, "subnets", subnetName)
	if !ok {
		return nil, kubeovn.NotFound(path.Child("subnet"), "Subnet", subnetName)
	}
	name := nic.Name
	if name == "" {
		name = req.Spec.PodName + "." + req.Spec.PodNamespace
		if p := subnet.Spec.Provider; p != "" && p != v1.DefaultProvider {
			name += "." + p
		}
	}
	ip := &v1.IP{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: maps.Clone(req.Labels), Annotations: maps.Clone(req.Annotations)},
		Spec: v1.IPSpec{
			PodName: req.Spec.PodName, Namespace: req.Spec.PodNamespace, PodUID: req.Spec.PodUID, PodType: req.Spec.PodType,
			ContainerID: req.Spec.ContainerID, NodeName: req.Spec.NodeName, Subnet: subnetName,
			IPAddress: nic.IPAddress, MacAddress: nic.MacAddress, Vip: nic.Vip, Vips: vipsOf(v, nic.AAPs, subnetName),
			SecurityGroups: slices.Clone(nic.SecurityGroups),
		},
	}
	if wanted, err := ipam.ParseAddrs(nic.IPAddress); err == nil {
		// ipAddress is left for the address that is allocated: what is in it stays as it is.
		ip.Spec.IPAddress = ""
		if wanted.V4.IsValid() {
			ip.Spec.V4IPAddress = wanted.V4.String()
		}
		if wanted.V6.IsValid() {
			ip.Spec.V6IPAddress = wanted.V6.String()
		}
	}
	return ip, nil
}

// vipsOf leaves out the Vips of other Subnets: one list serves all interfaces of a pod. Unknown ones stay, to be refused.
func vipsOf(v storage.View, names []string, subnet string) []string {
	var out []string
	for _, name := range names {
		if vip, ok := storage.Get[*v1.Vip](v, "vips", name); !ok || vip.Spec.Subnet == subnet {
			out = append(out, name)
		}
	}
	return out
}

// prepare decides about one interface: the IP that is there already for this pod (done), or what is to be written.
// What is to be written has a resource version when it takes over an IP that is there.
func (r *REST) prepare(ctx context.Context, v storage.View, ip *v1.IP) (write *v1.IP, done *v1.IP, err error) {
	stored, ok := storage.Get[*v1.IP](v, "ips", ip.Name)
	switch {
	case !ok:
		rest.FillObjectMetaSystemFields(ip)
		return ip, nil, rest.BeforeCreate(r.strategy, ctx, ip)
	case stored.DeletionTimestamp != nil:
		return nil, nil, conflict(ip, "it is being deleted")
	case stored.Spec.PodUID == ip.Spec.PodUID:
		if stored.Spec.Subnet != ip.Spec.Subnet {
			return nil, nil, conflict(ip, fmt.Sprintf("the pod has it in subnet %s, not in %s", stored.Spec.Subnet, ip.Spec.Subnet))
		}
		return nil, stored, nil
	case stored.Spec.PodUID != "" && (stored.Spec.PodType == "" || stored.Spec.PodType != ip.Spec.PodType):
		return nil, nil, conflict(ip, fmt.Sprintf("pod %s/%s with UID %s on node %q has it",
			stored.Spec.Namespace, stored.Spec.PodName, stored.Spec.PodUID, stored.Spec.NodeName))
	}
	next := takeOver(stored, ip)
	return next, nil, rest.BeforeUpdate(r.strategy, ctx, next, stored)
}

// takeOver is the stored IP as the wanted one has it. Whatever the two disagree on that cannot change is refused as any change
// of it is.
func takeOver(stored, wanted *v1.IP) *v1.IP {
	next := stored.DeepCopy()
	for key, value := range wanted.Labels {
		metav1.SetMetaDataLabel(&next.ObjectMeta, key, value)
	}
	for key, value := range wanted.Annotations {
		metav1.SetMetaDataAnnotation(&next.ObjectMeta, key, value)
	}
	next.Spec = wanted.Spec
	if next.Spec.Vip == "" {
		next.Spec.Vip = stored.Spec.Vip
	}
	next.Spec.AttachSubnets, next.Spec.AttachIPs, next.Spec.AttachMacs = stored.Spec.AttachSubnets, stored.Spec.AttachIPs, stored.Spec.AttachMacs
	return next
}

func conflict(ip *v1.IP, why string) error {
	return apierrors.NewConflict(v1.Resource("ips"), ip.Name, errors.New(why))
}

// at names the interface of the request in an error about its IP; errors that are not about the IP stay as they are.
func at(i int, err error) error {
	var status *apierrors.StatusError
	if !errors.As(err, &status) || !apierrors.IsInvalid(err) && !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err) {
		return err
	}
	prefix := specPath.Child("interfaces").Index(i).String()
	out := *status
	out.ErrStatus.Message = prefix + ": " + status.ErrStatus.Message
	if d := status.ErrStatus.Details; d != nil {
		details := d.DeepCopy()
		for c := range details.Causes {
			details.Causes[c].Field = prefix + "." + strings.TrimPrefix(details.Causes[c].Field, "spec.")
		}
		out.ErrStatus.Details = details
	}
	return &out
}

// invalid is the refusal of the request itself.
func invalid(req *v1.PodInterfaces, errs field.ErrorList) error {
	return kubeovn.Invalid("PodInterfaces", req.Spec.PodNamespace+"/"+req.Spec.PodName, errs)
}
