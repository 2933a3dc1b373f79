package apiserver

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	clientset "github.com/northbound-ovn/northbound/pkg/generated/clientset/versioned"
	typed "github.com/northbound-ovn/northbound/pkg/generated/clientset/versioned/typed/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// heartbeats finds the Chassis whose agents are silent. Every replica of the server does so: what two find at once is written once,
// because a write names the version that it is about.
//
// Times are this server's: a heartbeat counts from the moment at which it is seen here, so that the clocks of nodes do not matter. A
// server that has just started, or whose database was away, gives every agent the whole period.
type heartbeats struct {
	view  func() storage.View // nil while the database is away
	grace time.Duration
	clock clock.PassiveClock
	seen  map[string]heartbeat
}

// heartbeat is the last report of an agent and when it was first seen here.
type heartbeat struct {
	reported metav1.MicroTime
	at       time.Time
}

// silent returns the Chassis, ascending by name, whose agents have not reported for the grace period. Those without a Ready
// condition have no agent, and those where it is Unknown are known to be silent.
func (h *heartbeats) silent() []*v1.Chassis {
	v := h.view()
	if v == nil {
		h.seen = nil
		return nil
	}
	now := h.clock.Now()
	seen := map[string]heartbeat{}
	var silent []*v1.Chassis
	for o := range v.List(nb.Chassis) {
		c, ok := o.(*v1.Chassis)
		if !ok {
			continue
		}
		ready := meta.FindStatusCondition(c.Status.Conditions, v1.ChassisReady)
		if ready == nil || ready.Status == metav1.ConditionUnknown {
			continue
		}
		last, known := h.seen[c.Name]
		if !known || !last.reported.Equal(&c.Status.HeartbeatTime) {
			last = heartbeat{c.Status.HeartbeatTime, now}
		}
		seen[c.Name] = last
		if now.Sub(last.at) >= h.grace {
			silent = append(silent, c)
		}
	}
	h.seen = seen
	return silent
}

// lose says in the status of a Chassis that nothing is known of it, unless its agent has reported meanwhile.
func (h *heartbeats) lose(ctx context.Context, client typed.ChassisInterface, silent *v1.Chassis) error {
	c, err := client.Get(ctx, silent.Name, metav1.GetOptions{})
	if err != nil || !c.Status.HeartbeatTime.Equal(&silent.Status.HeartbeatTime) {
		return err
	}
	meta.SetStatusCondition(&c.Status.Conditions, metav1.Condition{
		Type: v1.ChassisReady, Status: metav1.ConditionUnknown, Reason: "AgentSilent", ObservedGeneration: c.Generation,
		Message: fmt.Sprintf("the node's agent has not reported for %s", h.grace),
	})
	_, err = client.UpdateStatus(ctx, c, metav1.UpdateOptions{FieldManager: fieldManager})
	return err
}

// watchHeartbeats is the hook that looks for silent agents for as long as the server runs.
func watchHeartbeats(engine *storage.Engine, grace time.Duration) genericapiserver.PostStartHookFunc {
	return func(hook genericapiserver.PostStartHookContext) error {
		client, err := clientset.NewForConfig(hook.LoopbackClientConfig)
		if err != nil {
			return err
		}
		h := &heartbeats{grace: grace, clock: clock.RealClock{}, view: func() storage.View {
			if engine.Ready() != nil {
				return nil
			}
			return engine.View()
		}}
		ctx := klog.NewContext(hook, klog.FromContext(hook).WithName("heartbeats"))
		go wait.UntilWithContext(ctx, func(ctx context.Context) {
			for _, c := range h.silent() {
				if err := h.lose(ctx, client.KubeovnV1().Chassis(), c); err != nil {
					klog.FromContext(ctx).Info("Chassis of a silent agent could not be marked, will try again", "chassis", c.Name, "reason", err.Error())
					continue
				}
				klog.FromContext(ctx).Info("Agent is silent: its node is not ready", "chassis", c.Name, "lastReport", c.Status.HeartbeatTime)
			}
		}, min(grace/8, 5*time.Second))
		return nil
	}
}
