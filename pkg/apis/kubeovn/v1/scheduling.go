package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The types of this file have the JSON form of the core types of the same names, so that what a pod template may say can
// be copied to a gateway and back. They are our own because the core package would bring the OpenAPI models of all of its
// kinds into this group.

// Toleration lets a pod run on nodes with a taint; as in a pod's spec.
type Toleration struct {
	// key is the taint's key. Empty, with operator Exists: all keys.
	// +optional
	Key string `json:"key,omitempty"`
	// operator is Exists (any value) or Equal. Default: Equal. Anything else is refused.
	// +optional
	Operator string `json:"operator,omitempty"`
	// value is the taint's value. Refused with operator Exists.
	// +optional
	Value string `json:"value,omitempty"`
	// effect is NoSchedule, PreferNoSchedule or NoExecute. Default: empty, all effects. Anything else is refused.
	// +optional
	Effect string `json:"effect,omitempty"`
	// tolerationSeconds is how long, in seconds, a taint of effect NoExecute is tolerated. Default: for ever. Refused with
	// other effects.
	// +optional
	TolerationSeconds *int64 `json:"tolerationSeconds,omitempty"`
}

// Affinity constrains the nodes that may run a pod; as in a pod's spec.
type Affinity struct {
	// nodeAffinity constrains nodes by their labels.
	// +optional
	NodeAffinity *NodeAffinity `json:"nodeAffinity,omitempty"`
	// podAffinity asks for the neighbourhood of other pods.
	// +optional
	PodAffinity *PodAffinity `json:"podAffinity,omitempty"`
	// podAntiAffinity asks for distance from other pods.
	// +optional
	PodAntiAffinity *PodAffinity `json:"podAntiAffinity,omitempty"`
}

// NodeAffinity constrains nodes by their labels.
type NodeAffinity struct {
	// requiredDuringSchedulingIgnoredDuringExecution must hold when the pod is scheduled.
	// +optional
	Required *NodeSelector `json:"requiredDuringSchedulingIgnoredDuringExecution,omitempty"`
	// preferredDuringSchedulingIgnoredDuringExecution are wishes; the nodes with the greatest sum of weights are preferred.
	// +optional
	// +listType=atomic
	Preferred []PreferredSchedulingTerm `json:"preferredDuringSchedulingIgnoredDuringExecution,omitempty"`
}

// NodeSelector selects nodes.
type NodeSelector struct {
	// nodeSelectorTerms are alternatives: one must match. At least one is required.
	// +listType=atomic
	NodeSelectorTerms []NodeSelectorTerm `json:"nodeSelectorTerms"`
}

// NodeSelectorTerm is one alternative of a NodeSelector: all requirements must hold.
type NodeSelectorTerm struct {
	// matchExpressions are requirements on labels.
	// +optional
	// +listType=atomic
	MatchExpressions []NodeSelectorRequirement `json:"matchExpressions,omitempty"`
	// matchFields are requirements on fields of the node; only metadata.name.
	// +optional
	// +listType=atomic
	MatchFields []NodeSelectorRequirement `json:"matchFields,omitempty"`
}

// NodeSelectorRequirement is a requirement on a label or field.
type NodeSelectorRequirement struct {
	// key is the label or field. Required.
	Key string `json:"key"`
	// operator is In, NotIn, Exists, DoesNotExist, Gt or Lt. Required; anything else is refused.
	Operator string `json:"operator"`
	// values are compared with the label's: at least one for In and NotIn, none for Exists and DoesNotExist, one integer for
	// Gt and Lt.
	// +optional
	// +listType=atomic
	Values []string `json:"values,omitempty"`
}

// PreferredSchedulingTerm is a weighted wish.
type PreferredSchedulingTerm struct {
	// weight is 1 to 100. Required; anything else is refused.
	Weight int32 `json:"weight"`
	// preference is what is wished. Required.
	Preference NodeSelectorTerm `json:"preference"`
}

// PodAffinity relates to other pods.
type PodAffinity struct {
	// requiredDuringSchedulingIgnoredDuringExecution must all hold when the pod is scheduled.
	// +optional
	// +listType=atomic
	Required []PodAffinityTerm `json:"requiredDuringSchedulingIgnoredDuringExecution,omitempty"`
	// preferredDuringSchedulingIgnoredDuringExecution are wishes; the nodes with the greatest sum of weights are preferred.
	// +optional
	// +listType=atomic
	Preferred []WeightedPodAffinityTerm `json:"preferredDuringSchedulingIgnoredDuringExecution,omitempty"`
}

// PodAffinityTerm selects pods, and says what counts as the same place.
type PodAffinityTerm struct {
	// labelSelector selects the pods. Default: none.
	// +optional
	LabelSelector *metav1.LabelSelector `json:"labelSelector,omitempty"`
	// namespaces are the namespaces of the pods. Default: the gateway's own, unless namespaceSelector is given.
	// +optional
	// +listType=atomic
	Namespaces []string `json:"namespaces,omitempty"`
	// namespaceSelector selects further namespaces of the pods. Default: none.
	// +optional
	NamespaceSelector *metav1.LabelSelector `json:"namespaceSelector,omitempty"`
	// topologyKey is the label of nodes whose equal value means the same place. Required.
	TopologyKey string `json:"topologyKey"`
}

// WeightedPodAffinityTerm is a weighted wish.
type WeightedPodAffinityTerm struct {
	// weight is 1 to 100. Required; anything else is refused.
	Weight int32 `json:"weight"`
	// podAffinityTerm is what is wished. Required.
	PodAffinityTerm PodAffinityTerm `json:"podAffinityTerm"`
}
