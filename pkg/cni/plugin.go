package cni

import (
	"net"
	"net/netip"
	"slices"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/types"
	types100 "github.com/containernetworking/cni/pkg/types/100"
	"github.com/containernetworking/cni/pkg/version"
)

// Versions are the versions of the specification that the plugin speaks.
var Versions = version.PluginSupports("0.3.1", "0.4.0", "1.0.0", "1.1.0")

// Plugin has the verbs of the specification.
var Plugin = skel.CNIFuncs{Add: add, Del: del, Check: check, GC: gc, Status: status}

// add makes the interface and prints the result.
func add(args *skel.CmdArgs) error {
	c, err := parse(args)
	if err != nil {
		return err
	}
	made, err := c.post(PathAdd)
	if err != nil {
		return err
	}
	return types.PrintResult(c.result(made), c.version)
}

// del removes the interface. It succeeds when there is none.
func del(args *skel.CmdArgs) error {
	c, err := parse(args)
	if err != nil {
		return err
	}
	_, err = c.post(PathDel)
	return err
}

// check finds out whether the interface is as it was made.
func check(args *skel.CmdArgs) error {
	c, err := parse(args)
	if err != nil {
		return err
	}
	if c.prev == nil {
		return types.NewError(CodeConfiguration, "a check needs prevResult", "")
	}
	c.request.Expected = c.expected()
	_, err = c.post(PathCheck)
	return err
}

// gc removes the interfaces of the network that are not in use any more.
func gc(args *skel.CmdArgs) error {
	c, err := parse(args)
	if err != nil {
		return err
	}
	_, err = c.post(PathGC)
	return err
}

// status succeeds when interfaces can be added.
func status(args *skel.CmdArgs) error {
	c, err := parse(args)
	if err != nil {
		return err
	}
	return c.status()
}

// expected are the addresses that the result of an addition gives to the interface.
func (c *call) expected() []netip.Prefix {
	var out []netip.Prefix
	for _, ip := range c.prev.IPs {
		if i := ip.Interface; i != nil && *i < len(c.prev.Interfaces) && c.prev.Interfaces[*i].Name == c.request.IfName {
			out = append(out, prefixOf(ip.Address))
		}
	}
	return out
}

// result is the answer to the runtime: the node's end without and the pod's end with its sandbox, and what is on the latter. Of
// an interface that another plugin makes there are only the addresses.
func (c *call) result(made *Response) *types100.Result {
	r := &types100.Result{CNIVersion: types100.ImplementedSpecVersion, DNS: c.dns}
	if c.prev != nil {
		r.Interfaces, r.IPs, r.Routes = c.prev.Interfaces, c.prev.IPs, c.prev.Routes
	}
	var on *int
	if !c.request.AddressesOnly {
		r.Interfaces = append(slices.Clip(r.Interfaces),
			&types100.Interface{Name: made.HostIfName, Mac: made.HostMAC, Mtu: made.MTU},
			&types100.Interface{Name: c.request.IfName, Mac: made.MAC, Mtu: made.MTU, Sandbox: c.sandbox})
		on = types100.Int(len(r.Interfaces) - 1)
	}
	for _, a := range made.Addresses {
		r.IPs = append(r.IPs, &types100.IPConfig{Interface: on, Address: netOf(a.Prefix), Gateway: ipOf(a.Gateway)})
	}
	for _, route := range made.Routes {
		r.Routes = append(r.Routes, &types.Route{Dst: netOf(route.Dst), GW: ipOf(route.GW)})
	}
	return r
}

// ipOf is the net.IP of an address, nil of the zero Addr.
func ipOf(a netip.Addr) net.IP {
	if !a.IsValid() {
		return nil
	}
	return a.AsSlice()
}

func netOf(p netip.Prefix) net.IPNet {
	return net.IPNet{IP: ipOf(p.Addr()), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
