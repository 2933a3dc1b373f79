// Package kubeservice says at which addresses a Service of Kubernetes is served: what the controller, which makes load balancers of
// them, and the agents, which bring traffic of the outside there, must decide alike.
package kubeservice

import (
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/northbound-ovn/northbound/pkg/ipam"
)

// labelProxyName is on Services that another proxy serves; kube-proxy leaves them alone, too.
const labelProxyName = "service.kubernetes.io/service-proxy-name"

// ClusterIPs are the cluster IPs of a Service, at most one of each family. It has none when it is nil, is a name only, is headless,
// has no ports, or is served by another proxy.
func ClusterIPs(service *corev1.Service) ipam.Addrs {
	var addrs ipam.Addrs
	if service == nil || service.Spec.Type == corev1.ServiceTypeExternalName || service.Labels[labelProxyName] != "" || len(service.Spec.Ports) == 0 {
		return addrs
	}
	for _, text := range service.Spec.ClusterIPs {
		a, err := ipam.ParseAddr(text)
		if err != nil {
			return ipam.Addrs{} // "None"
		}
		if a.Is4() {
			addrs.V4 = a
		} else {
			addrs.V6 = a
		}
	}
	return addrs
}

// ExternalIPs are spec.externalIPs of a Service, as far as they are of the families of its cluster IPs; each once.
func ExternalIPs(service *corev1.Service) []netip.Addr {
	return besides(ClusterIPs(service), service.Spec.ExternalIPs)
}

// LoadBalancerIPs are the addresses that a load balancer outside has given to a Service and with which its packets arrive (KEP-1860),
// as far as they are of the families of its cluster IPs; each once.
func LoadBalancerIPs(service *corev1.Service) []netip.Addr {
	if service.Spec.Type != corev1.ServiceTypeLoadBalancer {
		return nil
	}
	var texts []string
	for _, ingress := range service.Status.LoadBalancer.Ingress {
		if ingress.IPMode == nil || *ingress.IPMode == corev1.LoadBalancerIPModeVIP {
			texts = append(texts, ingress.IP) // "" when it has only a name
		}
	}
	return besides(ClusterIPs(service), texts)
}

func besides(vips ipam.Addrs, texts []string) []netip.Addr {
	var out []netip.Addr
	for _, text := range texts {
		a, err := ipam.ParseAddr(text)
		if err != nil || slices.Contains(out, a) || a == vips.V4 || a == vips.V6 {
			continue
		}
		if a.Is4() && vips.V4.IsValid() || a.Is6() && vips.V6.IsValid() {
			out = append(out, a)
		}
	}
	return out
}
