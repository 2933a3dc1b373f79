package kubeovn

import (
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// SetTrue makes a condition of an object true. Functions of kinds have no clock: a condition that was not true before is
// dated with the creation of the object, in whose transaction such conditions become true. The message is a sentence for humans; it
// must not be empty.
func SetTrue(conditions *[]metav1.Condition, obj metav1.Object, condition, reason, message string) {
	set(conditions, obj, metav1.Condition{Type: condition, Status: metav1.ConditionTrue, Reason: reason, Message: message})
}

// SetFalse makes a condition of an object false. It is dated as SetTrue dates one.
func SetFalse(conditions *[]metav1.Condition, obj metav1.Object, condition, reason, message string) {
	set(conditions, obj, metav1.Condition{Type: condition, Status: metav1.ConditionFalse, Reason: reason, Message: message})
}

func set(conditions *[]metav1.Condition, obj metav1.Object, c metav1.Condition) {
	c.ObservedGeneration, c.LastTransitionTime = obj.GetGeneration(), obj.GetCreationTimestamp()
	if before := meta.FindStatusCondition(*conditions, c.Type); before != nil && before.Status == c.Status {
		c.LastTransitionTime = before.LastTransitionTime
	}
	meta.SetStatusCondition(conditions, c)
}
