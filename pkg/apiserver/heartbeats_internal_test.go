package apiserver

import (
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/chassis"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/kindtest"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

func TestAnAgentIsSilentWhenItsReportIsTheSameForTheGracePeriod(t *testing.T) {
	w := kindtest.New(t, chassis.NewResource(kubeovn.DefaultConfig()))
	now := clocktesting.NewFakePassiveClock(time.Unix(1000, 0))
	away := false
	h := &heartbeats{grace: 40 * time.Second, clock: now, view: func() storage.View {
		if away {
			return nil
		}
		return w
	}}
	expect := func(what string, after time.Duration, want ...string) {
		t.Helper()
		now.SetTime(now.Now().Add(after))
		var got []string
		for _, c := range h.silent() {
			got = append(got, c.Name)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", what, got, want)
		}
	}
	// The clocks of nodes are wrong.
	report := func(name string, status metav1.ConditionStatus, at int64) {
		t.Helper()
		err := kindtest.Change(w, "chassis", name, func(c *v1.Chassis) {
			c.Status.HeartbeatTime = metav1.NewMicroTime(time.Unix(at, 0))
			c.Status.Conditions = []metav1.Condition{{Type: v1.ChassisReady, Status: status}}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for i, name := range []string{"a", "b", "no-agent"} {
		w.MustCreate(&v1.Chassis{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.ChassisSpec{ChassisID: name, EncapIPs: []string{"172.31.0." + string(rune('1'+i))}}})
	}
	report("a", metav1.ConditionTrue, 5)
	report("b", metav1.ConditionFalse, 99999)
	expect("at the start", 0)
	expect("just before the period ends", 39*time.Second)
	report("b", metav1.ConditionTrue, 7)
	expect("when it ends for one", time.Second, "a")
	report("a", metav1.ConditionUnknown, 5)
	expect("when that is known", time.Second)
	away = true
	expect("while the database is away", time.Hour)
	away = false
	expect("when it is back", 0)
	expect("as long as agents may need", 39*time.Second)
	expect("after that", time.Second, "b")
}
