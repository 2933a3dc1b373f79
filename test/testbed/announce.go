package testbed

import (
	"net/netip"

	"github.com/northbound-ovn/northbound/pkg/agent/neighbour"
)

// Announce tells all neighbours that an address is here, as whoever takes an address over does.
func (s *Station) Announce(address string) error {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return err
	}
	return s.namespace.Do(func() error { return neighbour.Announce(NIC, a) })
}
