package cniserver

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/klog/v2"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/cni"
	"github.com/northbound-ovn/northbound/pkg/podnet"
)

// interfaces are those to allocate for a request, the one that it is about first: the request for a pod's first interface allocates
// the pod's others, too, so that the pod gets all of its addresses or none.
func (s *Server) interfaces(ctx context.Context, pod *Pod, r *cni.Request) ([]podnet.Interface, error) {
	nics, errs := decide(s.objects, pod, r.Provider)
	if len(errs) > 0 {
		// What the pod needs may be newer than what the informers know.
		var now objects
		if err := s.persist(ctx, func(ctx context.Context) (err error) {
			now, err = list(ctx, s.config.Client)
			return err
		}); err != nil {
			return nil, away(err)
		}
		if nics, errs = decide(now, pod, r.Provider); len(errs) > 0 {
			return nil, cni.Errorf(cni.CodeRefused, "pod %s/%s: %v", pod.Namespace, pod.Name, errs.ToAggregate())
		}
	}
	if len(r.Addresses) > 0 || r.MAC != "" {
		var texts []string
		for _, a := range r.Addresses {
			texts = append(texts, a.String())
		}
		for i := range nics[0].Choices {
			c := &nics[0].Choices[i]
			if len(texts) > 0 {
				c.IPAddress = strings.Join(texts, ",")
			}
			if r.MAC != "" {
				c.MacAddress = r.MAC
			}
		}
	}
	return nics, nil
}

func decide(o objects, pod *Pod, provider string) ([]podnet.Interface, field.ErrorList) {
	if provider == v1.DefaultProvider {
		return podnet.Interfaces(o, pod.Pod)
	}
	nic, errs := podnet.InterfaceOf(o, pod.Pod, provider)
	return []podnet.Interface{nic}, errs
}

// allocate asks the API for the interfaces: one request, unless a choice has to give way to the next, or a former pod of the same
// name has an interface still. It returns a heldError when others have what is asked for, and may let it go.
func (s *Server) allocate(ctx context.Context, pod *Pod, nics []podnet.Interface, r *cni.Request) ([]v1.PodInterfaceStatus, error) {
	owner, kind := podnet.Owner(&pod.ObjectMeta)
	request := &v1.PodInterfaces{Spec: v1.PodInterfacesSpec{
		PodName: owner, PodNamespace: pod.Namespace, PodUID: string(pod.UID), PodType: kind, NodeName: s.config.NodeName, ContainerID: r.ContainerID,
	}}
	chosen := make([]int, len(nics))
	held := map[string]bool{}
	for {
		request.Spec.Interfaces = nil
		for i := range nics {
			request.Spec.Interfaces = append(request.Spec.Interfaces, nics[i].Choices[chosen[i]])
		}
		var answer *v1.PodInterfaces
		err := s.persist(ctx, func(ctx context.Context) (err error) {
			answer, err = s.config.Client.KubeovnV1().PodInterfaces().Create(ctx, request, metav1.CreateOptions{})
			return err
		})
		switch {
		case err == nil:
			return answer.Status.Interfaces, nil
		case apierrors.IsConflict(err):
			if gone, reason := s.supersede(ctx, pod, nics); !gone {
				return nil, cni.Errorf(cni.CodeTryAgain, "%v; %v", err, reason)
			}
		case apierrors.IsInvalid(err):
			noteHolders(held, err)
			if next(chosen, nics, err) {
				continue
			}
			refused := cni.Errorf(cni.CodeRefused, "%v", err)
			if len(held) > 0 {
				return nil, &heldError{refused, held, pod, nics, r}
			}
			return nil, refused
		case apierrors.IsForbidden(err):
			return nil, cni.Errorf(cni.CodeForbidden, "%v", err)
		default:
			return nil, away(err)
		}
	}
}

// next moves the interface that a refusal is about to its next choice, and reports whether there is one.
func next(chosen []int, nics []podnet.Interface, refusal error) bool {
	status, ok := refusal.(apierrors.APIStatus)
	if !ok || status.Status().Details == nil {
		return false
	}
	for _, cause := range status.Status().Details.Causes {
		for i := range nics {
			if strings.HasPrefix(cause.Field, fmt.Sprintf("spec.interfaces[%d]", i)) {
				chosen[i]++
				return chosen[i] < len(nics[i].Choices)
			}
		}
	}
	return false
}

// away is the error of an API that cannot be asked.
func away(err error) error {
	return cni.Errorf(cni.CodeTryAgain, "the API does not carry the request out: %v", err)
}

// supersede makes way for a pod whose name a former one had: that one is gone, since there is another of its name. What it has on
// this node is removed here; what it has elsewhere by that node's agent or by the controller, for which this waits. It returns
// false with the reason when an interface is still another's.
func (s *Server) supersede(ctx context.Context, pod *Pod, nics []podnet.Interface) (gone bool, reason error) {
	_, kind := podnet.Owner(&pod.ObjectMeta)
	for _, nic := range nics {
		ip, err := s.config.Client.KubeovnV1().IPs().Get(ctx, nic.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return false, err
		}
		if ip.Spec.PodUID == string(pod.UID) || ip.Spec.PodUID == "" || kind != "" && ip.Spec.PodType == kind {
			continue
		}
		if ip.Spec.NodeName == s.config.NodeName && ip.Spec.PodType == "" && ip.DeletionTimestamp == nil {
			klog.FromContext(ctx).Info("Removing the interface of a former pod of the same name", "pod", klog.KRef(pod.Namespace, pod.Name), "interface", ip.Name, "formerUID", ip.Spec.PodUID)
			if err := s.evict(ctx, ip); err != nil {
				return false, err
			}
			continue
		}
		if err := s.awaitRelease(ctx, ip); err != nil {
			return false, fmt.Errorf("waited for its release: %w", err)
		}
	}
	return true, nil
}

// evict unplugs and deletes the interface of a pod that is gone.
func (s *Server) evict(ctx context.Context, ip *v1.IP) error {
	stale := ours(s.config.Switch.Snapshot(), func(ids map[string]string) bool { return ids[idPort] == ip.Name && ids[idPodUID] == ip.Spec.PodUID })
	if err := s.unplug(ctx, stale); err != nil {
		return err
	}
	return s.deleteIP(ctx, ip)
}

// deleteIP deletes an IP unless it has changed. It succeeds when it is gone.
func (s *Server) deleteIP(ctx context.Context, ip *v1.IP) error {
	err := s.config.Client.KubeovnV1().IPs().Delete(ctx, ip.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &ip.UID, ResourceVersion: &ip.ResourceVersion}})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// awaitRelease waits until an IP is gone, or another pod's.
func (s *Server) awaitRelease(ctx context.Context, ip *v1.IP) error {
	w, err := s.config.Client.KubeovnV1().IPs().Watch(ctx, metav1.ListOptions{
		FieldSelector: fields.OneTermEqualSelector("metadata.name", ip.Name).String(), ResourceVersion: ip.ResourceVersion})
	if err != nil {
		return err
	}
	defer w.Stop()
	for {
		select {
		case event, ok := <-w.ResultChan():
			if !ok {
				return errors.Join(errors.New("the watch ended"), ctx.Err())
			}
			now, isIP := event.Object.(*v1.IP)
			switch {
			case event.Type == watch.Deleted:
				return nil
			case event.Type == watch.Error:
				return apierrors.FromObject(event.Object)
			case isIP && now.Spec.PodUID != ip.Spec.PodUID:
				return nil
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// addressing is what an allocated interface has inside the pod: its addresses with the length of the Subnet's prefix, and its routes.
func addressing(allocated *v1.PodInterfaceStatus, nic *podnet.Interface, byDefault bool, further []cni.Route) ([]cni.Address, []cni.Route, error) {
	var addresses []cni.Address
	var routes []cni.Route
	gateways := strings.Split(allocated.Gateway, ",")
	for _, text := range strings.Split(allocated.Spec.Addresses(), ",") {
		if text == "" {
			continue // a Subnet without addresses
		}
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return nil, nil, fmt.Errorf("IP %s: %w", allocated.Name, err)
		}
		a := cni.Address{Prefix: netip.PrefixFrom(addr, addr.BitLen())}
		for _, block := range strings.Split(allocated.CIDRBlock, ",") {
			if prefix, err := netip.ParsePrefix(block); err == nil && prefix.Contains(addr) {
				a.Prefix = netip.PrefixFrom(addr, prefix.Bits())
			}
		}
		for _, text := range gateways {
			if gw, err := netip.ParseAddr(text); err == nil && gw.Is4() == addr.Is4() {
				a.Gateway = gw
			}
		}
		addresses = append(addresses, a)
		if byDefault && a.Gateway.IsValid() {
			everything := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
			if addr.Is6() {
				everything = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
			}
			routes = append(routes, cni.Route{Dst: everything, GW: a.Gateway})
		}
	}
	for _, r := range nic.Routes {
		routes = append(routes, cni.Route{Dst: r.Dst, GW: r.GW})
	}
	return addresses, append(routes, further...), nil
}

// apiAnswers asks the API for as little as possible.
func (s *Server) apiAnswers(ctx context.Context) error {
	_, err := s.config.Client.KubeovnV1().Subnets().List(ctx, metav1.ListOptions{Limit: 1, ResourceVersion: "0"})
	return err
}
