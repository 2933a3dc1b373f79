// Package neighbour tells the neighbours of an interface where addresses are, so that they need not wait until their entries for a
// former MAC have failed: half a minute for IPv4, a minute for IPv6.
package neighbour

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/mdlayher/arp"
	"github.com/mdlayher/ethernet"
	"github.com/mdlayher/ndp"
)

// Announce tells all neighbours of an interface that addresses are at its MAC: by gratuitous ARP (RFC 5944, section 4.6) or an
// unsolicited neighbour advertisement (RFC 4861, section 7.2.6). The addresses are addresses of the interface, which is up, in the
// network namespace of the calling thread. Nobody answers: a message may be lost.
func Announce(ifName string, addrs ...netip.Addr) error {
	device, err := net.InterfaceByName(ifName)
	if err != nil {
		return fmt.Errorf("announce the addresses of %s: %w", ifName, err)
	}
	var errs []error
	for _, a := range addrs {
		announce := announceND
		if a.Is4() {
			announce = announceARP
		}
		if err := announce(device, a); err != nil {
			errs = append(errs, fmt.Errorf("announce %s at %s: %w", a, ifName, err))
		}
	}
	return errors.Join(errs...)
}

func announceARP(device *net.Interface, a netip.Addr) error {
	c, err := arp.Dial(device)
	if err != nil {
		return err
	}
	defer c.Close()
	p, err := arp.NewPacket(arp.OperationReply, device.HardwareAddr, a, device.HardwareAddr, a)
	if err != nil {
		return err
	}
	return c.WriteTo(p, ethernet.Broadcast)
}

// announceND sends from the address itself: the link-local one may still wait for duplicate address detection.
func announceND(device *net.Interface, a netip.Addr) error {
	c, _, err := ndp.Listen(device, ndp.Addr(a.String()))
	if err != nil {
		return err
	}
	defer c.Close()
	return c.WriteTo(&ndp.NeighborAdvertisement{
		Override: true, TargetAddress: a,
		Options: []ndp.Option{&ndp.LinkLayerAddress{Direction: ndp.Target, Addr: device.HardwareAddr}},
	}, nil, netip.IPv6LinkLocalAllNodes())
}
