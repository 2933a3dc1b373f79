//go:build aggregated

package controller

import (
	"context"
	"fmt"
	"maps"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
)

// annotated waits for the annotations of a namespace.
func annotated(t *testing.T, ns, logicalSwitch, cidr, excluded string) {
	t.Helper()
	eventually(t, func(ctx context.Context) error {
		got, err := cluster.kubernetes.CoreV1().Namespaces().Get(ctx, ns, metav1.GetOptions{})
		if err != nil {
			return err
		}
		a := got.Annotations
		if a[v1.AnnotationLogicalSwitch] != logicalSwitch || a[v1.AnnotationCIDR] != cidr || a[v1.AnnotationExcludeIPs] != excluded {
			return fmt.Errorf("namespace %s has %q", ns, a)
		}
		return nil
	})
}

func patchNamespace(t *testing.T, ns, patch string) {
	t.Helper()
	must(cluster.kubernetes.CoreV1().Namespaces().Patch(t.Context(), ns, types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: "somebody"}))(t)
}

func TestANamespaceSaysWhichSubnetsItsPodsHave(t *testing.T) {
	ns := newNamespace(t)
	annotated(t, ns, "ovn-default", "10.16.0.0/16", "10.16.0.1")
	vpc, subnet := newVpc(t, "10.0.6.0/24", ns)
	annotated(t, ns, subnet, "10.0.6.0/24", "10.0.6.1")
	newSubnet(t, "z-"+ns, v1.SubnetSpec{Vpc: vpc, CIDRBlock: "10.0.7.0/24", ExcludeIps: []string{"10.0.7.5..10.0.7.9"}, Namespaces: []string{ns}})
	annotated(t, ns, subnet+",z-"+ns, "10.0.6.0/24;10.0.7.0/24", "10.0.6.1;10.0.7.5..10.0.7.9,10.0.7.1")

	// What a user writes stands, and the rest follows it; when it goes, all is as before.
	patchNamespace(t, ns, `{"metadata":{"annotations":{"ovn.kubernetes.io/logical_switch":"z-`+ns+`"}}}`)
	annotated(t, ns, "z-"+ns, "10.0.7.0/24", "10.0.7.5..10.0.7.9,10.0.7.1")
	patchNamespace(t, ns, `{"metadata":{"annotations":{"ovn.kubernetes.io/logical_switch":null}}}`)
	annotated(t, ns, subnet+",z-"+ns, "10.0.6.0/24;10.0.7.0/24", "10.0.6.1;10.0.7.5..10.0.7.9,10.0.7.1")
	for _, name := range []string{subnet, "z-" + ns} {
		if err := cluster.northbound.KubeovnV1().Subnets().Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	annotated(t, ns, "ovn-default", "10.16.0.0/16", "10.16.0.1")
}

func TestANamespaceOfAVpcWithADefaultSubnetHasThat(t *testing.T) {
	ns := newNamespace(t)
	vpc, subnet := newVpc(t, "10.0.8.0/24")
	patch := func(text string) {
		t.Helper()
		must(cluster.northbound.KubeovnV1().Vpcs().Patch(t.Context(), vpc, types.MergePatchType, []byte(text), metav1.PatchOptions{}))(t)
	}
	patch(`{"spec":{"namespaces":["` + ns + `"],"defaultSubnet":"` + subnet + `"}}`)
	annotated(t, ns, subnet, "10.0.8.0/24", "10.0.8.1")
	patch(`{"spec":{"namespaces":null,"defaultSubnet":""}}`)
	annotated(t, ns, "ovn-default", "10.16.0.0/16", "10.16.0.1")
}

// newNode makes a node and what its agent would make; nobody keeps the node alive, which is of no matter here.
func newNode(t *testing.T, name string) {
	t.Helper()
	must(cluster.kubernetes.CoreV1().Nodes().Create(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{}))(t)
	t.Cleanup(func() {
		_ = cluster.kubernetes.CoreV1().Nodes().Delete(context.Background(), name, metav1.DeleteOptions{})
	})
	chassis := &v1.Chassis{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.ChassisSpec{ChassisID: "id-" + name, EncapIPs: []string{fmt.Sprintf("192.0.2.%d", names.Add(1))}}}
	chassis = must(cluster.northbound.KubeovnV1().Chassis().Create(t.Context(), chassis, metav1.CreateOptions{}))(t)
	chassis.Status.HeartbeatTime = metav1.NowMicro()
	must(cluster.northbound.KubeovnV1().Chassis().UpdateStatus(t.Context(), chassis, metav1.UpdateOptions{}))(t)
	must(cluster.northbound.KubeovnV1().IPs().Create(t.Context(), &v1.IP{
		ObjectMeta: metav1.ObjectMeta{Name: "node-" + name}, Spec: v1.IPSpec{Subnet: v1.JoinSubnet, NodeName: name},
	}, metav1.CreateOptions{}))(t)
}

func TestTheConfigMapConnectsTheDefaultVpcWithTheOutside(t *testing.T) {
	newNode(t, "gw1")
	newNode(t, "gw2")
	configMaps := cluster.kubernetes.CoreV1().ConfigMaps("kube-system")
	must(configMaps.Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "ovn-external-gw-config"}, Data: map[string]string{
		"enable-external-gw": "true", "type": "centralized", "external-gw-nodes": "gw1",
		"external-gw-nic": "eth1", "external-gw-addr": "10.5.204.254/24", "nic-ip": "10.5.204.105/24", "nic-mac": "00:00:00:EF:05:C7",
	}}, metav1.CreateOptions{}))(t)
	t.Cleanup(func() { _ = configMaps.Delete(context.Background(), "ovn-external-gw-config", metav1.DeleteOptions{}) })

	vpcIs := func(want bool) {
		t.Helper()
		eventually(t, func(ctx context.Context) error {
			vpc, err := cluster.northbound.KubeovnV1().Vpcs().Get(ctx, v1.DefaultVpc, metav1.GetOptions{})
			if err != nil || vpc.Spec.EnableExternal != want {
				return fmt.Errorf("enableExternal is %v, want %v (%v)", !want, want, err)
			}
			return nil
		})
	}
	gatewaysAre := func(first, second bool) {
		t.Helper()
		eventually(t, func(ctx context.Context) error {
			for name, want := range map[string]bool{"gw1": first, "gw2": second} {
				chassis, err := cluster.northbound.KubeovnV1().Chassis().Get(ctx, name, metav1.GetOptions{})
				if err != nil || chassis.Spec.ExternalGateway != want {
					return fmt.Errorf("Chassis %s: externalGateway is not %v (%v)", name, want, err)
				}
			}
			return nil
		})
	}
	vpcIs(true)
	gatewaysAre(true, false)
	subnet := must(cluster.northbound.KubeovnV1().Subnets().Get(t.Context(), "external", metav1.GetOptions{}))(t)
	if subnet.Spec.CIDRBlock != "10.5.204.0/24" || subnet.Spec.Gateway != "10.5.204.254" || subnet.Spec.Vlan != "external-vlan0" {
		t.Errorf("got Subnet %+v", subnet.Spec)
	}
	network := must(cluster.northbound.KubeovnV1().ProviderNetworks().Get(t.Context(), "external", metav1.GetOptions{}))(t)
	if network.Spec.DefaultInterface != "eth1" || network.Spec.NodeSelector == nil {
		t.Errorf("got ProviderNetwork %+v", network.Spec)
	}
	eip := must(cluster.northbound.KubeovnV1().OvnEips().Get(t.Context(), "ovn-cluster-external", metav1.GetOptions{}))(t)
	if eip.Status.V4IP != "10.5.204.105" || eip.Status.MacAddress != "00:00:00:EF:05:C7" || eip.Spec.Type != v1.OvnEipLrp {
		t.Errorf("got OvnEip %+v", eip.Status)
	}

	must(configMaps.Patch(t.Context(), "ovn-external-gw-config", types.MergePatchType, []byte(`{"data":{"external-gw-nodes":"gw2"}}`), metav1.PatchOptions{}))(t)
	gatewaysAre(false, true)
	must(configMaps.Patch(t.Context(), "ovn-external-gw-config", types.MergePatchType, []byte(`{"data":{"type":"distributed"}}`), metav1.PatchOptions{}))(t)
	gatewaysAre(true, true)

	if err := configMaps.Delete(t.Context(), "ovn-external-gw-config", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	vpcIs(false)
	gatewaysAre(false, false)
	eventually(t, func(ctx context.Context) error {
		kinds := cluster.northbound.KubeovnV1()
		_, err1 := kinds.Subnets().Get(ctx, "external", metav1.GetOptions{})
		_, err2 := kinds.Vlans().Get(ctx, "external-vlan0", metav1.GetOptions{})
		_, err3 := kinds.ProviderNetworks().Get(ctx, "external", metav1.GetOptions{})
		_, err4 := kinds.OvnEips().Get(ctx, "ovn-cluster-external", metav1.GetOptions{})
		for _, err := range []error{err1, err2, err3, err4} {
			if !apierrors.IsNotFound(err) {
				return fmt.Errorf("not all that was made is gone: %v %v %v %v", err1, err2, err3, err4)
			}
		}
		return nil
	})

	// What agents made goes with their nodes.
	for _, name := range []string{"gw1", "gw2"} {
		if err := cluster.kubernetes.CoreV1().Nodes().Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		eventually(t, released("node-"+name))
		eventually(t, func(ctx context.Context) error {
			_, err := cluster.northbound.KubeovnV1().Chassis().Get(ctx, name, metav1.GetOptions{})
			if apierrors.IsNotFound(err) {
				return nil
			}
			return fmt.Errorf("Chassis %s is there (%v)", name, err)
		})
	}
}

func TestAChassisHasTheLabelsOfItsNode(t *testing.T) {
	newNode(t, "labelled")
	nodes, chassis := cluster.kubernetes.CoreV1().Nodes(), cluster.northbound.KubeovnV1().Chassis()
	newSubnet(t, "by-labels", v1.SubnetSpec{CIDRBlock: "10.150.0.0/24", GatewayType: v1.GatewayCentralized,
		GatewayNodeSelectors: []metav1.LabelSelector{{MatchLabels: map[string]string{"rack": "r1"}}}})
	label := func(labels string) {
		t.Helper()
		must(nodes.Patch(t.Context(), "labelled", types.MergePatchType, []byte(`{"metadata":{"labels":`+labels+`}}`), metav1.PatchOptions{}))(t)
	}
	labelByHand := func(labels string) {
		t.Helper()
		must(chassis.Patch(t.Context(), "labelled", types.MergePatchType, []byte(`{"metadata":{"labels":`+labels+`}}`), metav1.PatchOptions{FieldManager: "somebody"}))(t)
	}
	want := func(labels map[string]string, gateway string) {
		t.Helper()
		eventually(t, func(ctx context.Context) error {
			c, err := chassis.Get(ctx, "labelled", metav1.GetOptions{})
			if err != nil {
				return err
			}
			subnet, err := cluster.northbound.KubeovnV1().Subnets().Get(ctx, "by-labels", metav1.GetOptions{})
			if err != nil {
				return err
			}
			if !maps.Equal(c.Labels, labels) || subnet.Status.ActivateGateway != gateway {
				return fmt.Errorf("the Chassis has %v, want %v; the gateway is %q, want %q", c.Labels, labels, subnet.Status.ActivateGateway, gateway)
			}
			return nil
		})
	}
	label(`{"rack":"r1","zone":"a"}`)
	want(map[string]string{"rack": "r1", "zone": "a"}, "labelled")

	// What somebody set stands, until they take it away.
	labelByHand(`{"mine":"yes","zone":"b"}`)
	want(map[string]string{"rack": "r1", "zone": "b", "mine": "yes"}, "labelled")
	label(`{"zone":"c","rack":"r2"}`)
	want(map[string]string{"rack": "r2", "zone": "b", "mine": "yes"}, "")
	labelByHand(`{"zone":null}`)
	want(map[string]string{"rack": "r2", "zone": "c", "mine": "yes"}, "")
	label(`{"rack":null,"zone":null,"mine":"no"}`)
	want(map[string]string{"mine": "yes"}, "")
	label(`{"mine":null}`)
	label(`{"rack":"r1"}`)
	want(map[string]string{"rack": "r1", "mine": "yes"}, "labelled")
}

func TestANodeTellsHowItIsConnectedWithProviderNetworks(t *testing.T) {
	newNode(t, "wired")
	nodes, networks := cluster.kubernetes.CoreV1().Nodes(), cluster.northbound.KubeovnV1().ProviderNetworks()
	network := must(networks.Create(t.Context(), &v1.ProviderNetwork{ObjectMeta: metav1.ObjectMeta{Name: "office"}, Spec: v1.ProviderNetworkSpec{
		DefaultInterface: "eth1", CustomInterfaces: []v1.CustomInterface{{Interface: "eth2", Nodes: []string{"wired"}}},
	}}, metav1.CreateOptions{}))(t)
	t.Cleanup(func() { _ = networks.Delete(context.Background(), "office", metav1.DeleteOptions{}) })
	must(nodes.Patch(t.Context(), "wired", types.MergePatchType, []byte(`{"metadata":{"labels":{"mine":"yes"}}}`), metav1.PatchOptions{}))(t)
	want := func(labels map[string]string) {
		t.Helper()
		eventually(t, func(ctx context.Context) error {
			node, err := nodes.Get(ctx, "wired", metav1.GetOptions{})
			if err == nil && !maps.Equal(node.Labels, labels) {
				err = fmt.Errorf("the node has %v, want %v", node.Labels, labels)
			}
			return err
		})
	}
	report := func(status metav1.ConditionStatus) {
		t.Helper()
		network.Status.Conditions = []v1.ProviderNetworkCondition{
			{Node: "wired", Type: "Connected", Status: status, MTU: 9000}, {Node: "wired", Type: "Ready", Status: metav1.ConditionFalse}, {Node: "other", Type: "Ready", Status: metav1.ConditionTrue},
		}
		network = must(networks.UpdateStatus(t.Context(), network, metav1.UpdateOptions{}))(t)
	}
	const prefix = "office.provider-network.kubernetes.io/"
	want(map[string]string{"mine": "yes"})
	report(metav1.ConditionTrue)
	want(map[string]string{"mine": "yes", prefix + "ready": "true", prefix + "interface": "eth2", prefix + "mtu": "9000"})
	report(metav1.ConditionFalse)
	want(map[string]string{"mine": "yes", prefix + "ready": "false", prefix + "interface": "eth2", prefix + "mtu": "9000"})
	network.Spec.CustomInterfaces, network.Spec.ExcludeNodes = nil, []string{"wired"}
	network = must(networks.Update(t.Context(), network, metav1.UpdateOptions{}))(t)
	want(map[string]string{"mine": "yes", prefix + "exclude": "true"})
	if err := networks.Delete(t.Context(), "office", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	want(map[string]string{"mine": "yes"})
}
