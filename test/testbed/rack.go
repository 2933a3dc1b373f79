package testbed

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// CableOf is the name of the host at whose cable the rack last saw the station that another one knows by an address.
func (s *Scenario) CableOf(observer *Station, address string) string {
	s.t.Helper()
	mac := s.neighbour(observer, address)
	cmd, err := s.programs.Command(s.t.Context(), "ovs-appctl", "-t", filepath.Join(s.fabric.rack.dir, "ovs-vswitchd.ctl"), "fdb/show", topOfRack)
	if err != nil {
		s.t.Fatal(err)
	}
	table, err := cmd.Output()
	if err != nil {
		s.t.Fatal(err)
	}
	for lines := bufio.NewScanner(strings.NewReader(string(table))); lines.Scan(); {
		if f := strings.Fields(lines.Text()); len(f) == 4 && f[2] == mac { // port, VLAN, MAC, age
			for _, h := range s.Hosts {
				number, err := s.fabric.rack.vsctlOutput(s.t.Context(), "get", "interface", rackCable(h.Name), "ofport")
				if err != nil {
					s.t.Fatal(err)
				}
				if number == f[0] {
					return h.Name
				}
			}
		}
	}
	return ""
}

// neighbour is the MAC that a station knows for an address, empty when it knows none.
func (s *Scenario) neighbour(of *Station, address string) string {
	s.t.Helper()
	neighbours, err := of.namespace.links.NeighList(0, netlink.FAMILY_ALL)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, n := range neighbours {
		if n.IP.String() == netip.MustParseAddr(address).String() {
			return n.HardwareAddr.String()
		}
	}
	return ""
}

// FormerMAC is what Mislead makes a station believe.
const FormerMAC = "02:00:00:00:00:99"

// Mislead makes a station know an address by a MAC that it had before, in an entry that lasts until the station sends something.
func (s *Scenario) Mislead(observer *Station, address string) {
	s.t.Helper()
	mac, err := net.ParseMAC(FormerMAC)
	if err != nil {
		s.t.Fatal(err)
	}
	err = observer.namespace.change(NIC, func(l netlink.Link) error {
		return observer.namespace.links.NeighSet(&netlink.Neigh{
			LinkIndex: l.Attrs().Index, IP: net.ParseIP(address), HardwareAddr: mac, State: netlink.NUD_STALE,
		})
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// ExpectTold waits until a station that was misled about an address knows another MAC for it.
func (s *Scenario) ExpectTold(observer *Station, address string) {
	s.t.Helper()
	s.Eventually(func() error {
		if now := s.neighbour(observer, address); now == FormerMAC || now == "" {
			return fmt.Errorf("%s knows %s by the MAC %q", observer, address, now)
		}
		return nil
	})
}

// forgetNeighbours makes the station ask anew who has the addresses of its network.
func (s *Station) forgetNeighbours() error {
	neighbours, err := s.namespace.links.NeighList(0, netlink.FAMILY_ALL)
	if err != nil {
		return err
	}
	for _, n := range neighbours {
		if n.State&netlink.NUD_PERMANENT != 0 || n.State&netlink.NUD_NOARP != 0 {
			continue
		}
		if err := s.namespace.links.NeighDel(&n); err != nil && !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	return nil
}
