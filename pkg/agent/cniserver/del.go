package cniserver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"

	"github.com/northbound-ovn/northbound/pkg/agent/vswitch"
	"github.com/northbound-ovn/northbound/pkg/cni"
	"github.com/northbound-ovn/northbound/pkg/podnet"
)

// podRef is a pod as those know it who remove its interfaces: it may be gone.
type podRef struct{ namespace, name, uid, sandbox string }

// del removes the interface of a request and, unless the pod goes on without it, its addresses. It succeeds when there is nothing,
// and when the API is away: then the controller releases the addresses.
func (s *Server) del(ctx context.Context, r *cni.Request) error {
	unlock, err := s.keys.lock(ctx, r.ContainerID)
	if err != nil {
		return err
	}
	defer unlock()
	pod := podRef{r.PodNamespace, r.PodName, r.PodUID, r.ContainerID}
	attachment := cni.Attachment{ContainerID: r.ContainerID, IfName: r.IfName}
	if r.AddressesOnly {
		s.release(ctx, pod, []string{podnet.PortName(pod.name, pod.namespace, r.Provider)})
		return nil
	}
	ready, cancel := context.WithTimeout(ctx, switchPatience)
	defer cancel()
	now, err := s.config.Switch.Wait(ready, func(vswitch.Snapshot) bool { return true })
	if err != nil {
		return cni.Errorf(cni.CodeTryAgain, "Open vSwitch does not answer: %v", err)
	}
	found := ours(now, of(attachment))
	if err := s.unplug(ctx, found); err != nil {
		return err
	}
	// What an addition leaves that was killed before it added the port.
	if err := disconnect(s.config.Host, portName(attachment)); err != nil {
		return err
	}
	s.passed("unplug")
	if len(found) == 0 && pod.name != "" {
		s.release(ctx, pod, []string{podnet.PortName(pod.name, pod.namespace, r.Provider)})
	}
	for _, i := range found {
		s.release(ctx, podOf(i.ExternalIDs), allocatedWith(i))
	}
	return nil
}

// allocatedWith are the names of the IPs that were allocated with an interface.
func allocatedWith(i *vswitch.Interface) []string {
	if names := i.ExternalIDs[idAllocated]; names != "" {
		return strings.Split(names, ",")
	}
	return []string{i.ExternalIDs[idPort]}
}

// unplug removes ports, and makes further changes in the same transaction, and then removes the ports' links.
func (s *Server) unplug(ctx context.Context, ports []*vswitch.Interface, further ...vswitch.Change) error {
	var changes []vswitch.Change
	for _, i := range ports {
		changes = append(changes, vswitch.RemovePort(i.Name))
	}
	changes = append(changes, further...)
	if len(changes) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, switchPatience)
	defer cancel()
	if err := s.config.Switch.Apply(ctx, changes...); err != nil {
		return cni.Errorf(cni.CodeTryAgain, "%v", err)
	}
	var errs []error
	for _, i := range ports {
		errs = append(errs, disconnect(s.config.Host, i.Name))
	}
	return errors.Join(errs...)
}

// release deletes the IPs of a pod that needs them no more: one that is gone, has ended or is being deleted. A pod that lives on
// gets a new sandbox with the same addresses. Kept addresses are their owner's. What fails is left to the controller.
func (s *Server) release(ctx context.Context, pod podRef, names []string) {
	ctx, cancel := context.WithTimeout(ctx, releasePatience)
	defer cancel()
	logger := klog.FromContext(ctx).WithValues("pod", klog.KRef(pod.namespace, pod.name))
	if over, err := s.over(ctx, pod); err != nil || !over {
		if err != nil {
			logger.Info("The addresses are left to the controller: it is not known whether the pod exists", "reason", err)
		}
		return
	}
	for _, name := range names {
		ip, err := s.config.Client.KubeovnV1().IPs().Get(ctx, name, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
			continue
		case err == nil && (ip.Spec.PodType != "" || ip.DeletionTimestamp != nil):
			continue
		case err == nil && (pod.uid == "" || ip.Spec.PodUID != pod.uid) && ip.Spec.ContainerID != pod.sandbox:
			continue // it is another pod's by now
		case err == nil:
			err = s.deleteIP(ctx, ip)
		}
		if err != nil {
			logger.Info("The address is left to the controller", "ip", name, "reason", err)
		}
	}
	s.passed("release")
}

// over reports whether a pod needs no interface again.
func (s *Server) over(ctx context.Context, pod podRef) (bool, error) {
	found, err := s.config.Pods.Pod(ctx, pod.namespace, pod.name, pod.uid)
	switch {
	case errors.Is(err, ErrNoPod):
		return true, nil
	case err != nil:
		return false, err
	}
	return found.Over, nil
}

// gc removes the interfaces of a network that are not in use any more. It goes on behind what fails.
func (s *Server) gc(ctx context.Context, r *cni.Request) error {
	now, err := s.ready(ctx)
	if err != nil {
		return err
	}
	stale := ours(now, func(ids map[string]string) bool {
		return ids[idNetwork] == r.Network && !slices.Contains(r.Valid, cni.Attachment{ContainerID: ids[idSandbox], IfName: ids[idIfName]})
	})
	return s.collect(ctx, stale)
}

// collect removes interfaces nobody has asked to remove.
func (s *Server) collect(ctx context.Context, stale []*vswitch.Interface) error {
	var errs []error
	for _, i := range stale {
		pod := podOf(i.ExternalIDs)
		unlock, err := s.keys.lock(ctx, pod.sandbox)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if err := s.unplug(ctx, []*vswitch.Interface{i}); err != nil {
			errs = append(errs, fmt.Errorf("port %s of pod %s/%s: %w", i.Name, pod.namespace, pod.name, err))
		} else {
			s.release(ctx, pod, allocatedWith(i))
		}
		unlock()
	}
	return errors.Join(errs...)
}

// sweep removes, once at the start and then now and then, the ports whose device has gone with its sandbox: of a deletion that
// never came.
func (s *Server) sweep(ctx context.Context) {
	ticker := time.NewTicker(sweepInterval)
	defer ticker.Stop()
	for {
		if now, err := s.config.Switch.Wait(ctx, func(vswitch.Snapshot) bool { return true }); err == nil {
			if err := s.collect(ctx, s.deserted(now)); err != nil {
				klog.FromContext(ctx).Info("Ports without a device are left for the next time", "reason", err)
			}
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// deserted are the interfaces of pods whose device does not exist.
func (s *Server) deserted(now vswitch.Snapshot) []*vswitch.Interface {
	return slices.DeleteFunc(ours(now, func(map[string]string) bool { return true }), func(i *vswitch.Interface) bool {
		link, err := find(s.config.Host.Handle, i.Name)
		return err != nil || link != nil
	})
}
