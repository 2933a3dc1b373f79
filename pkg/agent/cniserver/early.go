package cniserver

import (
	"context"
	"time"

	"k8s.io/klog/v2"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/cni"
)

const (
	// earlyPatience bounds an allocation ahead of its time: the addition makes it anyway.
	earlyPatience = 10 * time.Second
	// earlyParallel bounds how many of them are made at a time. The API server commits them together.
	earlyParallel = 16
)

// allocateEarly allocates the interfaces of pods as soon as they are bound to the node. Meanwhile the runtime makes the sandbox, and
// the logical ports reach ovn-controller: an addition that finds them there waits for a few flows only. Failures are not
// reported, the addition meets them again.
func (s *Server) allocateEarly(ctx context.Context) {
	slots := make(chan struct{}, earlyParallel)
	s.config.Pods.Follow(ctx, func(pod *Pod) {
		s.work.Go(func() {
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				return
			}
			defer func() { <-slots }()
			if err := s.allocatePod(ctx, podRef{namespace: pod.Namespace, name: pod.Name, uid: string(pod.UID)}); err != nil {
				klog.FromContext(ctx).V(2).Info("No interfaces ahead of the addition", "pod", klog.KObj(pod), "reason", err)
			}
		})
	})
}

// allocatePod allocates the interfaces of a pod, and releases them if it has ended meanwhile. It comes to its end also when the
// server does not wait for more.
func (s *Server) allocatePod(ctx context.Context, ref podRef) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), earlyPatience)
	defer cancel()
	pod, err := s.config.Pods.Pod(ctx, ref.namespace, ref.name, ref.uid)
	if err != nil || pod.Over {
		return err
	}
	request := &cni.Request{Provider: v1.DefaultProvider}
	nics, err := s.interfaces(ctx, pod, request)
	if err != nil {
		return err
	}
	allocated, err := s.allocate(ctx, pod, nics, request)
	if err != nil {
		return err
	}
	s.passed("early")
	names := make([]string, len(allocated))
	for i := range allocated {
		names[i] = allocated[i].Name
	}
	s.release(ctx, ref, names)
	return nil
}
