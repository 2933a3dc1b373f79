package controller

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/generated/clientset/versioned"
	listers "github.com/northbound-ovn/northbound/pkg/generated/listers/kubeovn/v1"
)

// carriers keeps the list of Vips that each pod's interface carries besides its own address: those that the pod's annotation
// names, that are of the interface's Subnet and the pod's namespace, and whose selector, if they have one, matches the pod's labels.
type carriers struct {
	northbound versioned.Interface

	ips    listers.IPLister
	vips   listers.VipLister
	podsBy cache.Indexer
}

func carriersLoop(c *Controller) (*loop, error) {
	ips, vips, pods := c.northbound.Kubeovn().V1().IPs(), c.northbound.Kubeovn().V1().Vips(), c.core.Core().V1().Pods()
	r := &carriers{northbound: c.clients.Northbound, ips: ips.Lister(), vips: vips.Lister(), podsBy: pods.Informer().GetIndexer()}
	l := newLoop("carriers", r.sync)
	ipsBy := ips.Informer().GetIndexer()
	ofPod := func(pod *corev1.Pod) {
		for _, ip := range byIndex[*v1.IP](ipsBy, byUID, string(pod.UID)) {
			l.add(ip.Name)
		}
	}
	return l, firstError(
		watch(ips.Informer(), func(_, ip *v1.IP) {
			if ip != nil && ip.Spec.PodUID != "" {
				l.add(ip.Name)
			}
		}),
		watch(pods.Informer(), func(old, pod *corev1.Pod) {
			if pod != nil && (old == nil || !apiequality.Semantic.DeepEqual(old.Labels, pod.Labels) || !slices.Equal(carried(old), carried(pod))) {
				ofPod(pod)
			}
		}),
		watch(vips.Informer(), func(old, vip *v1.Vip) {
			if vip == nil {
				return // nobody carried it: it would not be gone
			}
			if old != nil && apiequality.Semantic.DeepEqual(old.Spec, vip.Spec) && old.Labels[v1.LabelIPReserved] == vip.Labels[v1.LabelIPReserved] {
				return
			}
			for _, pod := range byIndex[*corev1.Pod](r.podsBy, byVip, vip.Spec.Namespace+"/"+vip.Name) {
				ofPod(pod)
			}
			for _, ip := range byIndex[*v1.IP](ipsBy, byVip, vip.Name) {
				l.add(ip.Name)
			}
		}))
}

func (r *carriers) sync(ctx context.Context, name string) error {
	ip, err := r.ips.Get(name)
	if apierrors.IsNotFound(err) || err == nil && ip.DeletionTimestamp != nil {
		return nil
	}
	if err != nil {
		return err
	}
	pods := byIndex[*corev1.Pod](r.podsBy, byUID, ip.Spec.PodUID)
	if ip.Spec.PodUID == "" || len(pods) == 0 || finished(pods[0]) {
		return nil
	}
	wanted := carriedBy(ip, pods[0], func(name string) *v1.Vip {
		vip, err := r.vips.Get(name)
		if err != nil {
			return nil
		}
		return vip
	})
	if sameSet(wanted, ip.Spec.Vips) {
		return nil
	}
	ip = ip.DeepCopy()
	ip.Spec.Vips = wanted
	_, err = r.northbound.KubeovnV1().IPs().Update(ctx, ip, metav1.UpdateOptions{FieldManager: Manager})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// carriedBy are the Vips, in the order of the pod's annotation, that an interface of a pod carries. One that is being deleted
// stays with those who have it: it goes with the last of them.
func carriedBy(ip *v1.IP, pod *corev1.Pod, vipNamed func(string) *v1.Vip) []string {
	var out []string
	for _, name := range carried(pod) {
		vip := vipNamed(name)
		if vip == nil || slices.Contains(out, name) || vip.DeletionTimestamp != nil && !slices.Contains(ip.Spec.Vips, name) {
			continue
		}
		s := &vip.Spec
		// The server labels a Vip that some interface uses as its own address: nobody can carry it.
		free := name != ip.Spec.Vip && vip.Labels[v1.LabelIPReserved] == ""
		if free && s.Type == v1.VipReserved && s.Subnet == ip.Spec.Subnet && s.Namespace == pod.Namespace &&
			(len(s.Selector) == 0 || matches(s.Selector, pod.Labels)) {
			out = append(out, name)
		}
	}
	return out
}

func sameSet(a, b []string) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(s string) bool { return !slices.Contains(b, s) })
}
