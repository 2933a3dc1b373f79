package apiserver_test

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/northbound-ovn/northbound/pkg/agent/unixctl"
	"github.com/northbound-ovn/northbound/pkg/apiserver"
	"github.com/northbound-ovn/northbound/pkg/apiserver/apiservertest"
	"github.com/northbound-ovn/northbound/pkg/ovn"
	"github.com/northbound-ovn/northbound/pkg/ovn/ovntest"
)

// engineNode is a step of ovn-northd in what "inc-engine/show-stats" prints: its name, how often it computed everything anew, and how
// often a part. Those left out only look whether there is something to do, or follow the "sync" of this test.
var (
	engineNode = regexp.MustCompile(`Node: (\w+)\n- recompute: +(\d+)\n- compute: +(\d+)\n`)
	notAsked   = regexp.MustCompile(`^(NB|SB)_|_waker$|^global_config$`)
)

// A write that changes nothing but documents is no work for ovn-northd: from 24.03 on no step of it follows.
func TestDocumentsAreNoWorkForNorthd(t *testing.T) {
	if os.Getenv(ovn.VersionEnv) == "" {
		t.Skip("the ovn-northd of Debian 12 computes everything anew whatever changes; OVN=25.03 selects one that does not")
	}
	s := apiservertest.Start(t, func(o *apiserver.Options) { o.Standalone.NoNorthd = false })
	create(t, s, newVpc("vpc1"), newSubnet("net1", "vpc1", "192.168.0.0/24"), newIP("web.default", "net1"))
	control, err := unixctl.Dial(t.Context(), s.DataDir, "northd")
	if err != nil {
		t.Fatal(err)
	}
	defer control.Close()
	steps := func() map[string]string {
		ovntest.Nbctl(t, s.NBAddress, "--wait=sb", "sync") // it has seen what was before
		text, err := control.Call(t.Context(), "inc-engine/show-stats")
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]string{}
		for _, m := range engineNode.FindAllStringSubmatch(text, -1) {
			out[m[1]] = m[2] + " " + m[3]
		}
		maps.DeleteFunc(out, func(name, _ string) bool { return notAsked.MatchString(name) })
		return out
	}
	before := steps()
	for n := range 20 {
		patch := fmt.Sprintf(`{"metadata":{"labels":{"n":"%d"}}}`, n)
		if _, err := client(t, s).IPs().Patch(t.Context(), "web.default", types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	after := steps()
	if len(before) < 5 || before["northd"] == "" {
		t.Fatalf("not understood: %v", before)
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("20 changes of labels made ovn-northd compute:\n%s", diff)
	}
	create(t, s, newIP("db.default", "net1"))
	if maps.Equal(after, steps()) {
		t.Error("a new port made it compute nothing: this test shows nothing")
	}
}
