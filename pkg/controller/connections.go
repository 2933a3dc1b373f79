package controller

import (
	"context"
	"maps"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	listers "github.com/northbound-ovn/northbound/pkg/generated/listers/kubeovn/v1"
)

// connectionsManager owns the labels of nodes that tell of ProviderNetworks.
const connectionsManager = Manager + "/provider-networks"

// connections tells by labels of nodes how they are connected with ProviderNetworks, so that pods can be scheduled where a network is,
// in the words of Kube-OVN: "<network>.provider-network.kubernetes.io/ready", ".../interface", ".../mtu" and ".../exclude".
type connections struct {
	kubernetes kubernetes.Interface
	nodes      corelisters.NodeLister
	networks   listers.ProviderNetworkLister
}

func connectionsLoop(c *Controller) (*loop, error) {
	nodes, networks := c.core.Core().V1().Nodes(), c.northbound.Kubeovn().V1().ProviderNetworks()
	n := &connections{kubernetes: c.clients.Kubernetes, nodes: nodes.Lister(), networks: networks.Lister()}
	l := newLoop("connections", n.sync)
	return l, firstError(
		watch(nodes.Informer(), func(old, node *corev1.Node) {
			if node != nil && (old == nil || !maps.Equal(old.Labels, node.Labels)) {
				l.add(node.Name)
			}
		}),
		watch(networks.Informer(), func(_, _ *v1.ProviderNetwork) {
			all, _ := n.nodes.List(labels.Everything()) // A lister reads memory, and does not fail.
			for _, node := range all {
				l.add(node.Name)
			}
		}))
}

func (n *connections) sync(ctx context.Context, name string) error {
	node, err := n.nodes.Get(name)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	networks, err := n.networks.List(labels.Everything())
	if err != nil {
		return err
	}
	wanted := connectionsOf(networks, name)
	applied, err := applycorev1.ExtractNode(node, connectionsManager)
	if err != nil || maps.Equal(applied.Labels, wanted) {
		return err
	}
	_, err = n.kubernetes.CoreV1().Nodes().Apply(ctx, applycorev1.Node(name).WithUID(node.UID).WithLabels(wanted),
		metav1.ApplyOptions{FieldManager: connectionsManager, Force: true})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// connectionsOf are the labels of a node that tell of networks. Of a network about which the node's agent has not said anything there
// are none.
func connectionsOf(networks []*v1.ProviderNetwork, node string) map[string]string {
	out := map[string]string{}
	for _, pn := range networks {
		if pn.DeletionTimestamp != nil {
			continue
		}
		label := func(name, value string) { out[v1.ProviderNetworkLabel(pn.Name, name)] = value }
		if slices.Contains(pn.Spec.ExcludeNodes, node) {
			label(v1.ProviderNetworkExclude, isTrue)
			continue
		}
		said := connectionOf(pn, node)
		if said == nil {
			continue
		}
		label(v1.ProviderNetworkReady, strconv.FormatBool(said.Status == metav1.ConditionTrue))
		if said.MTU > 0 {
			label(v1.ProviderNetworkMTU, strconv.Itoa(int(said.MTU)))
		}
		nic := pn.Spec.DefaultInterface
		for _, c := range pn.Spec.CustomInterfaces {
			if slices.Contains(c.Nodes, node) {
				nic = c.Interface
			}
		}
		if len(validation.IsValidLabelValue(nic)) == 0 { // Interfaces may have more characters in their names.
			label(v1.ProviderNetworkInterface, nic)
		}
	}
	return out
}

// connectionOf is the condition by which a node's agent says whether the node is connected: an agent is ready only when the labels say
// so. It is nil when the agent has not said anything.
func connectionOf(pn *v1.ProviderNetwork, node string) *v1.ProviderNetworkCondition {
	for _, kind := range [...]string{"Connected", "Ready"} {
		if c := pn.Status.Condition(node, kind); c != nil {
			return c
		}
	}
	return nil
}
