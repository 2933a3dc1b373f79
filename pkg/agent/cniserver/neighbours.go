package cniserver

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"time"

	"k8s.io/klog/v2"

	"github.com/northbound-ovn/northbound/pkg/agent/neighbour"
	"github.com/northbound-ovn/northbound/pkg/cni"
)

// announcements are the pauses before the announcements of an interface's addresses: a message may be lost.
var announcements = [...]time.Duration{0, 100 * time.Millisecond, time.Second}

// tellNeighbours announces the addresses of an interface whose flows are installed: an address may have had another MAC before, which
// neighbours would believe until their entries fail. It does not wait; nothing depends on its success.
func (s *Server) tellNeighbours(ctx context.Context, r *cni.Request, answer *cni.Response) {
	var addrs []netip.Addr
	for _, a := range answer.Addresses {
		addrs = append(addrs, a.Prefix.Addr())
	}
	logger := klog.FromContext(ctx)
	s.work.Go(func() {
		for _, pause := range announcements {
			select {
			case <-s.life.Done():
				return
			case <-time.After(pause):
			}
			if err := announce(r.NetNS, r.IfName, addrs); errors.Is(err, fs.ErrNotExist) {
				return // the pod is gone
			} else if err != nil {
				logger.V(2).Info("Neighbours were not told of an interface", "pod", klog.KRef(r.PodNamespace, r.PodName), "interface", r.IfName, "reason", err.Error())
				return
			}
		}
	})
}

func announce(netNS, ifName string, addrs []netip.Addr) error {
	sandbox, err := openSandbox(netNS)
	if err != nil {
		return err
	}
	defer sandbox.close()
	return sandbox.do(func() error { return neighbour.Announce(ifName, addrs...) })
}
