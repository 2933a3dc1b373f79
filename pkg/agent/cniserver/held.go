package cniserver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/klog/v2"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/cni"
	"github.com/northbound-ovn/northbound/pkg/podnet"
)

// heldError refuses interfaces because other objects, which may let go, hold what the pod asks for: during a rollout, the pods before.
type heldError struct {
	refusal *cni.Error
	holders map[string]bool // "<resource>/<name>"
	pod     *Pod
	nics    []podnet.Interface
	request *cni.Request
}

func (e *heldError) Error() string { return e.refusal.Message }

// Unwrap is the error with its code.
func (e *heldError) Unwrap() error { return e.refusal }

// noteHolders adds to held the objects that a refusal says to hold what was asked for.
func noteHolders(held map[string]bool, refusal error) {
	var status apierrors.APIStatus
	if !errors.As(refusal, &status) || status.Status().Details == nil {
		return
	}
	for _, cause := range status.Status().Details.Causes {
		if cause.Type == v1.CauseHeld {
			held[cause.Message] = true
		}
	}
}

// awaitFree waits until the interfaces that were refused are allocated: whenever one of the holders is gone, it asks again. It waits at
// most heldPatience: kubelet, which lets 10 to 15 seconds pass after a failure, would otherwise decide when the pod runs.
func (s *Server) awaitFree(ctx context.Context, held *heldError) error {
	ctx, cancel := context.WithTimeoutCause(ctx, heldPatience, fmt.Errorf("not free within %v", heldPatience))
	defer cancel()
	klog.FromContext(ctx).Info("Waiting for what others hold", "pod", klog.KRef(held.pod.Namespace, held.pod.Name), "reason", held.refusal.Message)
	for {
		gone, stop, err := s.watchReleases(ctx, held)
		if err != nil {
			return errors.Join(held, err)
		}
		s.passed("held")
		held, err = s.askUntilFree(ctx, held, gone)
		stop()
		if held == nil {
			return err
		}
	}
}

// askUntilFree asks for the interfaces, and again whenever a holder is gone. The watch is older than the first request, so that no
// release is missed. It returns what is held still when the watch ends.
func (s *Server) askUntilFree(ctx context.Context, held *heldError, gone <-chan watch.Event) (*heldError, error) {
	for {
		_, err := s.allocate(ctx, held.pod, held.nics, held.request)
		if !errors.As(err, &held) {
			return nil, err
		}
		for released := false; !released; {
			select {
			case event, open := <-gone:
				if !open || event.Type == watch.Error {
					return held, nil
				}
				released = event.Type == watch.Deleted && held.holders[nameOf(event)]
			case <-ctx.Done():
				return nil, cni.Errorf(cni.CodeRefused, "%s (%v)", held.refusal.Message, context.Cause(ctx))
			}
		}
	}
}

// nameOf is the "<resource>/<name>" of the object of an event.
func nameOf(event watch.Event) string {
	switch o := event.Object.(type) {
	case *v1.IP:
		return "ips/" + o.Name
	case *v1.Vip:
		return "vips/" + o.Name
	}
	return ""
}

// watchReleases watches the IPs, or the Vips when one of them is the only holder, of the Subnets that the pod may have interfaces in.
func (s *Server) watchReleases(ctx context.Context, held *heldError) (<-chan watch.Event, func(), error) {
	selector := inSubnets(held.nics)
	first := metav1.ListOptions{LabelSelector: selector, Limit: 1}
	since := func(version string) metav1.ListOptions {
		return metav1.ListOptions{LabelSelector: selector, ResourceVersion: version}
	}
	ofIPs := false
	for name := range held.holders {
		ofIPs = ofIPs || strings.HasPrefix(name, "ips/")
	}
	ips, vips := s.config.Client.KubeovnV1().IPs(), s.config.Client.KubeovnV1().Vips()
	var w watch.Interface
	err := s.persist(ctx, func(short context.Context) error {
		if ofIPs {
			list, err := ips.List(short, first)
			if err == nil {
				w, err = ips.Watch(ctx, since(list.ResourceVersion))
			}
			return err
		}
		list, err := vips.List(short, first)
		if err == nil {
			w, err = vips.Watch(ctx, since(list.ResourceVersion))
		}
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return w.ResultChan(), w.Stop, nil
}

// inSubnets selects the objects of the Subnets that interfaces may be in; everything when a name is too long for a label.
func inSubnets(nics []podnet.Interface) string {
	var names []string
	for i := range nics {
		for _, c := range nics[i].Choices {
			if len(validation.IsValidLabelValue(c.Subnet)) > 0 {
				return ""
			}
			if c.Subnet != "" && !slices.Contains(names, c.Subnet) {
				names = append(names, c.Subnet)
			}
		}
	}
	requirement, err := labels.NewRequirement(v1.LabelSubnet, selection.In, names)
	if err != nil {
		return "" // There are no names.
	}
	return labels.NewSelector().Add(*requirement).String()
}
