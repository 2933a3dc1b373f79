package natgateway

import (
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/address"
)

// unserved makes the condition Ready say that nothing does what the object asks for. It has been so since its creation: functions
// of kinds have no clock.
func unserved(conditions *[]metav1.Condition, obj metav1.Object) {
	meta.SetStatusCondition(conditions, metav1.Condition{
		Type: "Ready", Status: metav1.ConditionFalse, Reason: "NoGatewayPod", Message: "no gateway pod serves this object",
		ObservedGeneration: obj.GetGeneration(), LastTransitionTime: obj.GetCreationTimestamp(),
	})
}

// label sets a label, or removes it when there is no value.
func label(o metav1.Object, key, value string) {
	if value == "" {
		labels := o.GetLabels()
		delete(labels, key)
		return
	}
	address.SetLabel(o, key, value)
}
