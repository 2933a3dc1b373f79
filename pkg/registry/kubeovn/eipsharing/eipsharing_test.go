package eipsharing_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/eipsharing"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/kindtest"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// uses are what the rules of the test make of an address, by name.
var uses = map[string]eipsharing.Use{
	"fip":       {Sort: eipsharing.FIP},
	"snat":      {Sort: eipsharing.SNAT},
	"tcp-22":    {Sort: eipsharing.DNAT, Protocol: "TCP", Port: "22"},
	"tcp-2":     {Sort: eipsharing.DNAT, Protocol: "tcp", Port: "2"},
	"udp-22":    {Sort: eipsharing.DNAT, Protocol: "udp", Port: "22"},
	"shared-22": {Sort: eipsharing.DNAT, Protocol: "tcp", Port: "22", Share: true},
	"elsewhere": {Sort: eipsharing.SNAT, Router: "vpc2"},
}

func useOf(name string) eipsharing.Use {
	u := uses[name]
	u.Resource, u.EIP = "eips", "e"
	if u.Router == "" {
		u.Router = "vpc1"
	}
	return u
}

// newWorld holds the rules of the given names, "<name of the use>" or "<name of the use>.<more>".
func newWorld(t *testing.T, rules ...*v1.Vip) *kindtest.World {
	w := kindtest.New(t, storage.NewResource("vips", "Vip", func() *v1.Vip { return &v1.Vip{} }, storage.Kind[*v1.Vip]{
		Index: func(o *v1.Vip) []string { return useOf(o.Spec.Subnet).Keys() }}))
	for _, r := range rules {
		w.MustCreate(r)
	}
	return w
}

func rule(name, use string) *v1.Vip {
	return &v1.Vip{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.VipSpec{Subnet: use}}
}

// TestTheMatrix holds every pair of uses to the table in docs/eip-sharing.md: what is not named here may not share.
func TestTheMatrix(t *testing.T) {
	may := map[[2]string]bool{}
	for _, pair := range [][2]string{
		{"snat", "snat"}, {"elsewhere", "elsewhere"}, {"shared-22", "shared-22"},
		{"snat", "tcp-22"}, {"snat", "tcp-2"}, {"snat", "udp-22"}, {"snat", "shared-22"},
		{"tcp-22", "tcp-2"}, {"tcp-22", "udp-22"}, {"tcp-2", "udp-22"}, {"tcp-2", "shared-22"}, {"udp-22", "shared-22"},
	} {
		may[pair], may[[2]string{pair[1], pair[0]}] = true, true
	}
	for first := range uses {
		for second := range uses {
			w := newWorld(t, rule("a", first))
			err := useOf(second).Check(w, rule("b", second))
			if got := err == nil; got != may[[2]string{first, second}] {
				t.Errorf("%s beside %s: got %v, want %v (%v)", second, first, got, !got, err)
			}
			if err := useOf(first).Check(w, rule("a", first)); err != nil {
				t.Errorf("%s is in its own way: %v", first, err)
			}
		}
	}
}

func TestTheRefusalNamesTheRuleInTheWay(t *testing.T) {
	w := newWorld(t, rule("s", "snat"), rule("d", "tcp-22"))
	err := useOf("shared-22").Check(w, rule("x", "shared-22"))
	if want := "e is in use by Vip d: it forwards tcp port 22 already, alone (type exclusive)"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestUses(t *testing.T) {
	w := newWorld(t, rule("s", "snat"), rule("d", "tcp-22"))
	if got := eipsharing.Uses(w, "eips", "e"); got != "dnat,snat" {
		t.Errorf("got %q", got)
	}
	if got := eipsharing.Uses(w, "eips", "e2"); got != "" {
		t.Errorf("got %q of an address that nothing uses", got)
	}
}
