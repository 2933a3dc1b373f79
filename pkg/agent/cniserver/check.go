package cniserver

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"

	"github.com/northbound-ovn/northbound/pkg/agent/vswitch"
	"github.com/northbound-ovn/northbound/pkg/cni"
)

// check reports what of an interface is not as the addition has made it.
func (s *Server) check(ctx context.Context, r *cni.Request) error {
	if r.AddressesOnly {
		return nil // there is nothing on the node but what the other plugin has made
	}
	now, err := s.ready(ctx)
	if err != nil {
		return err
	}
	attachment := cni.Attachment{ContainerID: r.ContainerID, IfName: r.IfName}
	found := ours(now, of(attachment))
	if len(found) == 0 {
		return cni.Errorf(cni.CodeMissing, "there is no port for interface %s of sandbox %s", r.IfName, r.ContainerID)
	}
	if err := errors.Join(s.checkPort(now, found[0]), s.checkSandbox(r, found[0])); err != nil {
		return cni.Errorf(cni.CodeMissing, "interface %s of sandbox %s: %v", r.IfName, r.ContainerID, err)
	}
	return nil
}

func (s *Server) checkPort(now vswitch.Snapshot, i *vswitch.Interface) error {
	bridge := now.BridgeOf(i.Name)
	switch {
	case bridge == nil || bridge.Name != s.config.Bridge:
		return fmt.Errorf("port %s is not on %s", i.Name, s.config.Bridge)
	case i.Error != "":
		return fmt.Errorf("port %s: %s", i.Name, i.Error)
	case !i.Installed():
		return fmt.Errorf("the flows of logical port %s are not installed", i.ExternalIDs[idPort])
	}
	return nil
}

func (s *Server) checkSandbox(r *cni.Request, i *vswitch.Interface) error {
	b, err := openSandbox(r.NetNS)
	if err != nil {
		return err
	}
	defer b.close()
	node, err := find(s.config.Host.Handle, i.Name)
	if err != nil {
		return err
	}
	inside, err := find(b.Handle, r.IfName)
	if err != nil {
		return err
	}
	if !paired(node, inside) {
		return fmt.Errorf("%s does not lead to %s", i.Name, r.IfName)
	}
	if got, want := inside.Attrs().HardwareAddr.String(), i.ExternalIDs[idMAC]; got != want {
		return fmt.Errorf("its MAC is %s, not %s", got, want)
	}
	return checkAddresses(b, inside, r.Expected)
}

// checkAddresses looks for the addresses on a link; further ones are the pod's own business.
func checkAddresses(b *sandbox, link netlink.Link, expected []netip.Prefix) error {
	addrs, err := b.AddrList(link, netlink.FAMILY_ALL)
	if err != nil {
		return err
	}
	var has []string
	for _, a := range addrs {
		has = append(has, a.IPNet.String())
	}
	for _, want := range expected {
		if !slices.Contains(has, want.String()) {
			return fmt.Errorf("it does not have address %s", want)
		}
	}
	return nil
}
