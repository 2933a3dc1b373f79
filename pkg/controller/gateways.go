package controller

import (
	corev1 "k8s.io/api/core/v1"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
)

// reportGateways makes an event of each change of where a Subnet's traffic leaves, with the reasons of Kube-OVN. What changes while no
// controller runs is not reported.
func (c *Controller) reportGateways() error {
	return watch(c.northbound.Kubeovn().V1().Subnets().Informer(), func(old, s *v1.Subnet) {
		if old == nil || s == nil || old.UID != s.UID {
			return
		}
		if before, now := old.Spec.GatewayType, s.Spec.GatewayType; before != now {
			c.recorder.Eventf(s, nil, corev1.EventTypeNormal, "SubnetGatewayTypeChanged", "Route", "subnet gateway type changes from %q to %q", before, now)
		}
		if before, now := old.Spec.GatewayNode, s.Spec.GatewayNode; before != now {
			c.recorder.Eventf(s, nil, corev1.EventTypeNormal, "SubnetGatewayNodeChanged", "Route", "gateway node changes from %q to %q", before, now)
		}
	})
}
