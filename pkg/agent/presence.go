package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
)

// errNoNode is the error of everything that an agent does for its Node while that does not exist. The controller removes what a Node that is
// gone has left; an agent that made it again would undo this.
var errNoNode = errors.New("the Node does not exist: waiting for it")

// whileThereIsANode is a sync that does nothing, and fails, while the agent's Node does not exist. What is on the node stays as it is.
func (a *Agent) whileThereIsANode(sync func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		if a.node() == nil {
			return errNoNode
		}
		return sync(ctx)
	}
}

// alive returns errNoNode when the Node does not exist, whatever the informers say: they may be behind. It is asked before an object is
// made that the controller removes with the Node.
func (a *Agent) alive(ctx context.Context) error {
	if a.config.Kubernetes == nil {
		return nil
	}
	_, err := a.config.Kubernetes.CoreV1().Nodes().Get(ctx, a.config.NodeName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return errNoNode
	}
	return err
}

// labels are those of the objects that the agent makes for its host.
func (c *Config) labels() map[string]string {
	if c.Kubernetes != nil {
		return nil
	}
	return map[string]string{v1.LabelWithoutNode: "true"}
}

// restoreTime is within how much time the agent restores what somebody takes from the node. What is not restored by then is told.
const restoreTime = 2 * time.Second

// unkept returns what keeps the node's own network from being as it should be, nil when nothing has for longer than restoreTime.
// Connections with physical networks have conditions of their own, in the ProviderNetworks.
func (a *Agent) unkept() error {
	for _, l := range []*loop{a.settingsLoop, a.sysctlLoop, a.portLoop, a.routesLoop, a.natLoop} { // in the order of dependence
		if err := l.failing(restoreTime); err != nil {
			return fmt.Errorf("%s: %w", l.name, err)
		}
	}
	return nil
}

// tellUnkept makes the Chassis tell when what unkept returns has changed, until the context ends.
func (a *Agent) tellUnkept(ctx context.Context) {
	told := ""
	every(ctx, restoreTime/4, func() {
		now := ""
		if err := a.unkept(); err != nil {
			now = err.Error()
		}
		if now == told {
			return
		}
		if told = now; now != "" {
			klog.FromContext(ctx).Info("The node is not as it should be, and cannot be restored", "reason", now)
		}
		a.chassisLoop.Wake()
	})
}
