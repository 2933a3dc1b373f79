package cniserver

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"k8s.io/klog/v2"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/cni"
	"github.com/northbound-ovn/northbound/pkg/podnet"
)

// annotationNetworkStatus is where tools look for the interfaces of a pod (multi-network standard v1.3, section 4.2).
const annotationNetworkStatus = "k8s.v1.cni.cncf.io/network-status"

const (
	annotateAttempts = 5
	annotatePause    = time.Second
)

// networkStatus is an entry of annotationNetworkStatus.
type networkStatus struct {
	Name      string   `json:"name"`
	Interface string   `json:"interface"`
	IPs       []string `json:"ips,omitempty"`
	MAC       string   `json:"mac,omitempty"`
	Default   bool     `json:"default,omitempty"`
	DNS       struct{} `json:"dns"`
}

// annotate writes the pod's interfaces on the pod, for people and tools to read. Nothing waits for it, and nothing depends on it.
func (s *Server) annotate(ctx context.Context, pod *Pod, r *cni.Request, allocated []v1.PodInterfaceStatus, nics []podnet.Interface, made *cni.Response) {
	annotations := map[string]string{}
	for i := range allocated {
		s.describe(annotations, nics[i].Provider, &allocated[i])
	}
	// Where a pod has further networks, whoever delegates to this plugin writes the status of all of them.
	if r.Provider == v1.DefaultProvider && pod.Annotations[podnet.AnnotationNetworks] == "" {
		status := networkStatus{Name: r.Network, Interface: r.IfName, MAC: made.MAC, Default: true}
		for _, a := range made.Addresses {
			status.IPs = append(status.IPs, a.Prefix.Addr().String())
		}
		text, err := json.Marshal([]networkStatus{status})
		if err != nil {
			panic(err) // our own type
		}
		annotations[annotationNetworkStatus] = string(text)
	}
	ctx = klog.NewContext(s.life, klog.FromContext(ctx))
	s.work.Go(func() {
		if err := s.writeAnnotations(ctx, pod, annotations); err != nil && ctx.Err() == nil {
			klog.FromContext(ctx).Info("The annotations of a pod are not written", "pod", klog.KObj(pod), "reason", err)
		}
	})
}

// describe adds what Kube-OVN's tools read about one interface.
func (s *Server) describe(annotations map[string]string, provider string, allocated *v1.PodInterfaceStatus) {
	set := func(annotation, value string) {
		if value != "" {
			annotations[v1.ProviderAnnotation(provider, annotation)] = value
		}
	}
	set(v1.AnnotationAllocated, "true")
	set(v1.AnnotationRouted, "true")
	set(v1.AnnotationIPAddress, allocated.Spec.Addresses())
	set(v1.AnnotationMacAddress, allocated.Spec.MacAddress)
	set(v1.AnnotationCIDR, allocated.CIDRBlock)
	set(v1.AnnotationGateway, allocated.Gateway)
	set(v1.AnnotationLogicalSwitch, allocated.Spec.Subnet)
	if subnet, ok := s.objects.Subnet(allocated.Spec.Subnet); ok && strings.HasSuffix(provider, v1.DefaultProvider) {
		set(v1.AnnotationLogicalRouter, subnet.Spec.Vpc)
		set(v1.AnnotationVpc, subnet.Spec.Vpc)
	}
}

// writeAnnotations tries a few times: the API server that has just given the addresses is there, the cluster's may not be.
func (s *Server) writeAnnotations(ctx context.Context, pod *Pod, annotations map[string]string) error {
	for attempt := 1; ; attempt++ {
		err := s.config.Pods.Annotate(ctx, pod, annotations)
		switch {
		case err == nil || errors.Is(err, ErrNoPod):
			return nil
		case attempt == annotateAttempts:
			return err
		}
		select {
		case <-time.After(time.Duration(attempt) * annotatePause):
		case <-ctx.Done():
			return err
		}
	}
}
