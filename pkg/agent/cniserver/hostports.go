package cniserver

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/cni"
)

// reasonHostPort is the reason of the event about ports of the node that lead nowhere.
const reasonHostPort = "HostPortNotServed"

// tellOfHostPorts tells, by an event on the pod, that nothing serves the ports of the node that it asks for.
func (s *Server) tellOfHostPorts(pod *Pod, r *cni.Request) {
	if len(pod.HostPorts) == 0 || s.config.Events == nil || r.Provider != v1.DefaultProvider || s.config.Conflist.servesHostPorts() {
		return
	}
	ports := make([]string, len(pod.HostPorts))
	for i, port := range pod.HostPorts {
		ports[i] = fmt.Sprint(port)
	}
	about := &corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID}
	s.config.Events.Eventf(about, corev1.EventTypeWarning, reasonHostPort,
		"hostPort %s of node %s leads nowhere: the CNI plugin portmap is not installed there (in %s)", strings.Join(ports, ", "), s.config.NodeName, s.config.Conflist.Plugins)
}
