package controller

import (
	"context"
	"maps"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	listers "github.com/northbound-ovn/northbound/pkg/generated/listers/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
)

// stateManager owns the annotations of nodes that tell of their ports, and their condition NetworkUnavailable.
const stateManager = Manager + "/node-state"

// nodeState tells on nodes what is known of them in the API of networks: by the annotations that Kube-OVN's tools read, the node's port and
// Chassis; by the condition NetworkUnavailable, which keeps pods from being scheduled there, whether the Chassis is ready.
type nodeState struct {
	kubernetes kubernetes.Interface
	subnet     string // of the nodes' ports

	nodes   corelisters.NodeLister
	chassis listers.ChassisLister
	ips     listers.IPLister
	subnets listers.SubnetLister
}

func nodeStateLoop(c *Controller) (*loop, error) {
	nodes, kinds := c.core.Core().V1().Nodes(), c.northbound.Kubeovn().V1()
	n := &nodeState{
		kubernetes: c.clients.Kubernetes, subnet: c.settings.NodeSubnet,
		nodes: nodes.Lister(), chassis: kinds.Chassis().Lister(), ips: kinds.IPs().Lister(), subnets: kinds.Subnets().Lister(),
	}
	l := newLoop("node-state", n.sync)
	return l, firstError(
		watch(nodes.Informer(), func(old, node *corev1.Node) {
			if node != nil && (old == nil || !maps.Equal(old.Annotations, node.Annotations) || unavailable(old) != unavailable(node)) {
				l.add(node.Name)
			}
		}),
		watch(kinds.Chassis().Informer(), func(old, chassis *v1.Chassis) {
			switch {
			case chassis == nil:
				l.add(old.Name)
			case old == nil || old.Spec.ChassisID != chassis.Spec.ChassisID || availability(old) != availability(chassis):
				l.add(chassis.Name)
			}
		}),
		watch(kinds.IPs().Informer(), func(old, ip *v1.IP) {
			of := ip
			if ip == nil {
				of = old
			}
			if of.Spec.PodName == "" && of.Spec.NodeName != "" && of.Name == v1.NodePort(of.Spec.NodeName) {
				l.add(of.Spec.NodeName)
			}
		}),
		watch(kinds.Subnets().Informer(), func(_, s *v1.Subnet) {
			if s == nil || s.Name != n.subnet {
				return
			}
			all, _ := n.nodes.List(labels.Everything()) // A lister reads memory, and does not fail.
			for _, node := range all {
				l.add(node.Name)
			}
		}))
}

func (n *nodeState) sync(ctx context.Context, name string) error {
	node, err := n.nodes.Get(name)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	chassis, _ := n.chassis.Get(name) // A lister reads memory: nil when there is none.
	ip, _ := n.ips.Get(v1.NodePort(name))
	subnet, _ := n.subnets.Get(n.subnet)
	if err := n.annotate(ctx, node, annotationsOfNode(ip, subnet, chassis)); err != nil {
		return err
	}
	return n.tell(ctx, node, chassis)
}

// annotationsOfNode are the annotations that tell of a node's port and Chassis, as far as there are any.
func annotationsOfNode(ip *v1.IP, subnet *v1.Subnet, chassis *v1.Chassis) map[string]string {
	out := map[string]string{}
	if chassis != nil && chassis.DeletionTimestamp == nil && chassis.Spec.ChassisID != "" {
		out[v1.AnnotationChassis] = chassis.Spec.ChassisID
	}
	if ip == nil || ip.DeletionTimestamp != nil || subnet == nil || ip.Spec.Subnet != subnet.Name {
		return out
	}
	out[v1.AnnotationAllocated] = isTrue
	out[v1.AnnotationIPAddress], out[v1.AnnotationMacAddress] = ip.Spec.Addresses(), ip.Spec.MacAddress
	gateways, _ := ipam.Gateways(subnet.Spec.CIDRBlock, subnet.Spec.Gateway) // what is stored has been validated
	out[v1.AnnotationCIDR], out[v1.AnnotationGateway] = subnet.Spec.CIDRBlock, gateways.String()
	out[v1.AnnotationLogicalSwitch], out[v1.AnnotationPortName] = subnet.Name, ip.Name
	return out
}

// annotate gives a node the annotations, and takes those back that it is not to have any more.
func (n *nodeState) annotate(ctx context.Context, node *corev1.Node, wanted map[string]string) error {
	applied, err := applycorev1.ExtractNode(node, stateManager)
	if err != nil {
		return err
	}
	same := maps.Equal(applied.Annotations, wanted)
	for key, value := range wanted {
		same = same && node.Annotations[key] == value
	}
	if same {
		return nil
	}
	_, err = n.kubernetes.CoreV1().Nodes().Apply(ctx, applycorev1.Node(node.Name).WithUID(node.UID).WithAnnotations(wanted),
		metav1.ApplyOptions{FieldManager: stateManager, Force: true})
	return gone(err)
}

// chassisReason begins the reasons of the condition NetworkUnavailable that follow the Chassis.
const chassisReason = "Chassis"

// network is whether a node's network can be used, and why.
type network struct {
	unavailable     corev1.ConditionStatus
	reason, message string
}

// unavailable is what a node says of its network.
func unavailable(node *corev1.Node) network {
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeNetworkUnavailable {
			return network{c.Status, c.Reason, c.Message}
		}
	}
	return network{}
}

// availability is what a node is to say of its network; zero while its agent has not reported.
func availability(chassis *v1.Chassis) network {
	if chassis == nil || chassis.DeletionTimestamp != nil {
		return network{}
	}
	switch ready := meta.FindStatusCondition(chassis.Status.Conditions, v1.ChassisReady); {
	case ready == nil:
		return network{}
	case ready.Status == metav1.ConditionTrue:
		return network{corev1.ConditionFalse, chassisReason + "Ready", "The node's Chassis is ready"}
	default:
		return network{corev1.ConditionTrue, chassisReason + ready.Reason, ready.Message}
	}
}

// tell makes the condition NetworkUnavailable of a node follow its Chassis.
func (n *nodeState) tell(ctx context.Context, node *corev1.Node, chassis *v1.Chassis) error {
	have, want := unavailable(node), availability(chassis)
	if want == (network{}) || have == want || have.unavailable == want.unavailable && !strings.HasPrefix(have.reason, chassisReason) {
		return nil // Or somebody else says the same.
	}
	now := metav1.Now()
	changed := now
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeNetworkUnavailable && c.Status == want.unavailable {
			changed = c.LastTransitionTime
		}
	}
	condition := applycorev1.NodeCondition().WithType(corev1.NodeNetworkUnavailable).WithStatus(want.unavailable).
		WithReason(want.reason).WithMessage(want.message).WithLastHeartbeatTime(now).WithLastTransitionTime(changed)
	_, err := n.kubernetes.CoreV1().Nodes().ApplyStatus(ctx, applycorev1.Node(node.Name).WithUID(node.UID).WithStatus(applycorev1.NodeStatus().WithConditions(condition)),
		metav1.ApplyOptions{FieldManager: stateManager, Force: true})
	return gone(err)
}
