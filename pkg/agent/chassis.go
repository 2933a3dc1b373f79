package agent

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1apply "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/northbound-ovn/northbound/pkg/agent/unixctl"
	"github.com/northbound-ovn/northbound/pkg/agent/vswitch"
	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	apply "github.com/northbound-ovn/northbound/pkg/generated/applyconfiguration/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/generated/clientset/versioned"
)

const (
	// fieldManager owns the fields that the agent writes.
	fieldManager = "northbound-agent"
	// heartbeat is how often the agent reports when nothing changes.
	heartbeat = 10 * time.Second
	// readyCondition is the condition of a Chassis, and of a node in a ProviderNetwork.
	readyCondition = "Ready"
)

// chassis is the owner of the node's Chassis object: where its tunnels end, and whether it works.
type chassis struct {
	vs       *vswitch.Switch
	client   versioned.Interface
	node     func() *corev1.Node
	nodeName string
	known    func() *v1.Chassis
	// connected says whether ovn-controller is connected with the Southbound database.
	connected func(context.Context) error
	// unkept returns what keeps the node from being as it should be.
	unkept func() error
	// alive returns an error unless the Node exists.
	alive  func(context.Context) error
	labels map[string]string
	now    func() time.Time

	// wrote is the spec that this process wrote last, and reported the condition, at a time.
	wrote    *v1.ChassisSpec
	reported metav1.Condition
	at       time.Time
}

// sync writes the object when it is unlike the node, and reports when something changed or a heartbeat is due.
func (c *chassis) sync(ctx context.Context) error {
	snapshot := c.vs.Snapshot()
	spec, err := c.spec(snapshot)
	if err != nil {
		return err
	}
	known := c.known()
	if known == nil {
		if err := c.alive(ctx); err != nil {
			return err
		}
	}
	if known == nil || c.wrote == nil || !reflect.DeepEqual(*c.wrote, spec) || !c.same(known.Spec, spec) {
		if err := c.write(ctx, spec); err != nil {
			return err
		}
		c.wrote = &spec
	}
	condition := c.condition(ctx, snapshot)
	if c.reported.Status == condition.Status && c.reported.Message == condition.Message && c.now().Sub(c.at) < heartbeat-time.Second && c.knownReady(condition) {
		return nil
	}
	return c.report(ctx, condition)
}

// knownReady says whether the object has the condition; the server changes it when reports stay away.
func (c *chassis) knownReady(want metav1.Condition) bool {
	known := c.known()
	return known == nil || meta.IsStatusConditionPresentAndEqual(known.Status.Conditions, readyCondition, want.Status)
}

func (c *chassis) spec(now vswitch.Snapshot) (v1.ChassisSpec, error) {
	id, ip := now.Settings[settingSystemID], now.Settings[settingEncapIP]
	if id == "" || ip == "" {
		return v1.ChassisSpec{}, fmt.Errorf("the Open vSwitch has no %s or %s yet", settingSystemID, settingEncapIP)
	}
	spec := v1.ChassisSpec{
		ChassisID: id, Hostname: c.nodeName, EncapIPs: []string{ip}, EncapType: v1.EncapType(now.Settings[settingEncapType]),
	}
	for _, a := range nodeAddresses(c.node()) {
		spec.NodeIPs = append(spec.NodeIPs, a.String())
	}
	return spec, nil
}

// same says whether an object has all that the agent writes. Whether the node is a gateway is the controller's to say.
func (c *chassis) same(have, want v1.ChassisSpec) bool {
	return have.ChassisID == want.ChassisID && have.Hostname == want.Hostname && have.EncapType == want.EncapType &&
		slices.Equal(have.EncapIPs, want.EncapIPs) && slices.Equal(have.NodeIPs, want.NodeIPs)
}

func (c *chassis) write(ctx context.Context, spec v1.ChassisSpec) error {
	s := apply.ChassisSpec().WithChassisID(spec.ChassisID).WithHostname(spec.Hostname).WithEncapType(spec.EncapType).
		WithEncapIPs(spec.EncapIPs...).WithNodeIPs(spec.NodeIPs...)
	_, err := c.client.KubeovnV1().Chassis().Apply(ctx, apply.Chassis(c.nodeName).WithSpec(s).WithLabels(c.labels),
		metav1.ApplyOptions{FieldManager: fieldManager, Force: true})
	if err != nil {
		return fmt.Errorf("write Chassis %s: %w", c.nodeName, err)
	}
	return nil
}

// condition is the state of the node, proven by asking.
func (c *chassis) condition(ctx context.Context, now vswitch.Snapshot) metav1.Condition {
	condition := metav1.Condition{Type: readyCondition, Status: metav1.ConditionTrue, Reason: "Connected",
		Message: "ovn-controller is connected with the Southbound database, and the node's network is as it should be"}
	switch err := c.connected(ctx); {
	case !now.Connected:
		condition.Status, condition.Reason, condition.Message = metav1.ConditionFalse, "NoOpenVSwitch", "The Open vSwitch database does not answer"
	case err != nil:
		condition.Status, condition.Reason, condition.Message = metav1.ConditionFalse, "NotConnected", err.Error()
	default:
		if err := c.unkept(); err != nil {
			condition.Status, condition.Reason, condition.Message = metav1.ConditionFalse, "NotRestored", err.Error()
		}
	}
	return condition
}

func (c *chassis) report(ctx context.Context, condition metav1.Condition) error {
	now := c.now()
	changed := metav1.NewTime(now)
	if known := c.known(); known != nil {
		if old := meta.FindStatusCondition(known.Status.Conditions, readyCondition); old != nil && old.Status == condition.Status {
			changed = old.LastTransitionTime
		}
	}
	status := apply.ChassisStatus().WithHeartbeatTime(metav1.NewMicroTime(now)).WithConditions(metav1apply.Condition().
		WithType(condition.Type).WithStatus(condition.Status).WithReason(condition.Reason).WithMessage(condition.Message).
		WithLastTransitionTime(changed))
	_, err := c.client.KubeovnV1().Chassis().ApplyStatus(ctx, apply.Chassis(c.nodeName).WithStatus(status),
		metav1.ApplyOptions{FieldManager: fieldManager, Force: true})
	if err != nil {
		return fmt.Errorf("report on Chassis %s: %w", c.nodeName, err)
	}
	c.reported, c.at = condition, now
	return nil
}

// ovnController is the node's ovn-controller, as one asks it.
type ovnController struct{ dir string }

// connected returns an error unless ovn-controller runs and is connected with the Southbound database.
func (o ovnController) connected(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	client, err := unixctl.Dial(ctx, o.dir, "ovn-controller")
	if err != nil {
		return err
	}
	defer client.Close()
	status, err := client.Call(ctx, "connection-status")
	if err != nil {
		return err
	}
	if status != "connected" {
		return fmt.Errorf("ovn-controller is %s with the Southbound database", status)
	}
	return nil
}

// watch calls notify when ovn-controller starts or ends, until the context ends.
func (o ovnController) watch(ctx context.Context, notify func()) {
	for ctx.Err() == nil {
		client, err := unixctl.Dial(ctx, o.dir, "ovn-controller")
		if err == nil {
			notify()
			client.Wait(ctx)
			_ = client.Close()
			notify()
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second): // Nothing tells when a process starts.
		}
	}
}
