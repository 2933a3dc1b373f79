package dataplane

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/nclient4"
	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/dhcpv6/nclient6"
	"github.com/mdlayher/ndp"

	"github.com/northbound-ovn/northbound/test/testbed"
)

func TestInterfacesAreToldTheirConfiguration(t *testing.T) {
	s := bed.Begin(t)
	s.Apply(`{kind: Vpc, metadata: {name: v1}}`)
	s.Apply(`{kind: Subnet, metadata: {name: net1}, spec: {vpc: v1, cidrBlock: "10.0.1.0/24,fd00:1::/64", mtu: 1300, enableDHCP: true, enableIPv6RA: true}}`)
	p := s.Unconfigured(s.Hosts[0], "p.ns1", "net1")

	t.Run("DHCPv4", func(t *testing.T) {
		lease := leaseV4(t, p)
		if got := lease.YourIPAddr.String(); got != p.V4() {
			t.Errorf("address %s, want %s", got, p.V4())
		}
		if got := lease.Router(); len(got) != 1 || got[0].String() != "10.0.1.1" {
			t.Errorf("router %v, want 10.0.1.1", got)
		}
		if got := net.IP(lease.SubnetMask()).String(); got != "255.255.255.0" {
			t.Errorf("mask %s", got)
		}
		if got := lease.Options.Get(dhcpv4.OptionInterfaceMTU); len(got) != 2 || int(got[0])<<8|int(got[1]) != 1300 {
			t.Errorf("MTU % x, want 1300", got)
		}
		if got := lease.IPAddressLeaseTime(0); got != time.Hour {
			t.Errorf("lease of %v, want an hour", got)
		}
	})
	t.Run("router advertisement", func(t *testing.T) {
		ra := advertisement(t, p)
		if !ra.ManagedConfiguration {
			t.Error("it does not say that addresses come by DHCPv6")
		}
		for _, option := range ra.Options {
			switch o := option.(type) {
			case *ndp.MTU:
				if o.MTU != 1300 {
					t.Errorf("MTU %d, want 1300", o.MTU)
				}
			case *ndp.PrefixInformation:
				if o.Prefix.String() != "fd00:1::" || o.PrefixLength != 64 {
					t.Errorf("prefix %s/%d, want fd00:1::/64", o.Prefix, o.PrefixLength)
				}
			}
		}
	})
	t.Run("DHCPv6", func(t *testing.T) {
		lease := leaseV6(t, p)
		ia := lease.Options.OneIANA()
		if ia == nil || ia.Options.OneAddress() == nil {
			t.Fatalf("no address in %s", lease.Summary())
		}
		if got := ia.Options.OneAddress().IPv6Addr.String(); got != p.V6() {
			t.Errorf("address %s, want %s", got, p.V6())
		}
	})
}

func leaseV4(t *testing.T, p *testbed.Pod) *dhcpv4.DHCPv4 {
	t.Helper()
	var c *nclient4.Client
	check(t, p.Do(func() (err error) {
		c, err = nclient4.New(testbed.NIC, nclient4.WithTimeout(time.Second), nclient4.WithRetry(int(testbed.Patience.Seconds())))
		return err
	}))
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), testbed.Patience)
	defer cancel()
	lease, err := c.Request(ctx)
	check(t, err)
	return lease.ACK
}

func leaseV6(t *testing.T, p *testbed.Pod) *dhcpv6.Message {
	t.Helper()
	var c *nclient6.Client
	check(t, p.Do(func() (err error) {
		c, err = nclient6.New(testbed.NIC, nclient6.WithTimeout(time.Second), nclient6.WithRetry(int(testbed.Patience.Seconds())))
		return err
	}))
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), testbed.Patience)
	defer cancel()
	offer, err := c.Solicit(ctx)
	check(t, err)
	lease, err := c.Request(ctx, offer)
	check(t, err)
	return lease
}

// advertisement asks for a router advertisement until there is one.
func advertisement(t *testing.T, p *testbed.Pod) *ndp.RouterAdvertisement {
	t.Helper()
	var c *ndp.Conn
	var device *net.Interface
	check(t, p.Do(func() (err error) {
		if device, err = net.InterfaceByName(testbed.NIC); err == nil {
			c, _, err = ndp.Listen(device, ndp.LinkLocal)
		}
		return err
	}))
	defer c.Close()
	question := &ndp.RouterSolicitation{Options: []ndp.Option{&ndp.LinkLayerAddress{Direction: ndp.Source, Addr: device.HardwareAddr}}}
	for deadline := time.Now().Add(testbed.Patience); time.Now().Before(deadline); {
		check(t, c.WriteTo(question, nil, netip.IPv6LinkLocalAllRouters()))
		check(t, c.SetReadDeadline(time.Now().Add(time.Second)))
		for {
			m, _, _, err := c.ReadFrom()
			if err != nil {
				break
			}
			if ra, ok := m.(*ndp.RouterAdvertisement); ok {
				return ra
			}
		}
	}
	t.Fatal("no router advertisement")
	return nil
}
