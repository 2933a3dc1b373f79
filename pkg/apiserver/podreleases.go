package apiserver

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/podadmission"
)

// releasesTimeout bounds the questions about one pod: the webhook's configuration gives a review 5 s.
const releasesTimeout = 3 * time.Second

// releases returns what reports whether the pod of an IP will release it for a new pod; nil in standalone mode, where there are no pods.
// What cannot be found out counts as kept.
func (p *podAdmission) releases(ctx context.Context, pod *metav1.ObjectMeta) podadmission.Releases {
	if p.client == nil {
		return nil
	}
	return func(ip *v1.IP) bool {
		ctx, cancel := context.WithTimeout(ctx, releasesTimeout)
		defer cancel()
		released, err := p.released(ctx, pod, ip)
		if err != nil {
			klog.FromContext(ctx).Error(err, "Cannot find out whether an IP will be released", "IP", ip.Name, "pod", klog.KRef(pod.Namespace, pod.Name))
		}
		return released
	}
}

// released reports whether the pod of an IP is gone, has ended, is being deleted, or belongs to the same controller as another pod.
func (p *podAdmission) released(ctx context.Context, pod *metav1.ObjectMeta, ip *v1.IP) (bool, error) {
	holder, err := p.client.CoreV1().Pods(ip.Spec.Namespace).Get(ctx, ip.Spec.PodName, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return true, nil
	case err != nil:
		return false, err
	case string(holder.UID) != ip.Spec.PodUID, holder.DeletionTimestamp != nil,
		holder.Status.Phase == corev1.PodSucceeded, holder.Status.Phase == corev1.PodFailed:
		return true, nil
	case holder.Namespace != pod.Namespace:
		return false, nil
	}
	mine, theirs := metav1.GetControllerOf(pod), metav1.GetControllerOf(holder)
	if mine == nil || theirs == nil || mine.UID == theirs.UID {
		return mine != nil && theirs != nil, nil
	}
	// During a rollout, the two are of different ReplicaSets of one Deployment.
	a, err := p.deploymentOf(ctx, pod.Namespace, mine)
	if err != nil || a == "" {
		return false, err
	}
	b, err := p.deploymentOf(ctx, pod.Namespace, theirs)
	return a == b, err
}

// deploymentOf returns the UID of the controller of a ReplicaSet: of its Deployment, as a rule. It is empty when there is none.
func (p *podAdmission) deploymentOf(ctx context.Context, namespace string, controller *metav1.OwnerReference) (types.UID, error) {
	if controller.Kind != "ReplicaSet" {
		return "", nil
	}
	set, err := p.client.AppsV1().ReplicaSets(namespace).Get(ctx, controller.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if owner := metav1.GetControllerOf(set); owner != nil && set.UID == controller.UID {
		return owner.UID, nil
	}
	return "", nil
}
