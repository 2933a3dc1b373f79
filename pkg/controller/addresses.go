package controller

import (
	"context"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	appslisters "k8s.io/client-go/listers/apps/v1"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	listers "github.com/northbound-ovn/northbound/pkg/generated/listers/kubeovn/v1"
)

// virtualMachines are KubeVirt's.
var virtualMachines = schema.GroupVersionResource{Group: "kubevirt.io", Version: "v1", Resource: "virtualmachines"}

// Kinds of owners for which an address is kept over the death of a pod.
const (
	ownerSet = "StatefulSet"
	ownerVM  = "VirtualMachine"
)

func ownerKey(kind, namespace, name string) string { return kind + "/" + namespace + "/" + name }

// addresses deletes the IPs that nobody needs any more. An IP without podUID is somebody's reservation: it stays.
type addresses struct {
	clients Clients
	keepVMs bool

	ips    listers.IPLister
	ipsBy  cache.Indexer
	podsBy cache.Indexer
	sets   appslisters.StatefulSetLister
}

func addressesLoop(c *Controller) (*loop, error) {
	ips, pods := c.northbound.Kubeovn().V1().IPs(), c.core.Core().V1().Pods()
	sets := c.core.Apps().V1().StatefulSets()
	a := &addresses{
		clients: c.clients, keepVMs: c.settings.KeepVMIP,
		ips: ips.Lister(), ipsBy: ips.Informer().GetIndexer(), podsBy: pods.Informer().GetIndexer(), sets: sets.Lister(),
	}
	l := newLoop("addresses", a.sync)
	of := func(index, key string) {
		for _, ip := range byIndex[*v1.IP](a.ipsBy, index, key) {
			l.add(ip.Name)
		}
	}
	if err := ips.Informer().AddIndexers(cache.Indexers{
		byUID:   index(func(ip *v1.IP) []string { return nonEmpty(ip.Spec.PodUID) }),
		byOwner: index(func(ip *v1.IP) []string { return nonEmpty(a.ownerOf(ip)) }),
		byVip:   index(func(ip *v1.IP) []string { return ip.Spec.Vips }),
	}); err != nil {
		return nil, err
	}
	if err := pods.Informer().AddIndexers(cache.Indexers{
		byUID: index(func(p *corev1.Pod) []string { return []string{string(p.UID)} }),
		byVip: index(func(p *corev1.Pod) []string {
			names := carried(p)
			for i, name := range names {
				names[i] = p.Namespace + "/" + name
			}
			return names
		}),
	}); err != nil {
		return nil, err
	}
	// VirtualMachines are watched where the cluster has IPs of any. One that goes before the watch begins is found missing then.
	vms := metadatainformer.NewSharedInformerFactory(c.clients.Metadata, 0)
	watchVMs := c.onceStarted(func(ctx context.Context) error {
		informer := vms.ForResource(virtualMachines).Informer()
		err := watch(informer, func(old, vm *metav1.PartialObjectMetadata) {
			if vm == nil {
				of(byOwner, ownerKey(ownerVM, old.Namespace, old.Name))
			}
		})
		vms.Start(ctx.Done())
		go func() {
			vms.WaitForCacheSync(ctx.Done())
			for _, obj := range a.ipsBy.List() {
				if ip := obj.(*v1.IP); ip.Spec.PodType == v1.PodTypeVirtualMachine {
					l.add(ip.Name)
				}
			}
		}()
		return err
	})
	return l, firstError(
		watch(ips.Informer(), func(_, ip *v1.IP) {
			if ip == nil || ip.Spec.PodUID == "" {
				return
			}
			if ip.Spec.PodType == v1.PodTypeVirtualMachine && a.keepVMs {
				watchVMs()
			}
			l.add(ip.Name)
		}),
		watch(pods.Informer(), func(old, pod *corev1.Pod) {
			if old != nil && (pod == nil || pod.UID != old.UID) {
				of(byUID, string(old.UID))
			}
			if pod != nil && finished(pod) {
				of(byUID, string(pod.UID))
			}
		}),
		watch(sets.Informer(), func(old, set *appsv1.StatefulSet) {
			if old != nil {
				of(byOwner, ownerKey(ownerSet, old.Namespace, old.Name))
			}
		}))
}

// ownerOf is the key of the owner for which an IP is kept, empty when it goes with its pod.
func (a *addresses) ownerOf(ip *v1.IP) string {
	switch ip.Spec.PodType {
	case v1.PodTypeStatefulSet:
		if set, _, ok := ordinalOf(ip.Spec.PodName); ok {
			return ownerKey(ownerSet, ip.Spec.Namespace, set)
		}
	case v1.PodTypeVirtualMachine:
		if a.keepVMs {
			return ownerKey(ownerVM, ip.Spec.Namespace, ip.Spec.PodName)
		}
	}
	return ""
}

func (a *addresses) sync(ctx context.Context, name string) error {
	ip, err := a.ips.Get(name)
	if apierrors.IsNotFound(err) || err == nil && (ip.DeletionTimestamp != nil || ip.Spec.PodUID == "" || ip.Spec.PodName == "") {
		return nil
	}
	if err != nil {
		return err
	}
	reason, err := a.unneeded(ctx, ip)
	if err != nil || reason == "" {
		return err
	}
	// Somebody may have taken the IP over in the meantime.
	precondition := metav1.Preconditions{UID: &ip.UID, ResourceVersion: &ip.ResourceVersion}
	err = a.clients.Northbound.KubeovnV1().IPs().Delete(ctx, name, metav1.DeleteOptions{Preconditions: &precondition})
	if err == nil {
		released.WithLabelValues(reason).Inc()
		klog.FromContext(ctx).V(2).Info("Released an address", "ip", name, "address", ip.Spec.Addresses(), "pod", klog.KRef(ip.Spec.Namespace, ip.Spec.PodName), "reason", reason)
	}
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// Reasons to release an address, as the metric tells them.
const (
	reasonGone     = "PodGone"
	reasonFinished = "PodFinished"
	reasonOwner    = "OwnerGone"
)

// unneeded says why an IP is needed no more; empty when it is.
func (a *addresses) unneeded(ctx context.Context, ip *v1.IP) (string, error) {
	pod, err := a.podOf(ctx, ip)
	if err != nil {
		return "", err
	}
	owner := a.ownerOf(ip)
	switch {
	case pod != nil && owner == "" && finished(pod):
		return reasonFinished, nil
	case pod != nil && !finished(pod):
		return "", nil
	case owner == "":
		return reasonGone, nil
	}
	needed, err := a.ownerNeeds(ctx, ip)
	if err != nil || needed {
		return "", err
	}
	return reasonOwner, nil
}

// podOf is the pod with the IP's UID, nil when there is none: the API server says so, because the pod may be newer than the
// cache. Virtual machines run in pods of other names.
func (a *addresses) podOf(ctx context.Context, ip *v1.IP) (*corev1.Pod, error) {
	if pods := byIndex[*corev1.Pod](a.podsBy, byUID, ip.Spec.PodUID); len(pods) > 0 {
		return pods[0], nil
	}
	pods := a.clients.Kubernetes.CoreV1().Pods(ip.Spec.Namespace)
	if ip.Spec.PodType != v1.PodTypeVirtualMachine {
		pod, err := pods.Get(ctx, ip.Spec.PodName, metav1.GetOptions{})
		if apierrors.IsNotFound(err) || err == nil && string(pod.UID) != ip.Spec.PodUID {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("is there pod %s/%s: %w", ip.Spec.Namespace, ip.Spec.PodName, err)
		}
		return pod, nil
	}
	all, err := pods.List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("is there a pod of virtual machine %s/%s: %w", ip.Spec.Namespace, ip.Spec.PodName, err)
	}
	if i := slices.IndexFunc(all.Items, func(p corev1.Pod) bool { return string(p.UID) == ip.Spec.PodUID }); i >= 0 {
		return &all.Items[i], nil
	}
	return nil, nil
}

// ownerNeeds reports whether the owner of a kept address is there and will use it again.
func (a *addresses) ownerNeeds(ctx context.Context, ip *v1.IP) (bool, error) {
	namespace := ip.Spec.Namespace
	if ip.Spec.PodType == v1.PodTypeVirtualMachine {
		// Without KubeVirt the answer is the same: not found.
		_, err := a.clients.Metadata.Resource(virtualMachines).Namespace(namespace).Get(ctx, ip.Spec.PodName, metav1.GetOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return false, fmt.Errorf("is there virtual machine %s/%s: %w", namespace, ip.Spec.PodName, err)
		}
		return err == nil, nil
	}
	name, ordinal, _ := ordinalOf(ip.Spec.PodName)
	if set, err := a.sets.StatefulSets(namespace).Get(name); err == nil && set.DeletionTimestamp == nil && hasOrdinal(set, ordinal) {
		return true, nil
	}
	set, err := a.clients.Kubernetes.AppsV1().StatefulSets(namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("is there StatefulSet %s/%s: %w", namespace, name, err)
	}
	return set.DeletionTimestamp == nil && hasOrdinal(set, ordinal), nil
}

func nonEmpty(keys ...string) []string {
	return slices.DeleteFunc(keys, func(key string) bool { return key == "" })
}
