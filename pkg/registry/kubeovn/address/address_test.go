package address_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/address"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/ip"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/kindtest"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/vip"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// newWorld holds Subnets and Vpcs as given: what their own kinds do with them is not under test here.
func newWorld(t testing.TB, objects ...storage.Object) *kindtest.World {
	t.Helper()
	cfg := kubeovn.DefaultConfig()
	w := kindtest.New(t,
		storage.NewResource("vpcs", "Vpc", func() *v1.Vpc { return &v1.Vpc{} }, storage.Kind[*v1.Vpc]{}),
		storage.NewResource("subnets", "Subnet", func() *v1.Subnet { return &v1.Subnet{} }, storage.Kind[*v1.Subnet]{}),
		ip.NewResource(cfg), vip.NewResource(cfg))
	w.MustCreate(objects...)
	return w
}

func subnet(name, vpc, cidr, gateway string, exclude ...string) *v1.Subnet {
	return &v1.Subnet{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.SubnetSpec{Vpc: vpc, CIDRBlock: cidr, Gateway: gateway, ExcludeIps: exclude}}
}

func newIP(name, subnet, addrs string) *v1.IP {
	return &v1.IP{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.IPSpec{Subnet: subnet, IPAddress: addrs}}
}

func get[T storage.Object](t testing.TB, w *kindtest.World, resource, name string) T {
	t.Helper()
	o, ok := storage.Get[T](w, resource, name)
	if !ok {
		t.Fatalf("%s/%s does not exist", resource, name)
	}
	return o
}

func TestRefusals(t *testing.T) {
	w := newWorld(t,
		subnet("s4", "vpc1", "10.0.0.0/24", "10.0.0.1", "10.0.0.1", "10.0.0.10..10.0.0.19"),
		subnet("dual", "vpc1", "10.0.1.0/24,fd00::/64", "10.0.1.1,fd00::1"),
		newIP("holder.ns", "s4", "10.0.0.50"),
		&v1.Vip{ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: v1.VipSpec{Subnet: "s4", V4ip: "10.0.0.51"}},
	)
	for _, test := range []struct{ name, subnet, addr, want string }{
		{"an address outside the prefix", "s4", "10.0.1.5", "the ip 10.0.1.5 is not in the range of subnet s4, cidr 10.0.0.0/24"},
		{"an address of a family that the subnet does not have", "s4", "fd00::5", "the ip fd00::5 is not in the range of subnet s4, cidr 10.0.0.0/24"},
		{"the network address", "s4", "10.0.0.0", "10.0.0.0 is the network address of subnet s4"},
		{"the broadcast address", "s4", "10.0.0.255", "10.0.0.255 is the broadcast address of subnet s4"},
		{"the subnet-router anycast address", "dual", "fd00::", "fd00:: is the subnet-router anycast address of subnet dual"},
		{"the gateway", "s4", "10.0.0.1", "10.0.0.1 is the gateway of subnet s4"},
		{"a gateway that is not among the excluded", "dual", "fd00::1", "fd00::1 is the gateway of subnet dual"},
		{"an excluded address, which is kept for those who ask for it", "s4", "10.0.0.15", ""},
		{"an address that an IP has", "s4", "10.0.0.50", "10.0.0.50 is in use by IP holder.ns"},
		{"an address that a Vip has", "s4", "10.0.0.51", "10.0.0.51 is in use by Vip web"},
		{"an address that is free", "s4", "10.0.0.52", ""},
		{"the last host", "s4", "10.0.0.254", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := address.Claim(w, get[*v1.Subnet](t, w, "subnets", test.subnet), "ip", netip.MustParseAddr(test.addr))
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestAllocationIsARing(t *testing.T) {
	w := newWorld(t, subnet("s", "vpc1", "10.0.0.0/29", "10.0.0.1", "10.0.0.1", "10.0.0.4"))
	create := func(name, want string) {
		t.Helper()
		if err := w.Create(newIP(name, "s", "")); err != nil {
			t.Fatal(err)
		}
		if got := get[*v1.IP](t, w, "ips", name).Spec.V4IPAddress; got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
	create("a", "10.0.0.2") // the lowest; the gateway is not given out
	create("b", "10.0.0.3")
	if err := w.Delete("ips", "a"); err != nil {
		t.Fatal(err)
	}
	create("c", "10.0.0.5") // neither the excluded one nor the one just released
	create("d", "10.0.0.6")
	create("e", "10.0.0.2") // around
	err := w.Create(newIP("f", "s", ""))
	if want := "no address left in subnet s: 4 of 4 in use"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("a full subnet: got %v, want an error with %q", err, want)
	}
	if err := w.Delete("ips", "c"); err != nil {
		t.Fatal(err)
	}
	create("f", "10.0.0.5")
}

func TestAFullFamilyIsNamed(t *testing.T) {
	w := newWorld(t, subnet("dual", "vpc1", "10.0.0.0/30,fd00::/64", "10.0.0.1,fd00::1"), newIP("a", "dual", ""))
	if got, want := get[*v1.IP](t, w, "ips", "a").Spec.IPAddress, "10.0.0.2,fd00::2"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	err := w.Create(newIP("b", "dual", ""))
	if want := "no address left in subnet dual: 1 of 1 in use in 10.0.0.0/30"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want an error with %q", err, want)
	}
	if h := address.Holder(w, "dual", netip.MustParseAddr("fd00::3")); h != nil {
		t.Errorf("a refused IP left %s behind", address.Describe(h))
	}
}

func TestMACs(t *testing.T) {
	w := newWorld(t,
		subnet("s1", "vpc1", "10.0.0.0/24", "10.0.0.1"), subnet("s2", "vpc1", "10.0.1.0/24", "10.0.1.1"),
		subnet("other", "vpc2", "10.0.0.0/24", "10.0.0.1"))
	withMAC := func(name, subnet, mac string) *v1.IP {
		o := newIP(name, subnet, "")
		o.Spec.MacAddress = mac
		return o
	}
	w.MustCreate(withMAC("a", "s1", "00:00:00:AB:CD:EF"))
	err := w.Create(withMAC("b", "s2", "00:00:00:ab:cd:ef"))
	if want := "MAC 00:00:00:ab:cd:ef is in use by IP a"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("the same MAC in the same VPC: got %v, want an error with %q", err, want)
	}
	w.MustCreate(withMAC("c", "other", "00:00:00:ab:cd:ef"))

	// The MAC that would be generated is taken already: the next one is.
	free, err := address.NewMAC(w, "vpc1", "s2/10.0.1.2")
	if err != nil {
		t.Fatal(err)
	}
	again, _ := address.NewMAC(w, "vpc1", "s2/10.0.1.2")
	if free != again {
		t.Errorf("the same snapshot gives %s and %s", free, again)
	}
	w.MustCreate(withMAC("squatter", "s1", strings.ToLower(free)), newIP("d", "s2", ""))
	got := get[*v1.IP](t, w, "ips", "d").Spec.MacAddress
	if strings.EqualFold(got, free) || !strings.HasPrefix(got, "00:00:00:") || got != strings.ToUpper(got) {
		t.Errorf("got MAC %s, want an upper-case 00:00:00:XX:XX:XX other than %s", got, free)
	}
}

func TestMACsOfSubnetsWithoutAVpc(t *testing.T) {
	underlay := func(name, vlan, cidr string) *v1.Subnet {
		s := subnet(name, "", cidr, "")
		s.Spec.Vlan = vlan
		return s
	}
	w := newWorld(t, underlay("a", "vlan1", "10.0.0.0/24"), underlay("b", "vlan1", "10.0.1.0/24"), underlay("c", "vlan2", "10.0.0.0/24"), underlay("d", "", "10.0.0.0/24"))
	withMAC := func(name, subnet string) *v1.IP {
		o := newIP(name, subnet, "")
		o.Spec.MacAddress = "00:00:00:00:00:01"
		return o
	}
	w.MustCreate(withMAC("first", "a"), withMAC("other-vlan", "c"), withMAC("other-plugin", "d"))
	if err := w.Create(withMAC("second", "b")); err == nil || !strings.Contains(err.Error(), "in use by IP first") {
		t.Errorf("the same MAC on the same Vlan: got %v", err)
	}
}

func TestCheckMAC(t *testing.T) {
	for _, test := range []struct {
		mac   string
		right bool
	}{
		{"00:00:00:F0:DB:25", true},
		{"0a:58:0a:f4:00:01", true},
		{"01:00:5e:00:00:01", false},
		{"ff:ff:ff:ff:ff:ff", false},
		{"00:00:00:00:00:00", false},
		{"00-00-00-F0-DB-25", false},
		{"0000.00f0.db25", false},
		{"00:00:00:f0:db", false},
		{"00:00:00:00:00:00:00:01", false},
		{"", false},
	} {
		if err := address.CheckMAC(test.mac); (err == nil) != test.right {
			t.Errorf("%q: got %v, want right %v", test.mac, err, test.right)
		}
	}
}

func TestUsedAndCount(t *testing.T) {
	w := newWorld(t, subnet("s", "vpc1", "10.0.0.0/16,fd00::/64", "10.0.0.1,fd00::1"), subnet("s.t", "vpc1", "10.1.0.0/16", "10.1.0.1"),
		newIP("a", "s", "10.0.0.9,fd00::9"), newIP("b", "s", "10.0.0.200,fd00::a"), newIP("c", "s", "10.0.1.0,fd00::b"), newIP("d", "s.t", "10.1.0.9"))
	list := func(p netip.Prefix) (out []string) {
		for a, holder := range address.Used(w, "s", p) {
			out = append(out, fmt.Sprintf("%s %s", a, holder.GetName()))
		}
		return out
	}
	for _, test := range []struct {
		prefix string
		want   []string
	}{
		{"", []string{"10.0.0.9 a", "10.0.0.200 b", "10.0.1.0 c", "fd00::9 a", "fd00::a b", "fd00::b c"}},
		{"10.0.0.0/24", []string{"10.0.0.9 a", "10.0.0.200 b"}},
		{"10.0.1.0/32", []string{"10.0.1.0 c"}},
		{"fd00::8/126", []string{"fd00::9 a", "fd00::a b", "fd00::b c"}},
		{"10.9.0.0/16", nil},
	} {
		p, _ := netip.ParsePrefix(test.prefix)
		if diff := cmp.Diff(test.want, list(p)); diff != "" {
			t.Errorf("used in %q (-want +got):\n%s", test.prefix, diff)
		}
	}
	if v4, v6 := address.Count(w, "s"); v4 != 3 || v6 != 3 {
		t.Errorf("Count: got %d and %d, want 3 and 3", v4, v6)
	}
}

func TestAHintOfAnOlderPrefixDoesNoHarm(t *testing.T) {
	w := newWorld(t, subnet("s", "vpc1", "10.9.0.0/24,fd00:9::/112", ""), newIP("a", "s", ""))
	if err := kindtest.Change(w, "subnets", "s", func(s *v1.Subnet) { s.Spec.CIDRBlock = "10.0.0.0/24,fd00::/64" }); err != nil {
		t.Fatal(err)
	}
	got, errs := address.Allocate(w, get[*v1.Subnet](t, w, "subnets", "s"), address.Request{Resource: "ips", Name: "b", Paths: paths})
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	for _, a := range got.Addrs.All() {
		if !netip.MustParsePrefix("10.0.0.0/24").Contains(a) && !netip.MustParsePrefix("fd00::/64").Contains(a) {
			t.Errorf("%s is outside the subnet", a)
		}
	}
}

func TestASubnetOfAnOldNameBeginsWithItsFirstAddress(t *testing.T) {
	w := newWorld(t)
	for range 2 {
		w.MustCreate(subnet("s", "vpc1", "10.9.0.0/24,fd00:9::/112", "10.9.0.1,fd00:9::1"), newIP("a", "s", ""))
		if got := get[*v1.IP](t, w, "ips", "a").Spec.IPAddress; got != "10.9.0.2,fd00:9::2" {
			t.Errorf("got %s, want the first addresses", got)
		}
		for _, o := range [][2]string{{"ips", "a"}, {"subnets", "s"}} {
			if err := w.Delete(o[0], o[1]); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestASubnetWithoutAddressesGrantsAMAC(t *testing.T) {
	w := newWorld(t, subnet("mac", "vpc1", "", ""))
	got, errs := address.Allocate(w, get[*v1.Subnet](t, w, "subnets", "mac"), address.Request{Resource: "ips", Name: "b", Paths: paths})
	if len(errs) > 0 || got.MAC == "" || got.Addrs != (ipam.Addrs{}) {
		t.Errorf("got %v and %v, want a MAC alone", got, errs)
	}
}

var paths = address.Paths{Subnet: field.NewPath("subnet"), V4: field.NewPath("v4"), V6: field.NewPath("v6"), MAC: field.NewPath("mac")}

func TestWhoeverGetsAnAddressAfterAnotherGetsItsMAC(t *testing.T) {
	w := newWorld(t, subnet("s1", "vpc1", "10.0.0.0/24", "10.0.0.1"), subnet("s2", "vpc1", "10.0.1.0/24", "10.0.1.1"))
	w.MustCreate(newIP("a", "s1", "10.0.0.9"), newIP("other", "s2", "10.0.1.9"))
	former := get[*v1.IP](t, w, "ips", "a").Spec.MacAddress
	if err := w.Delete("ips", "a"); err != nil {
		t.Fatal(err)
	}
	w.MustCreate(newIP("b", "s1", "10.0.0.9"))
	if got := get[*v1.IP](t, w, "ips", "b").Spec.MacAddress; got != former {
		t.Errorf("the MAC of 10.0.0.9 was %s, and is %s", former, got)
	}
	if other := get[*v1.IP](t, w, "ips", "other").Spec.MacAddress; other == former {
		t.Errorf("10.0.1.9 has the same MAC %s", other)
	}
}
