package controller

import (
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
)

// Indexes of pods and of IPs.
const (
	byUID   = "uid"   // pods by UID, IPs by the UID of their pod
	byOwner = "owner" // IPs whose address is kept for an owner, by it: see ownerKey
	byVip   = "vip"   // pods by the Vips that their annotation names ("namespace/vip"), IPs by those that they carry
)

// slim drops what no loop reads, so that a cache of many pods stays small. Namespaces and nodes keep their managed fields:
// they say who wrote an annotation.
func slim(obj any) (any, error) {
	switch o := obj.(type) {
	case *corev1.Pod:
		meta := metav1.ObjectMeta{
			Name: o.Name, Namespace: o.Namespace, UID: o.UID, ResourceVersion: o.ResourceVersion,
			Labels: o.Labels, DeletionTimestamp: o.DeletionTimestamp,
		}
		if aaps := o.Annotations[v1.AnnotationAAPs]; aaps != "" {
			meta.Annotations = map[string]string{v1.AnnotationAAPs: aaps}
		}
		status := corev1.PodStatus{Phase: o.Status.Phase, PodIP: o.Status.PodIP, PodIPs: o.Status.PodIPs}
		for _, c := range o.Status.Conditions {
			if c.Type == corev1.PodReady {
				status.Conditions = []corev1.PodCondition{{Type: c.Type, Status: c.Status}}
			}
		}
		return &corev1.Pod{ObjectMeta: meta, Spec: corev1.PodSpec{NodeName: o.Spec.NodeName}, Status: status}, nil
	case *appsv1.StatefulSet:
		return &appsv1.StatefulSet{
			ObjectMeta: metav1.ObjectMeta{Name: o.Name, Namespace: o.Namespace, UID: o.UID, ResourceVersion: o.ResourceVersion, DeletionTimestamp: o.DeletionTimestamp},
			Spec:       appsv1.StatefulSetSpec{Replicas: o.Spec.Replicas, Ordinals: o.Spec.Ordinals},
		}, nil
	case *corev1.Node:
		return slimNode(o), nil
	case *corev1.Namespace:
		return obj, nil
	}
	if o, ok := obj.(metav1.Object); ok {
		o.SetManagedFields(nil)
	}
	return obj, nil
}

// finished reports whether all containers of a pod have ended for good.
func finished(p *corev1.Pod) bool {
	return p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
}

// ready reports whether a pod serves.
func ready(p *corev1.Pod) bool {
	return slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// carried are the names of the Vips that a pod asks to carry besides its own address.
func carried(p *corev1.Pod) []string { return splitList(p.Annotations[v1.AnnotationAAPs]) }

// splitList splits at commas, without blanks and empty parts.
func splitList(text string) []string {
	var out []string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

// matches reports whether labels have all of a selector's entries, each "key: value". An empty selector matches nothing.
func matches(selector []string, labels map[string]string) bool {
	for _, entry := range selector {
		key, value, _ := strings.Cut(entry, ":")
		if got, ok := labels[strings.TrimSpace(key)]; !ok || got != strings.TrimSpace(value) {
			return false
		}
	}
	return len(selector) > 0
}

// ordinalOf splits the name of a StatefulSet's pod, "<set>-<ordinal>".
func ordinalOf(pod string) (set string, ordinal int32, ok bool) {
	dash := strings.LastIndexByte(pod, '-')
	if dash <= 0 {
		return "", 0, false
	}
	n, err := strconv.ParseInt(pod[dash+1:], 10, 32)
	if err != nil || n < 0 {
		return "", 0, false
	}
	return pod[:dash], int32(n), true
}

// hasOrdinal reports whether a StatefulSet wants a pod of an ordinal.
func hasOrdinal(set *appsv1.StatefulSet, ordinal int32) bool {
	start, replicas := int32(0), int32(1)
	if set.Spec.Ordinals != nil {
		start = set.Spec.Ordinals.Start
	}
	if set.Spec.Replicas != nil {
		replicas = *set.Spec.Replicas
	}
	return ordinal >= start && ordinal-start < replicas
}

// slimNode keeps of a node its labels, the annotations of this API, and what it says of its network.
func slimNode(o *corev1.Node) *corev1.Node {
	out := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: o.Name, UID: o.UID, ResourceVersion: o.ResourceVersion, Labels: o.Labels, ManagedFields: o.ManagedFields}}
	for key, value := range o.Annotations {
		if strings.HasPrefix(key, v1.AnnotationPrefix) {
			metav1.SetMetaDataAnnotation(&out.ObjectMeta, key, value)
		}
	}
	for _, c := range o.Status.Conditions {
		if c.Type == corev1.NodeNetworkUnavailable {
			out.Status.Conditions = []corev1.NodeCondition{c}
		}
	}
	return out
}
