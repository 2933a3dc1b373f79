package probe

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Target is a port of a pod that the kubelet probes.
type Target struct {
	Port uint16
	// Connect says that a connection is all that a probe wants: only a port that is open may take one.
	Connect bool
}

// TargetsOf are the ports of a pod that the kubelet probes at the pod's own address, ascending.
func TargetsOf(pod *corev1.Pod) []Target {
	connect := map[uint16]bool{}
	for _, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range containers {
			c := &containers[i]
			for _, p := range []*corev1.Probe{c.LivenessProbe, c.ReadinessProbe, c.StartupProbe} {
				if port, plain, ok := target(c, p); ok {
					connect[port] = connect[port] || plain
				}
			}
		}
	}
	var out []Target
	for port, plain := range connect {
		out = append(out, Target{port, plain})
	}
	slices.SortFunc(out, func(x, y Target) int { return cmp.Compare(x.Port, y.Port) })
	return out
}

// target is the port of a probe of a container. Probes of other hosts than the pod are none of the pod's.
func target(c *corev1.Container, p *corev1.Probe) (port uint16, connect, ok bool) {
	switch {
	case p == nil:
	case p.HTTPGet != nil && p.HTTPGet.Host == "":
		port, ok = number(c, p.HTTPGet.Port)
	case p.TCPSocket != nil && p.TCPSocket.Host == "":
		port, ok = number(c, p.TCPSocket.Port)
		connect = true
	case p.GRPC != nil:
		port, ok = number(c, intstr.FromInt32(p.GRPC.Port))
	}
	return port, connect, ok
}

// number is the number of a port that may be given by the name that the container gives it.
func number(c *corev1.Container, port intstr.IntOrString) (uint16, bool) {
	n := port.IntValue()
	if port.Type == intstr.String {
		for _, p := range c.Ports {
			if p.Name == port.StrVal {
				n = int(p.ContainerPort)
			}
		}
	}
	return uint16(n), n > 0 && n < 1<<16
}

// Pod is a pod of the node.
type Pod struct {
	// Name is "<namespace>/<name>".
	Name  string
	Addrs []netip.Addr
	// Custom says that the pod is in a custom Vpc: the node does not reach it by itself.
	Custom bool
	// NetNS is the path of its network namespace; empty when it is not plugged.
	NetNS   string
	Targets []Target
}

// Conflict says why the probes of a pod are refused.
type Conflict struct {
	Pod    string
	Reason string
}

// Plan is what is done about the probes of a node's pods.
type Plan struct {
	// Redirected are the targets of which each has one pod, Refused those whose probes nobody may answer, ascending.
	Redirected map[netip.AddrPort]Redirect
	Refused    []netip.AddrPort
	Conflicts  []Conflict
}

// Redirect is where a probe goes.
type Redirect struct {
	NetNS   string
	Connect bool
}

// PlanOf decides about the probes of all pods of a node. Other addresses that the node reaches, as those of the default Vpc's
// Subnets, belong to nobody here.
func PlanOf(pods []Pod, elsewhere []netip.Prefix) Plan {
	plan := Plan{Redirected: map[netip.AddrPort]Redirect{}}
	holders := map[netip.Addr][]string{}
	for _, p := range pods {
		for _, a := range p.Addrs {
			holders[a] = append(holders[a], p.Name)
		}
	}
	for _, p := range pods {
		if !p.Custom || len(p.Targets) == 0 {
			continue
		}
		reported := false
		for _, a := range p.Addrs {
			reason := conflict(p.Name, a, holders[a], elsewhere)
			if reason != "" && !reported {
				plan.Conflicts, reported = append(plan.Conflicts, Conflict{p.Name, reason}), true
			}
			for _, t := range p.Targets {
				at := netip.AddrPortFrom(a, t.Port)
				switch {
				case reason != "":
					plan.Refused = append(plan.Refused, at)
				case p.NetNS != "":
					plan.Redirected[at] = Redirect{p.NetNS, t.Connect}
				}
			}
		}
	}
	slices.SortFunc(plan.Refused, netip.AddrPort.Compare)
	plan.Refused = slices.Compact(plan.Refused)
	return plan
}

func conflict(pod string, a netip.Addr, holders []string, elsewhere []netip.Prefix) string {
	for _, other := range holders {
		if other != pod {
			return fmt.Sprintf("Address %s also belongs to pod %s on this node: a probe could be answered by the wrong pod, and is refused. Keep the two on different nodes, or probe by exec", a, other)
		}
	}
	for _, p := range elsewhere {
		if p.Contains(a) {
			return fmt.Sprintf("Address %s also is one of %s in the default Vpc: a probe could be answered by the wrong pod, and is refused. Use another prefix, or probe by exec", a, p)
		}
	}
	return ""
}
