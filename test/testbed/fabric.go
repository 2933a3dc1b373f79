package testbed

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strconv"

	"github.com/vishvananda/netlink"

	"github.com/northbound-ovn/northbound/pkg/ovn"
)

// fabric is the physical network: a bridge between the ends of tunnels, and a switch with VLANs for all else, to which hosts and
// stations outside are cabled.
type fabric struct {
	namespace *Namespace
	rack      *openVSwitch
}

const (
	underlay  = "underlay" // the bridge in the fabric
	topOfRack = "rack"     // the bridge of the switch
	untagged  = 1          // the VLAN of the rack for packets without a tag
)

func startFabric(ctx context.Context, programs ovn.Installation, dir string) (*fabric, error) {
	n, err := NewNamespace()
	if err != nil {
		return nil, err
	}
	f := &fabric{namespace: n}
	err = n.links.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: underlay}})
	if err == nil {
		err = n.up(underlay)
	}
	if err == nil {
		f.rack, err = startOpenVSwitch(ctx, n, programs, filepath.Join(dir, "fabric"))
	}
	if err == nil {
		err = f.rack.vsctl(ctx, "add-br", topOfRack, "--", "set", "bridge", topOfRack, "datapath_type=netdev")
	}
	if err != nil {
		return nil, errors.Join(err, f.stop())
	}
	return f, nil
}

func (f *fabric) stop() error {
	var errs []error
	if f.rack != nil {
		errs = append(errs, f.rack.stop())
	}
	return errors.Join(append(errs, f.namespace.Close())...)
}

// cableHost cables a host to both networks, and returns the names of the two ends in the fabric.
func (f *fabric) cableHost(ctx context.Context, h *Host) error {
	f1, f2 := underlayCable(h.Name), rackCable(h.Name)
	if err := connect(f.namespace, f1, h.namespace, underlay); err != nil {
		return err
	}
	if err := connect(f.namespace, f2, h.namespace, "rack"); err != nil {
		return err
	}
	bridge, err := f.namespace.links.LinkByName(underlay)
	if err != nil {
		return err
	}
	join := func(l netlink.Link) error { return f.namespace.links.LinkSetMaster(l, bridge) }
	if err := f.namespace.change(f1, join); err != nil {
		return err
	}
	return f.rack.vsctl(ctx, "add-port", topOfRack, f2, "vlan_mode=native-untagged", "tag="+strconv.Itoa(untagged))
}

func underlayCable(host string) string { return "u-" + host }
func rackCable(host string) string     { return "r-" + host }

// cut takes a host's cables away, or puts them back.
func (f *fabric) cut(host string, cut bool) error {
	change := f.namespace.up
	if cut {
		change = f.namespace.down
	}
	return errors.Join(change(underlayCable(host)), change(rackCable(host)))
}

// outside makes a station in a VLAN of the physical network; 0 is none. Its addresses are those of routers there.
func (f *fabric) outside(ctx context.Context, name string, vlan int, addresses ...string) (*Station, error) {
	n, err := NewNamespace()
	if err != nil {
		return nil, err
	}
	s := &Station{Name: name, namespace: n}
	if vlan == 0 {
		vlan = untagged
	}
	err = errors.Join(
		connect(f.namespace, "x-"+name, n, NIC),
		f.rack.vsctl(ctx, "add-port", topOfRack, "x-"+name, fmt.Sprintf("tag=%d", vlan)),
		n.set("ipv4/ip_forward", "1"), n.set("ipv6/conf/all/forwarding", "1"),
	)
	for _, a := range addresses {
		p, parseErr := netip.ParsePrefix(a)
		err = errors.Join(err, parseErr, n.AddAddress(NIC, p))
	}
	if err == nil {
		err = s.Serve()
	}
	if err != nil {
		return nil, errors.Join(err, f.removeOutside(ctx, s))
	}
	return s, nil
}

func (f *fabric) removeOutside(ctx context.Context, s *Station) error {
	// The kernel removes the namespace, and the cable with it, only some time after its end.
	cable := "x-" + s.Name
	return errors.Join(f.rack.vsctl(ctx, "--if-exists", "del-port", topOfRack, cable), f.namespace.change(cable, f.namespace.links.LinkDel), s.close())
}
