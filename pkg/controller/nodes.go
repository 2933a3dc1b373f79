package controller

import (
	"context"
	"maps"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/klog/v2"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	applyv1 "github.com/northbound-ovn/northbound/pkg/generated/applyconfiguration/kubeovn/v1"
	listers "github.com/northbound-ovn/northbound/pkg/generated/listers/kubeovn/v1"
)

const isTrue = "true"

// labelsManager owns the labels that Chassis have from their nodes. It is not Manager: what a manager applies is all that it owns.
const labelsManager = Manager + "/labels"

// nodes makes gateways of the Chassis whose nodes have the label ovn.kubernetes.io/external-gw, gives Chassis the labels of their
// nodes, by which Subnets select gateways, and removes what agents left behind on nodes that are gone: their Chassis and the
// IPs of their ports. Agents could do none of this: a node may not say of itself that others should use it as a gateway.
type nodes struct {
	clients Clients
	subnet  string // of the nodes' ports

	nodes   corelisters.NodeLister
	chassis listers.ChassisLister
	ips     listers.IPLister
}

func nodesLoop(c *Controller) (*loop, error) {
	informer := c.core.Core().V1().Nodes()
	chassis, ips := c.northbound.Kubeovn().V1().Chassis(), c.northbound.Kubeovn().V1().IPs()
	n := &nodes{clients: c.clients, subnet: c.settings.NodeSubnet, nodes: informer.Lister(), chassis: chassis.Lister(), ips: ips.Lister()}
	l := newLoop("nodes", n.sync)
	return l, firstError(
		watch(informer.Informer(), func(old, node *corev1.Node) {
			switch {
			case node == nil:
				l.add(old.Name)
			case old == nil || !maps.Equal(old.Labels, node.Labels):
				l.add(node.Name)
			}
		}),
		watch(chassis.Informer(), func(old, chassis *v1.Chassis) {
			if chassis != nil && (old == nil || old.Status.HeartbeatTime.IsZero() != chassis.Status.HeartbeatTime.IsZero() || old.Spec.ExternalGateway != chassis.Spec.ExternalGateway || !maps.Equal(old.Labels, chassis.Labels)) {
				l.add(chassis.Name)
			}
		}),
		watch(ips.Informer(), func(old, ip *v1.IP) {
			if old == nil && n.isPort(ip) {
				l.add(ip.Spec.NodeName)
			}
		}))
}

// isPort reports whether an IP is that of a node's own port.
func (n *nodes) isPort(ip *v1.IP) bool {
	return ip.Spec.PodName == "" && ip.Spec.Subnet == n.subnet && ip.Spec.NodeName != "" && ip.Name == "node-"+ip.Spec.NodeName
}

func (n *nodes) sync(ctx context.Context, name string) error {
	node, err := n.nodes.Get(name)
	if apierrors.IsNotFound(err) {
		_, err = n.clients.Kubernetes.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return n.clean(ctx, name)
		}
		return err // the node comes back here when the cache has it
	}
	if err != nil {
		return err
	}
	chassis, err := n.chassis.Get(name)
	if apierrors.IsNotFound(err) || err == nil && chassis.DeletionTimestamp != nil {
		return nil
	}
	if err != nil {
		return err
	}
	if err := n.label(ctx, chassis, node.Labels); err != nil {
		return err
	}
	// Without the label, a Chassis is a gateway when somebody else says so.
	gateway := node.Labels[v1.LabelExternalGateway] == isTrue
	if gateway && chassis.Spec.ExternalGateway || !gateway && !owns(chassis, "f:externalGateway") {
		return nil
	}
	patch := applyv1.Chassis(name).WithUID(chassis.UID)
	if gateway {
		patch.WithSpec(applyv1.ChassisSpec().WithExternalGateway(true))
	}
	_, err = n.clients.Northbound.KubeovnV1().Chassis().Apply(ctx, patch, metav1.ApplyOptions{FieldManager: Manager, Force: true})
	return err
}

// label gives a Chassis the labels of its node, and takes those back that the node has no more. A label that somebody else has set
// on the Chassis stands, whatever the node's.
func (n *nodes) label(ctx context.Context, chassis *v1.Chassis, labels map[string]string) error {
	others, err := fieldsOfOthers(chassis, labelsManager)
	if err != nil {
		return err
	}
	wanted := maps.Clone(labels)
	maps.DeleteFunc(wanted, func(key, _ string) bool { return others.Has(fieldpath.MakePathOrDie("metadata", "labels", key)) })
	applied, err := applyv1.ExtractChassis(chassis, labelsManager)
	if err != nil || maps.Equal(applied.Labels, wanted) {
		return err
	}
	// Without force: whoever has set a label meanwhile keeps it, and this comes back here.
	_, err = n.clients.Northbound.KubeovnV1().Chassis().Apply(ctx, applyv1.Chassis(chassis.Name).WithUID(chassis.UID).WithLabels(wanted),
		metav1.ApplyOptions{FieldManager: labelsManager})
	return err
}

// clean removes what a node that is gone has left. A Chassis whose agent never reported was made by hand. What belongs to a host that is no
// node of the cluster stays: its agent would make it again.
func (n *nodes) clean(ctx context.Context, name string) error {
	log := klog.FromContext(ctx)
	if ip, err := n.ips.Get(v1.NodePort(name)); err == nil && n.isPort(ip) && ip.DeletionTimestamp == nil && !withoutNode(ip) {
		err := n.clients.Northbound.KubeovnV1().IPs().Delete(ctx, ip.Name, metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(ip.UID))})
		if err != nil && !apierrors.IsNotFound(err) {
			return err
		}
		log.V(2).Info("Removed the port of a node that is gone", "node", name, "ip", ip.Name)
	}
	chassis, err := n.chassis.Get(name)
	if err != nil || chassis.DeletionTimestamp != nil || chassis.Status.HeartbeatTime.IsZero() || withoutNode(chassis) {
		return nil
	}
	err = n.clients.Northbound.KubeovnV1().Chassis().Delete(ctx, name, metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(chassis.UID))})
	if err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	log.V(2).Info("Removed the Chassis of a node that is gone", "node", name)
	return nil
}

// withoutNode reports whether an object belongs to a host that is no node of the cluster.
func withoutNode(obj metav1.Object) bool { return obj.GetLabels()[v1.LabelWithoutNode] == isTrue }
