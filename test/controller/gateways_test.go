//go:build aggregated

package controller

import (
	"context"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
)

func TestChangesOfASubnetsGatewayAreEvents(t *testing.T) {
	subnets := cluster.northbound.KubeovnV1().Subnets()
	subnet := &v1.Subnet{ObjectMeta: metav1.ObjectMeta{Name: "moves"}, Spec: v1.SubnetSpec{CIDRBlock: "10.211.0.0/24"}}
	if _, err := subnets.Create(t.Context(), subnet, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = subnets.Delete(context.WithoutCancel(t.Context()), "moves", metav1.DeleteOptions{}) })
	for _, step := range []struct{ patch, reason, note string }{
		{`{"spec":{"gatewayType":"centralized","gatewayNode":"one"}}`, "SubnetGatewayTypeChanged", `subnet gateway type changes from "distributed" to "centralized"`},
		{`{"spec":{"gatewayNode":"two"}}`, "SubnetGatewayNodeChanged", `gateway node changes from "one" to "two"`},
		{`{"spec":{"gatewayType":"distributed","gatewayNode":""}}`, "SubnetGatewayTypeChanged", `subnet gateway type changes from "centralized" to "distributed"`},
	} {
		if _, err := subnets.Patch(t.Context(), "moves", types.MergePatchType, []byte(step.patch), metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
		eventually(t, eventOn("default", "moves", step.reason, step.note))
	}
}
