package agent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/northbound-ovn/northbound/pkg/agent/uplink"
	"github.com/northbound-ovn/northbound/pkg/agent/vswitch"
	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	apply "github.com/northbound-ovn/northbound/pkg/generated/applyconfiguration/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/generated/clientset/versioned"
)

// providers is the owner of the node's connections with physical networks: bridges, the interfaces in them, and what
// ovn-controller reads of them (ovn-bridge-mappings). It reports in the status of the ProviderNetworks.
type providers struct {
	vs       *vswitch.Switch
	uplinks  *uplink.Uplinks
	client   versioned.Interface
	node     func() *corev1.Node
	nodeName string
	networks func() []*v1.ProviderNetwork
	datapath func(vswitch.Snapshot) string
	// labelled says that there is a controller that labels nodes.
	labelled bool
}

// sync connects what the API wants connected and disconnects the rest of what it had connected. One network's trouble does not
// keep it from the others.
func (p *providers) sync(ctx context.Context) error {
	now, err := p.vs.Wait(ctx, func(vswitch.Snapshot) bool { return true })
	if err != nil {
		return err
	}
	var errs []error
	wanted := map[string]bool{}
	for _, pn := range p.networks() {
		nic, connect, err := p.interfaceOf(pn)
		if connect && pn.DeletionTimestamp == nil {
			wanted[pn.Name] = true
			err = errors.Join(err, p.connect(ctx, pn, nic, p.datapath(now)))
		}
		if reported := p.report(ctx, pn, wanted[pn.Name], nic, err); reported != nil {
			err = errors.Join(err, reported)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("ProviderNetwork %s: %w", pn.Name, err))
		}
	}
	connected, err := p.uplinks.Connected()
	if err != nil {
		errs = append(errs, err)
	}
	for _, network := range connected {
		if !wanted[network] {
			if err := p.disconnect(ctx, network); err != nil {
				errs = append(errs, fmt.Errorf("disconnect ProviderNetwork %s: %w", network, err))
			}
		}
	}
	return errors.Join(errs...)
}

// interfaceOf is the interface of this node for a network, and whether the node is to be connected.
func (p *providers) interfaceOf(pn *v1.ProviderNetwork) (nic string, connect bool, err error) {
	if slices.Contains(pn.Spec.ExcludeNodes, p.nodeName) {
		return "", false, nil
	}
	if pn.Spec.NodeSelector != nil {
		selector, err := metav1.LabelSelectorAsSelector(pn.Spec.NodeSelector)
		if err != nil {
			return "", false, err
		}
		node := p.node()
		if node == nil {
			return "", false, errors.New("the node's labels are not known yet")
		}
		if !selector.Matches(labels.Set(node.Labels)) {
			return "", false, nil
		}
	}
	for _, c := range pn.Spec.CustomInterfaces {
		if slices.Contains(c.Nodes, p.nodeName) {
			return c.Interface, true, nil
		}
	}
	return pn.Spec.DefaultInterface, true, nil
}

// connect connects a network, and then lets ovn-controller know.
func (p *providers) connect(ctx context.Context, pn *v1.ProviderNetwork, nic, datapath string) error {
	if pn.Spec.ExchangeLinkName {
		return errors.New("exchangeLinkName is not supported: the bridge is " + uplink.Bridge(pn.Name))
	}
	if err := p.uplinks.Connect(ctx, pn.Name, nic, datapath); err != nil {
		return err
	}
	return p.mapTo(ctx, pn.Name, uplink.Bridge(pn.Name))
}

func (p *providers) disconnect(ctx context.Context, network string) error {
	if err := p.mapTo(ctx, network, ""); err != nil {
		return err
	}
	return p.uplinks.Disconnect(ctx, network)
}

// mapTo maps a network to a bridge for ovn-controller; an empty bridge ends that. Mappings of other networks stay.
func (p *providers) mapTo(ctx context.Context, network, bridge string) error {
	have := p.vs.Snapshot().Settings[settingMappings]
	want := parseMappings(have).with(network, bridge).String()
	if have == want {
		return nil
	}
	return p.vs.Apply(ctx, vswitch.SetSettings(map[string]string{settingMappings: want}))
}

// Conditions of a node in a ProviderNetwork.
const (
	connectedCondition = "Connected"
	// labelPatience is how long a node that is connected waits for its labels before it is ready without them.
	labelPatience = 10 * time.Second
)

// report says in the network's status whether this node is connected; a node that is not to be connected says nothing. Each
// node is a manager of its own, so that it owns its own conditions only. A node is ready when its labels, which the controller derives from
// its being connected, say that pods may be scheduled there.
func (p *providers) report(ctx context.Context, pn *v1.ProviderNetwork, connect bool, nic string, problem error) error {
	connected := v1.ProviderNetworkCondition{Type: connectedCondition, Status: metav1.ConditionTrue, Reason: "Connected", Message: "The bridge carries the interface " + nic}
	if problem != nil {
		connected.Status, connected.Reason, connected.Message = metav1.ConditionFalse, "NotConnected", problem.Error()
	} else if connect {
		connected.MTU = p.mtuOf(nic)
	}
	want := []v1.ProviderNetworkCondition{connected, p.readiness(pn, connected)}
	if !connect && problem == nil {
		want = nil
	}
	if p.told(pn, want) {
		return nil
	}
	status, now := apply.ProviderNetworkStatus(), metav1.NewTime(time.Now())
	for _, c := range want {
		changed := now
		if have := p.conditionOf(pn, c.Type); have != nil && have.Status == c.Status {
			changed = have.LastTransitionTime
		}
		condition := apply.ProviderNetworkCondition().WithNode(p.nodeName).WithType(c.Type).WithStatus(c.Status).
			WithReason(c.Reason).WithMessage(c.Message).WithLastUpdateTime(now).WithLastTransitionTime(changed)
		if c.MTU > 0 {
			condition.WithMTU(c.MTU)
		}
		status.WithConditions(condition)
	}
	_, err := p.client.KubeovnV1().ProviderNetworks().ApplyStatus(ctx, apply.ProviderNetwork(pn.Name).WithStatus(status),
		metav1.ApplyOptions{FieldManager: fieldManager + "/" + p.nodeName, Force: true})
	if apierrors.IsNotFound(err) {
		return nil // It is gone.
	}
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

// mtuOf is the MTU of an interface, 0 when it is not known.
func (p *providers) mtuOf(nic string) int32 {
	link, err := p.uplinks.Host.LinkByName(nic)
	if err != nil {
		return 0
	}
	return int32(link.Attrs().MTU)
}

// readiness is the condition Ready of a node that is connected, or is not.
func (p *providers) readiness(pn *v1.ProviderNetwork, connected v1.ProviderNetworkCondition) v1.ProviderNetworkCondition {
	ready := connected
	ready.Type, ready.MTU = readyCondition, 0
	if connected.Status != metav1.ConditionTrue || !p.labelled {
		return ready
	}
	if was := p.conditionOf(pn, readyCondition); was != nil && was.Status == metav1.ConditionTrue {
		return ready
	}
	node, since := p.node(), p.conditionOf(pn, connectedCondition)
	if node != nil && node.Labels[v1.ProviderNetworkLabel(pn.Name, v1.ProviderNetworkReady)] == "true" {
		return ready
	}
	if since != nil && since.Status == metav1.ConditionTrue && time.Since(since.LastTransitionTime.Time) > labelPatience {
		return ready
	}
	ready.Status, ready.Reason, ready.Message = metav1.ConditionFalse, reasonNotLabelled, "The node is connected; the controller has not labelled it yet"
	return ready
}

// reasonNotLabelled is the reason of a node that is not ready because it waits for its labels.
const reasonNotLabelled = "NotLabelled"

// waits reports whether the node waits for labels.
func (p *providers) waits() bool {
	return slices.ContainsFunc(p.networks(), func(pn *v1.ProviderNetwork) bool {
		c := p.conditionOf(pn, readyCondition)
		return c != nil && c.Reason == reasonNotLabelled
	})
}

func (p *providers) conditionOf(pn *v1.ProviderNetwork, kind string) *v1.ProviderNetworkCondition {
	return pn.Status.Condition(p.nodeName, kind)
}

// told reports whether a network's status has exactly the conditions of this node.
func (p *providers) told(pn *v1.ProviderNetwork, want []v1.ProviderNetworkCondition) bool {
	have := 0
	for _, c := range pn.Status.Conditions {
		if c.Node == p.nodeName {
			have++
		}
	}
	return have == len(want) && !slices.ContainsFunc(want, func(w v1.ProviderNetworkCondition) bool {
		c := p.conditionOf(pn, w.Type)
		return c == nil || c.Status != w.Status || c.Reason != w.Reason || c.Message != w.Message || c.MTU != w.MTU
	})
}
