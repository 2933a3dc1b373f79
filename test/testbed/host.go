package testbed

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"

	"github.com/northbound-ovn/northbound/pkg/agent/unixctl"
	"github.com/northbound-ovn/northbound/pkg/ovn"
)

// Provider is the physical network, and ProviderNetwork, of all hosts.
const Provider = "external204"

// Host is a node of the overlay.
type Host struct {
	Name string // of the host, of its Chassis and of its chassis id
	// EncapIP is where its tunnels end.
	EncapIP netip.Addr

	namespace *Namespace
	ovs       *openVSwitch
}

// startHost starts what runs on a node beside pods: its Open vSwitch with the bridges that OVN wants, and ovn-controller.
func startHost(ctx context.Context, f *fabric, programs ovn.Installation, dir, southbound, name string, encap netip.Prefix) (*Host, error) {
	n, err := NewNamespace()
	if err != nil {
		return nil, err
	}
	h := &Host{Name: name, EncapIP: encap.Addr(), namespace: n}
	if err := h.start(ctx, f, programs, dir, southbound, encap); err != nil {
		return nil, errors.Join(fmt.Errorf("host %s: %w", name, err), h.stop())
	}
	return h, nil
}

func (h *Host) start(ctx context.Context, f *fabric, programs ovn.Installation, dir, southbound string, encap netip.Prefix) error {
	if err := f.cableHost(ctx, h); err != nil {
		return err
	}
	var err error
	if h.ovs, err = startOpenVSwitch(ctx, h.namespace, programs, filepath.Join(dir, h.Name)); err != nil {
		return err
	}
	settings := []string{"set", "open", "."}
	for key, value := range map[string]string{
		"system-id":                h.Name,
		"hostname":                 h.Name,
		"ovn-remote":               southbound,
		"ovn-encap-type":           "geneve",
		"ovn-encap-ip":             h.EncapIP.String(),
		"ovn-bridge-mappings":      Provider + ":br-" + Provider,
		"ovn-bridge-datapath-type": "netdev",
	} {
		settings = append(settings, fmt.Sprintf("external_ids:%s=%q", key, value))
	}
	if err := h.ovs.vsctl(ctx, settings...); err != nil {
		return err
	}
	// Tunnels of the userspace datapath end on a bridge.
	for _, bridge := range []string{"br-phy", "br-" + Provider, "br-int"} {
		if err := h.ovs.vsctl(ctx, "add-br", bridge, "--", "set", "bridge", bridge, "datapath_type=netdev"); err != nil {
			return err
		}
	}
	if err := h.ovs.vsctl(ctx, "set", "bridge", "br-int", "fail_mode=secure", "--",
		"add-port", "br-phy", underlay, "--", "add-port", "br-"+Provider, "rack"); err != nil {
		return err
	}
	if err := h.namespace.AddAddress("br-phy", encap); err != nil {
		return err
	}
	if err := h.namespace.up("br-phy"); err != nil {
		return err
	}
	return h.ovs.daemon("ovn-controller", h.ovs.address())
}

// Connections are the lines of dpctl/dump-conntrack, see ovs-vswitchd(8): the connections that the switch of the host tracks.
func (s *Scenario) Connections(h *Host) []string {
	s.t.Helper()
	c, err := unixctl.Dial(s.t.Context(), h.ovs.dir, vswitchd)
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	text, err := c.Call(s.t.Context(), "dpctl/dump-conntrack")
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(text), "\n")
}

func (h *Host) stop() error {
	var errs []error
	if h.ovs != nil {
		errs = append(errs, h.ovs.stop())
	}
	return errors.Join(append(errs, h.namespace.Close())...)
}
