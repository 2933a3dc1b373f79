package cniserver

import (
	"slices"
	"strings"
	"testing"
)

func TestTwoPodsReachEachOther(t *testing.T) {
	n := started(t)
	for _, version := range []string{"", "0.3.1", "0.4.0", "1.0.0", "1.1.0"} {
		t.Run("CNI "+version, func(t *testing.T) {
			a, b := n.pod("a"), n.pod("b")
			if version != "" {
				a.net, b.net = n.network(version), n.network(version)
			}
			ra, rb := a.add(), b.add()
			a.ping(address(rb))
			b.ping(address(ra))
			if len(ra.Interfaces) != 2 || ra.Interfaces[0].Sandbox != "" || ra.Interfaces[1].Name != "eth0" || ra.Interfaces[1].Sandbox != a.sandbox.Path() ||
				len(ra.IPs) != 1 || *ra.IPs[0].Interface != 1 || ra.IPs[0].Gateway.String() != "10.16.0.1" {
				t.Errorf("got result %s", text(ra))
			}
			if version == "1.1.0" && ra.Interfaces[1].Mtu != 1400 {
				t.Errorf("got result %s, want the MTU", text(ra))
			}
			if len(ra.Routes) != 1 || ra.Routes[0].Dst.String() != "0.0.0.0/0" {
				t.Errorf("got routes %s, want the default route", text(ra.Routes))
			}
			if out := a.sandbox.Run(t, "ip", "-o", "link", "show", "eth0"); !strings.Contains(out, "mtu 1400") || !strings.Contains(out, ra.Interfaces[1].Mac) {
				t.Errorf("got link %s, want MTU 1400 and MAC %s", out, ra.Interfaces[1].Mac)
			}
			if version != "0.3.1" {
				if err := a.check(); err != nil {
					t.Errorf("CHECK: %v", err)
				}
			}
			if got, want := n.plugged(), []string{"a.default", "b.default"}; !slices.Equal(got, want) {
				t.Errorf("got ports %v, want %v", got, want)
			}
			a.end()
			b.end()
			n.nothingLeft()
		})
	}
}
