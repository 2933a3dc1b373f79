package testbed

import (
	"net"
	"net/netip"

	"github.com/mdlayher/arp"
	"github.com/mdlayher/ethernet"
	"github.com/mdlayher/ndp"
)

// Announce tells all neighbours that an address is here, as whoever takes an address over does: by gratuitous ARP (RFC 5944, section 4.6)
// or an unsolicited neighbour advertisement (RFC 4861, section 7.2.6).
func (s *Station) Announce(address string) error {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return err
	}
	return s.namespace.Do(func() error {
		device, err := net.InterfaceByName(NIC)
		if err != nil {
			return err
		}
		if a.Is4() {
			return announceARP(device, a)
		}
		return announceND(device, a)
	})
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

func announceND(device *net.Interface, a netip.Addr) error {
	c, _, err := ndp.Listen(device, ndp.LinkLocal)
	if err != nil {
		return err
	}
	defer c.Close()
	return c.WriteTo(&ndp.NeighborAdvertisement{
		Override: true, TargetAddress: a,
		Options: []ndp.Option{&ndp.LinkLayerAddress{Direction: ndp.Target, Addr: device.HardwareAddr}},
	}, nil, netip.IPv6LinkLocalAllNodes())
}
