package cniserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/podnet"
)

// ErrNoPod is the error about a pod that does not exist: for certain, not because nobody could be asked.
var ErrNoPod = errors.New("the pod does not exist")

// Pod is a pod with what decides about its interfaces.
type Pod struct {
	podnet.Pod
	// Over says that the pod has ended or is being deleted: it will need no interface again.
	Over bool
	// HostPorts are the ports of the node that lead to the pod's.
	HostPorts []int32
}

// Pods are the pods of a node.
type Pods interface {
	// Pod returns the pod of a name and UID; of a name alone when the UID is empty. A pod of another UID is ErrNoPod.
	Pod(ctx context.Context, namespace, name, uid string) (*Pod, error)
	// Follow calls f for each pod that comes to the node and will need interfaces, until the context is done. It does not wait
	// for that, and f must not block.
	Follow(ctx context.Context, f func(*Pod))
	// Annotate sets annotations of a pod; ErrNoPod when it is gone, or another has its name.
	Annotate(ctx context.Context, pod *Pod, annotations map[string]string) error
}

// annotationConfigHash is what kubelet sets on the API's copy of a static pod: the UID by which the runtime knows it.
const annotationConfigHash = "kubernetes.io/config.hash"

// clusterPods are the pods of a node in a Kubernetes cluster.
type clusterPods struct {
	client     kubernetes.Interface
	pods       corelisters.PodLister
	events     cache.SharedIndexInformer // of the pods
	namespaces corelisters.NamespaceLister
}

// NewPods returns the pods of a node, kept up to date until the context is done. What is not in memory yet is asked of the API.
func NewPods(ctx context.Context, client kubernetes.Interface, node string) Pods {
	own := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTweakListOptions(func(o *metav1.ListOptions) {
		o.FieldSelector = fields.OneTermEqualSelector("spec.nodeName", node).String()
	}), informers.WithTransform(withoutWeight))
	all := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTransform(withoutWeight))
	p := &clusterPods{client, own.Core().V1().Pods().Lister(), own.Core().V1().Pods().Informer(), all.Core().V1().Namespaces().Lister()}
	own.Start(ctx.Done())
	all.Start(ctx.Done())
	return p
}

// withoutWeight drops what nobody here reads.
func withoutWeight(obj any) (any, error) {
	if pod, ok := obj.(*corev1.Pod); ok {
		pod.ManagedFields = nil
		slim := corev1.PodSpec{NodeName: pod.Spec.NodeName, HostNetwork: pod.Spec.HostNetwork}
		for _, port := range hostPorts(pod) {
			slim.Containers = append(slim.Containers, corev1.Container{Ports: []corev1.ContainerPort{{HostPort: port}}})
		}
		pod.Spec = slim
	}
	return obj, nil
}

// hostPorts are the ports of the node that a pod asks for.
func hostPorts(pod *corev1.Pod) []int32 {
	var ports []int32
	for _, c := range pod.Spec.Containers {
		for _, p := range c.Ports {
			if p.HostPort != 0 {
				ports = append(ports, p.HostPort)
			}
		}
	}
	return ports
}

var _ cache.TransformFunc = withoutWeight

func (p *clusterPods) Pod(ctx context.Context, namespace, name, uid string) (*Pod, error) {
	found, err := p.pods.Pods(namespace).Get(name)
	if err != nil || !is(found, uid) {
		found, err = p.client.CoreV1().Pods(namespace).Get(ctx, name, metav1.GetOptions{})
	}
	switch {
	case apierrors.IsNotFound(err):
		return nil, fmt.Errorf("pod %s/%s: %w", namespace, name, ErrNoPod)
	case err != nil:
		return nil, fmt.Errorf("pod %s/%s: %w", namespace, name, err)
	case !is(found, uid):
		return nil, fmt.Errorf("pod %s/%s with UID %s, there is one with UID %s: %w", namespace, name, uid, found.UID, ErrNoPod)
	}
	return p.complete(ctx, found)
}

// complete adds what decides about a pod's interfaces and is not in the pod.
func (p *clusterPods) complete(ctx context.Context, found *corev1.Pod) (*Pod, error) {
	pod := &Pod{Pod: podnet.Pod{ObjectMeta: found.ObjectMeta}, Over: over(found), HostPorts: hostPorts(found)}
	ns, err := p.namespaces.Get(found.Namespace)
	if err != nil {
		ns, err = p.client.CoreV1().Namespaces().Get(ctx, found.Namespace, metav1.GetOptions{})
	}
	switch {
	case err == nil:
		pod.NamespaceAnnotations, pod.NamespaceLabels = ns.Annotations, ns.Labels
	case !apierrors.IsNotFound(err):
		return nil, fmt.Errorf("namespace %s: %w", found.Namespace, err)
	}
	pod.StartOrdinal, err = p.startOrdinal(ctx, pod)
	return pod, err
}

func over(pod *corev1.Pod) bool {
	return pod.DeletionTimestamp != nil || pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

func (p *clusterPods) Follow(ctx context.Context, f func(*Pod)) {
	registration, err := p.events.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: func(obj any) {
		pod, ok := obj.(*corev1.Pod)
		if ok && !over(pod) && !pod.Spec.HostNetwork && pod.Status.PodIP == "" && pod.Annotations[v1.AnnotationAllocated] == "" {
			f(&Pod{Pod: podnet.Pod{ObjectMeta: pod.ObjectMeta}})
		}
	}})
	if err != nil {
		return // the informer has ended, and so has everything
	}
	context.AfterFunc(ctx, func() { _ = p.events.RemoveEventHandler(registration) })
}

// is reports whether a pod is the one that the runtime names by a UID.
func is(pod *corev1.Pod, uid string) bool {
	return uid == "" || string(pod.UID) == uid || pod.Annotations[annotationConfigHash] == uid
}

// startOrdinal is needed, and asked for, only where the pods of a StatefulSet share a list of addresses.
func (p *clusterPods) startOrdinal(ctx context.Context, pod *Pod) (int, error) {
	owner := metav1.GetControllerOf(pod)
	if owner == nil || owner.Kind != "StatefulSet" || pod.Annotations[v1.AnnotationIPPool] == "" {
		return 0, nil
	}
	set, err := p.client.AppsV1().StatefulSets(pod.Namespace).Get(ctx, owner.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("StatefulSet %s/%s: %w", pod.Namespace, owner.Name, err)
	}
	return start(set), nil
}

func start(set *appsv1.StatefulSet) int {
	if set.Spec.Ordinals == nil {
		return 0
	}
	return int(set.Spec.Ordinals.Start)
}

func (p *clusterPods) Annotate(ctx context.Context, pod *Pod, annotations map[string]string) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": pod.UID, "annotations": annotations}})
	if err != nil {
		return err
	}
	_, err = p.client.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.MergePatchType, patch, metav1.PatchOptions{})
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) { // a conflict of the UID: the patch names no version
		return fmt.Errorf("%w: %w", ErrNoPod, err)
	}
	return err
}
