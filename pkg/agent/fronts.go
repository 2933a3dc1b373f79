package agent

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"

	"github.com/northbound-ovn/northbound/pkg/agent/nat"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/kubeservice"
)

// frontsOf are the addresses and ports outside at which a node with certain addresses takes calls for Services: its own addresses
// with node ports, and the addresses of load balancers and externalIPs. Where two Services have one, it is the older one's. local
// finds the back ends of a Service's port on the node.
func frontsOf(services []*corev1.Service, own []netip.Addr, local func(*corev1.Service, *corev1.ServicePort) []kubeservice.BackEnd) []nat.Front {
	services = slices.Clone(services)
	slices.SortFunc(services, func(x, y *corev1.Service) int {
		return cmp.Or(x.CreationTimestamp.Compare(y.CreationTimestamp.Time), cmp.Compare(x.Namespace, y.Namespace), cmp.Compare(x.Name, y.Name))
	})
	var fronts []nat.Front
	for _, s := range services {
		vips := kubeservice.ClusterIPs(s)
		if vips == (ipam.Addrs{}) {
			continue
		}
		external, balanced := kubeservice.ExternalIPs(s), kubeservice.LoadBalancerIPs(s)
		admitted := admittedBy(s)
		for i := range s.Spec.Ports {
			p := &s.Spec.Ports[i]
			byNode := s.Spec.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal
			var here []kubeservice.BackEnd
			if byNode {
				here = local(s, p)
			}
			add := func(at []netip.Addr, port int32, from []netip.Prefix) {
				for _, a := range at {
					to := vips.V4
					if a.Is6() {
						to = vips.V6
					}
					if to.IsValid() && port != 0 {
						f := nat.Front{
							Protocol: numberOf(p.Protocol), At: netip.AddrPortFrom(a, uint16(port)), To: netip.AddrPortFrom(to, uint16(p.Port)), From: from,
						}
						if byNode {
							f.Local = &nat.Local{BackEnds: kubeservice.Chosen(here, a.Is4()), Affinity: s.Spec.SessionAffinity == corev1.ServiceAffinityClientIP}
						}
						fronts = append(fronts, f)
					}
				}
			}
			add(own, p.NodePort, nil)
			add(external, p.Port, nil)
			if admitted != nil || len(s.Spec.LoadBalancerSourceRanges) == 0 {
				add(balanced, p.Port, admitted)
			}
		}
	}
	return fronts
}

// admittedBy are the sources that may call a Service at the addresses of its load balancer; one that cannot be read admits nobody.
func admittedBy(s *corev1.Service) []netip.Prefix {
	var out []netip.Prefix
	for _, text := range s.Spec.LoadBalancerSourceRanges {
		if p, err := netip.ParsePrefix(strings.TrimSpace(text)); err == nil {
			out = append(out, p.Masked())
		}
	}
	return out
}

func numberOf(p corev1.Protocol) uint8 {
	switch p {
	case corev1.ProtocolUDP:
		return unix.IPPROTO_UDP
	case corev1.ProtocolSCTP:
		return unix.IPPROTO_SCTP
	}
	return unix.IPPROTO_TCP
}
