package kubeservice

import (
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
)

// BackEnd is an address and port of a Service's endpoint, and how it serves.
type BackEnd struct {
	netip.AddrPort
	// Ready says that it serves and is not going; Serving that it serves, though it may be going (KEP-1669).
	Ready, Serving bool
	// Pod is the UID of its pod, empty when it is none.
	Pod types.UID
}

// ServiceOf is the Service that a slice has endpoints of, as "namespace/name". One with the label of headless Services is for none
// that has an address: its name is empty.
func ServiceOf(s *discoveryv1.EndpointSlice) string {
	if _, headless := s.Labels[corev1.IsHeadlessService]; headless {
		return s.Namespace + "/"
	}
	return s.Namespace + "/" + s.Labels[discoveryv1.LabelServiceName]
}

// BackEnds are the endpoints of a slice at the port of a Service with a name and protocol; none when the slice does not have that
// port, or has names in place of addresses.
func BackEnds(s *discoveryv1.EndpointSlice, name string, protocol corev1.Protocol) []BackEnd {
	port := portIn(s, name, protocol)
	if port == 0 || s.AddressType == discoveryv1.AddressTypeFQDN {
		return nil
	}
	var out []BackEnd
	for i := range s.Endpoints {
		e := &s.Endpoints[i]
		b := BackEnd{Ready: e.Conditions.Ready == nil || *e.Conditions.Ready}
		b.Serving = b.Ready
		if serving := e.Conditions.Serving; serving != nil {
			b.Serving = *serving
		}
		if going := e.Conditions.Terminating; !b.Ready && (going == nil || !*going) {
			b.Serving = false
		}
		if ref := e.TargetRef; ref != nil && ref.Kind == "Pod" {
			b.Pod = ref.UID
		}
		for _, text := range e.Addresses {
			if a, err := netip.ParseAddr(text); err == nil {
				b.AddrPort = netip.AddrPortFrom(a, port)
				out = append(out, b)
			}
		}
	}
	return out
}

// portIn is the number of a Service's port in a slice, 0 when the slice does not have it.
func portIn(s *discoveryv1.EndpointSlice, name string, protocol corev1.Protocol) uint16 {
	for _, p := range s.Ports {
		if p.Port != nil && orDefault(p.Protocol, corev1.ProtocolTCP) == protocol && orDefault(p.Name, "") == name {
			return uint16(*p.Port)
		}
	}
	return 0
}

func orDefault[T any](p *T, value T) T {
	if p == nil {
		return value
	}
	return *p
}

// Chosen are the back ends of a family that get traffic, as kube-proxy chooses them: the ready ones; when there are none, those
// that are going but still serve. They are sorted, each once.
func Chosen(all []BackEnd, v4 bool) []netip.AddrPort {
	var ready, going []netip.AddrPort
	for _, b := range all {
		switch {
		case b.Addr().Is4() != v4:
		case b.Ready:
			ready = append(ready, b.AddrPort)
		case b.Serving:
			going = append(going, b.AddrPort)
		}
	}
	if len(ready) == 0 {
		ready = going
	}
	slices.SortFunc(ready, netip.AddrPort.Compare)
	return slices.Compact(ready)
}
