package agent

import (
	"context"
	"net/netip"
	"slices"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"

	"github.com/northbound-ovn/northbound/pkg/agent/probe"
	"github.com/northbound-ovn/northbound/pkg/agent/vswitch"
	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
)

// podNetNS is the key of external_ids of a pod's interface with the path of its network namespace.
const podNetNS = "pod_netns"

// probes is the owner of the way of the kubelet's probes to pods in custom Vpcs (--enable-tproxy).
type probes struct {
	vs    *vswitch.Switch
	proxy *probe.Proxy
	// pods are the node's, ips their interfaces; vpc is that of a Subnet, empty when it is not known.
	pods       cache.Store
	ips        func() []*v1.IP
	vpc        func(subnet string) string
	defaultVpc string
	// elsewhere are the prefixes that the node reaches by itself.
	elsewhere func() []netip.Prefix
	// changed is told when the packet filter must change.
	changed func()
	events  record.EventRecorder

	ways atomic.Pointer[ways]
	// polled says that some port must be watched: nothing tells when a process opens one.
	polled   atomic.Bool
	reported map[string]string
}

// ways are what the packet filter needs to know.
type ways struct{ redirected, refused []netip.AddrPort }

// current are the ways of probes now.
func (p *probes) current() ways {
	if p == nil {
		return ways{}
	}
	if w := p.ways.Load(); w != nil {
		return *w
	}
	return ways{}
}

// port is the proxy's, 0 when there is none.
func (p *probes) port() uint16 {
	if p == nil {
		return 0
	}
	return p.proxy.Port()
}

// sync decides about all probes anew. Where only a connection is wanted, a port that is not open must not be redirected: the
// proxy would take the connection.
func (p *probes) sync(context.Context) error {
	plan := probe.PlanOf(p.known(), p.elsewhere())
	next := ways{refused: plan.Refused}
	open := map[string]map[uint16]bool{}
	polled := false
	for at, to := range plan.Redirected {
		if to.Connect {
			polled = true
			if _, asked := open[to.NetNS]; !asked {
				ports, err := probe.Listening(to.NetNS)
				if err != nil {
					ports = nil // The pod is ending.
				}
				open[to.NetNS] = ports
			}
			if !open[to.NetNS][at.Port()] {
				next.refused = append(next.refused, at)
				continue
			}
		}
		next.redirected = append(next.redirected, at)
	}
	slices.SortFunc(next.redirected, netip.AddrPort.Compare)
	slices.SortFunc(next.refused, netip.AddrPort.Compare)
	p.proxy.Set(plan.Redirected)
	p.polled.Store(polled)
	before := p.current()
	p.ways.Store(&next)
	if !slices.Equal(before.redirected, next.redirected) || !slices.Equal(before.refused, next.refused) {
		p.changed()
	}
	p.report(plan.Conflicts)
	return nil
}

// known are the node's pods that have an address of ours.
func (p *probes) known() []probe.Pod {
	now := p.vs.Snapshot()
	paths := map[string]string{}
	for i := range now.Interfaces() {
		if id := i.ExternalIDs[ifaceID]; id != "" {
			paths[id] = i.ExternalIDs[podNetNS]
		}
	}
	var out []probe.Pod
	for _, ip := range p.ips() {
		if ip.Spec.PodName == "" {
			continue
		}
		// A pod's further interfaces have other names; probes go to the first.
		key := ip.Spec.Namespace + "/" + ip.Spec.PodName
		obj, exists, err := p.pods.GetByKey(key)
		if err != nil || !exists || ip.Name != ip.Spec.PodName+"."+ip.Spec.Namespace {
			continue
		}
		pod := obj.(*corev1.Pod)
		addrs, err := ipam.ParseAddrs(ip.Spec.Addresses())
		if err != nil || pod.Spec.HostNetwork || pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
			continue
		}
		vpc := p.vpc(ip.Spec.Subnet)
		out = append(out, probe.Pod{
			Name: key, Addrs: addrs.All(), Custom: vpc != "" && vpc != p.defaultVpc, NetNS: paths[ip.Name], Targets: probe.TargetsOf(pod),
		})
	}
	return out
}

// report makes an event on each pod whose probes are refused, once for each reason.
func (p *probes) report(conflicts []probe.Conflict) {
	reported := map[string]string{}
	for _, c := range conflicts {
		reported[c.Pod] = c.Reason
		if p.reported[c.Pod] == c.Reason {
			continue
		}
		if obj, exists, err := p.pods.GetByKey(c.Pod); err == nil && exists {
			p.events.Event(obj.(*corev1.Pod), corev1.EventTypeWarning, "ProbeRefused", c.Reason)
		}
	}
	p.reported = reported
}
