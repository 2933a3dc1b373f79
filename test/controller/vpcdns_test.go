//go:build aggregated

package controller

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
)

func TestTheActiveVpcDnsOfAVpcHasAServer(t *testing.T) {
	kinds, configMaps := cluster.northbound.KubeovnV1(), cluster.kubernetes.CoreV1().ConfigMaps("kube-system")
	vpc, subnet := newVpc(t, "10.0.10.0/24")
	newSubnet(t, "dns-outside", v1.SubnetSpec{CIDRBlock: "10.17.0.0/16", Provider: "ovn-nad.default.ovn"})
	server := func(name string) {
		t.Helper()
		must(kinds.VpcDnses().Create(t.Context(), &v1.VpcDns{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.VpcDnsSpec{Vpc: vpc, Subnet: subnet}}, metav1.CreateOptions{}))(t)
		t.Cleanup(func() { _ = kinds.VpcDnses().Delete(context.Background(), name, metav1.DeleteOptions{}) })
	}
	server("test-cjh1")
	server("test-cjh2")
	must(configMaps.Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "vpc-dns-config"}, Data: map[string]string{
		"coredns-vip": "10.96.0.3", "enable-vpc-dns": "true", "nad-name": "ovn-nad", "nad-provider": "ovn-nad.default.ovn", "coredns-image": "coredns:test",
	}}, metav1.CreateOptions{}))(t)
	t.Cleanup(func() { _ = configMaps.Delete(context.Background(), "vpc-dns-config", metav1.DeleteOptions{}) })

	exists := func(name string, want bool) {
		t.Helper()
		eventually(t, func(ctx context.Context) error {
			_, err1 := cluster.kubernetes.AppsV1().Deployments("kube-system").Get(ctx, name, metav1.GetOptions{})
			_, err2 := kinds.SwitchLBRules().Get(ctx, name, metav1.GetOptions{})
			if want && err1 == nil && err2 == nil || !want && apierrors.IsNotFound(err1) && apierrors.IsNotFound(err2) {
				return nil
			}
			return fmt.Errorf("%s: there: %v, want Deployment and rule there: %v (%v, %v)", name, !want, want, err1, err2)
		})
	}
	exists("vpc-dns-test-cjh1", true)
	exists("vpc-dns-test-cjh2", false)
	rule := must(kinds.SwitchLBRules().Get(t.Context(), "vpc-dns-test-cjh1", metav1.GetOptions{}))(t)
	if rule.Spec.Vip != "10.96.0.3" || rule.Status.Ports != "53/UDP,53/TCP,9153/TCP" || rule.Status.Service != "kube-system/slr-vpc-dns-test-cjh1" || rule.Annotations[v1.AnnotationVpc] != vpc {
		t.Errorf("got rule %+v %+v", rule.Spec, rule.Status)
	}
	deployment := must(cluster.kubernetes.AppsV1().Deployments("kube-system").Get(t.Context(), "vpc-dns-test-cjh1", metav1.GetOptions{}))(t)
	want := map[string]string{
		"ovn.kubernetes.io/logical_switch":                 subnet,
		"k8s.v1.cni.cncf.io/networks":                      "default/ovn-nad",
		"ovn-nad.default.ovn.kubernetes.io/logical_switch": "dns-outside",
		"ovn-nad.default.ovn.kubernetes.io/routes":         `[{"dst":"10.96.0.1/32","gw":"10.17.0.1"}]`,
	}
	if diff := cmp.Diff(want, deployment.Spec.Template.Annotations); diff != "" {
		t.Errorf("annotations of the pods (-want +got):\n%s", diff)
	}
	// What somebody deletes comes back; what the ConfigMap says is followed.
	if err := cluster.kubernetes.AppsV1().Deployments("kube-system").Delete(t.Context(), deployment.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(ctx context.Context) error {
		again, err := cluster.kubernetes.AppsV1().Deployments("kube-system").Get(ctx, deployment.Name, metav1.GetOptions{})
		if err == nil && again.UID == deployment.UID {
			return fmt.Errorf("the former Deployment is there")
		}
		return err
	})
	if err := kinds.VpcDnses().Delete(t.Context(), "test-cjh1", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	exists("vpc-dns-test-cjh2", true)
	exists("vpc-dns-test-cjh1", false)
	must(configMaps.Patch(t.Context(), "vpc-dns-config", types.MergePatchType, []byte(`{"data":{"enable-vpc-dns":"false"}}`), metav1.PatchOptions{}))(t)
	exists("vpc-dns-test-cjh2", false)
}
