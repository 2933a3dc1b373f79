package subnet_test

import (
	"strings"
	"testing"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/kindtest"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/subnet"
)

// Every rule that private, allowSubnets and allowEWTraffic make is refused as one of the user's.
func TestNoRuleIsAsOneThatAnotherFieldMakes(t *testing.T) {
	fields := func(s *spec) {
		s.Private, s.AllowEWTraffic, s.AllowSubnets = true, true, []string{"10.9.0.0/16", "fd09::/64"}
	}
	w := newWorld(t)
	w.MustCreate(newSubnet("net", "v", "10.0.1.0/24,fd01::/64", fields))
	rows := w.Rows("subnets", "net")
	tried := 0
	for _, row := range rows {
		if row.Table != nb.ACL {
			continue
		}
		tried++
		priority, _ := row.Columns["priority"].AsInt()
		rule := v1.ACL{Direction: v1.ACLDirection(row.Columns["direction"].AsString()), Priority: int32(priority),
			Match: row.Columns["match"].AsString(), Action: "allow"}
		origin := "private"
		if strings.HasPrefix(row.Key, "ew/") {
			origin = "allowEWTraffic"
		}
		change := func(r v1.ACL) error {
			return kindtest.Change(w, "subnets", "net", func(s *v1.Subnet) { s.Spec.Acls = []v1.ACL{r} })
		}
		kindtest.WantRefusal(t, change(rule), "spec."+origin+" makes a rule of the same direction, priority and match")
		rule.Priority++
		if err := change(rule); err != nil {
			t.Errorf("%s with another priority: %v", row.Key, err)
		}
	}
	if tried < 9 {
		t.Errorf("the fields make %d rules only", tried)
	}
	// Without the fields each is the user's.
	w.MustCreate(newSubnet("open", "v", "10.0.2.0/24", func(s *spec) {
		s.Acls = []v1.ACL{{Direction: v1.ACLToLport, Priority: 1000, Match: "ip", Action: "drop"}}
	}))
	kindtest.WantRefusal(t, kindtest.Change(w, "subnets", "open", func(s *v1.Subnet) { s.Spec.Private = true }), "spec.acls[0]")
}

func TestASubnetWithoutRoomIsAWarning(t *testing.T) {
	for prefix, want := range map[string]int{
		"10.0.1.1/32": 1, "10.0.1.0/31": 0, "10.0.1.0/30": 0, "10.0.1.0/24": 0, "fd01::1/128": 1, "fd01::/127": 0, "fd01::/64": 0,
		"10.0.1.1/32,fd01::1/128": 2, "10.0.1.0/24,fd01::1/128": 1,
	} {
		s := newSubnet("net", "v", prefix)
		if got := warned(t, s, nil); len(got) != want {
			t.Errorf("%s: got warnings %q, want %d", prefix, got, want)
		}
		if got := warned(t, s, s); len(got) != 0 {
			t.Errorf("%s, unchanged: got warnings %q", prefix, got)
		}
	}
}

// warned are the warnings of a creation, or of an update when there is an old Subnet.
func warned(t *testing.T, s, old *v1.Subnet) []string {
	strategy := subnet.NewStrategy(nil)
	if old == nil {
		return strategy.WarningsOnCreate(t.Context(), s)
	}
	return strategy.WarningsOnUpdate(t.Context(), s, old)
}
