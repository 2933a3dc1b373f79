package nodeidentity

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/admission"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
)

// Admission refuses what the agent of a node wants to write of other nodes. Users that are no agents are not its business.
type Admission struct {
	*admission.Handler
	account ServiceAccount
}

var _ admission.ValidationInterface = (*Admission)(nil)

// New returns the admission plugin; account is that of the agents.
func New(account ServiceAccount) *Admission {
	return &Admission{admission.NewHandler(admission.Create, admission.Update, admission.Delete), account}
}

// Validate implements admission.ValidationInterface; what it refuses is a 403.
func (a *Admission) Validate(_ context.Context, r admission.Attributes, _ admission.ObjectInterfaces) error {
	if r.GetResource().Group != v1.GroupName {
		return nil
	}
	node, agent := a.account.nodeOf(r.GetUserInfo())
	if !agent {
		return nil
	}
	if node == "" {
		return admission.NewForbidden(r, fmt.Errorf("%s is the agent of no node: its certificate must be for %s<node>, or its token bound to a pod (claim kubernetes.io/node.name)",
			r.GetUserInfo().GetName(), UserPrefix))
	}
	if err := check(node, r); err != nil {
		return admission.NewForbidden(r, fmt.Errorf("the agent of node %s %w", node, err))
	}
	return nil
}

// check says why the agent of a node may not do what it asks for.
func check(node string, r admission.Attributes) error {
	switch r.GetResource().Resource {
	case "chassis":
		if r.GetName() != node {
			return errors.New("may write only the Chassis of its node")
		}
		return checkChassis(r.GetOldObject(), r.GetObject())
	case "ips":
		return checkIP(node, ipOf(r.GetOldObject()), ipOf(r.GetObject()), r.GetOperation())
	case "podinterfaces":
		if req, ok := r.GetObject().(*v1.PodInterfaces); ok && req.Spec.NodeName != node {
			return fmt.Errorf("may ask for interfaces only of pods on its node, not on %q (spec.nodeName)", req.Spec.NodeName)
		}
		return nil
	case "provider-networks":
		if r.GetSubresource() == "status" {
			return checkProviderNetwork(node, r.GetOldObject(), r.GetObject())
		}
	}
	return errors.New("may write Chassis, IPs and PodInterfaces of its node, and what its node says of ProviderNetworks")
}

// checkChassis: what makes a node a gateway for others is not for the node to say.
func checkChassis(old, obj runtime.Object) error {
	now, ok := obj.(*v1.Chassis)
	if !ok {
		return nil
	}
	before, ok := old.(*v1.Chassis)
	if !ok {
		before = &v1.Chassis{}
	}
	if now.Spec.ExternalGateway != before.Spec.ExternalGateway || !maps.Equal(now.Labels, before.Labels) {
		return errors.New("may not say that it is a gateway (spec.externalGateway and labels of the Chassis)")
	}
	return nil
}

// checkIP: an IP is a node's when spec.nodeName says so. An agent may take one that is on no node for a pod of its own, and let one go.
func checkIP(node string, old, ip *v1.IP, operation admission.Operation) error {
	if old != nil && old.Spec.NodeName != node && (old.Spec.NodeName != "" || operation == admission.Delete) {
		return fmt.Errorf("may write only IPs of its node: this one is on %q (spec.nodeName)", old.Spec.NodeName)
	}
	switch {
	case ip == nil || operation == admission.Delete:
	case ip.Spec.NodeName == node && ip.Spec.PodName == "" && strings.HasPrefix(ip.Name, v1.NodePort("")) && ip.Name != v1.NodePort(node):
		return fmt.Errorf("may make only its own node's port %s", v1.NodePort(node))
	case ip.Spec.NodeName != node && (ip.Spec.NodeName != "" || old == nil):
		return fmt.Errorf("may write only IPs of its node, not of %q (spec.nodeName)", ip.Spec.NodeName)
	}
	return nil
}

// checkProviderNetwork: each node has conditions of its own in the status.
func checkProviderNetwork(node string, old, obj runtime.Object) error {
	before, ok := old.(*v1.ProviderNetwork)
	now, too := obj.(*v1.ProviderNetwork)
	if !ok || !too || !apiequality.Semantic.DeepEqual(othersOf(node, before), othersOf(node, now)) {
		return errors.New("may write only what its own node says of a ProviderNetwork (status.conditions with its name in node)")
	}
	return nil
}

// othersOf are the conditions of other nodes.
func othersOf(node string, n *v1.ProviderNetwork) []v1.ProviderNetworkCondition {
	return slices.DeleteFunc(slices.Clone(n.Status.Conditions), func(c v1.ProviderNetworkCondition) bool { return c.Node == node })
}

func ipOf(obj runtime.Object) *v1.IP {
	ip, _ := obj.(*v1.IP)
	return ip
}
