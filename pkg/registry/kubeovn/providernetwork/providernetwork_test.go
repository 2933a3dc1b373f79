package providernetwork_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/kindtest"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/providernetwork"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

func newNetwork(name string, spec v1.ProviderNetworkSpec) *v1.ProviderNetwork {
	return &v1.ProviderNetwork{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec}
}

func TestShapeOfAProviderNetwork(t *testing.T) {
	custom := func(c ...v1.CustomInterface) v1.ProviderNetworkSpec {
		return v1.ProviderNetworkSpec{DefaultInterface: "eth1", CustomInterfaces: c}
	}
	for _, test := range []struct {
		name string
		pn   *v1.ProviderNetwork
		want []string
	}{
		{"that of the users' guide", newNetwork("external204", v1.ProviderNetworkSpec{DefaultInterface: "vlan"}), nil},
		{"the longest name", newNetwork("twelve-chars", v1.ProviderNetworkSpec{DefaultInterface: "eth1"}), nil},
		{"a name that fits no bridge", newNetwork("thirteen-char", v1.ProviderNetworkSpec{DefaultInterface: "eth1"}), []string{"metadata.name", `"br-thirteen-char"`, "at most 12"}},
		{"no interface", newNetwork("n", v1.ProviderNetworkSpec{}), []string{"spec.defaultInterface: Required"}},
		{"an interface with a slash", newNetwork("n", v1.ProviderNetworkSpec{DefaultInterface: "a/b"}), []string{"spec.defaultInterface", "slashes"}},
		{"an interface with a long name", newNetwork("n", v1.ProviderNetworkSpec{DefaultInterface: "sixteen-chars-xx"}), []string{"spec.defaultInterface", "at most 15"}},
		{"interfaces of some nodes", newNetwork("n", custom(v1.CustomInterface{Interface: "eth2", Nodes: []string{"n1", "n2"}}, v1.CustomInterface{Interface: "eth3", Nodes: []string{"n3"}})), nil},
		{"a node with two interfaces", newNetwork("n", custom(v1.CustomInterface{Interface: "eth2", Nodes: []string{"n1"}}, v1.CustomInterface{Interface: "eth3", Nodes: []string{"n1"}})),
			[]string{"spec.customInterfaces[1].nodes[0]", "through eth2 already"}},
		{"an interface of no node", newNetwork("n", custom(v1.CustomInterface{Interface: "eth2"})), []string{"spec.customInterfaces[0].nodes: Required"}},
		{"a VLAN interface of another form", newNetwork("n", v1.ProviderNetworkSpec{DefaultInterface: "eth1", VlanInterfaces: []string{"eth1.10", "vlan10"}}), []string{"spec.vlanInterfaces[1]", "eth0.10"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := kindtest.New(t, providernetwork.NewResource(kubeovn.DefaultConfig()))
			kindtest.WantRefusal(t, w.Create(test.pn), test.want...)
		})
	}
}

func TestTheStatusSumsUpWhatAgentsSay(t *testing.T) {
	w := kindtest.New(t, providernetwork.NewResource(kubeovn.DefaultConfig()))
	w.MustCreate(newNetwork("n", v1.ProviderNetworkSpec{DefaultInterface: "eth1"}))
	say := func(node string, status metav1.ConditionStatus) v1.ProviderNetworkStatus {
		err := kindtest.Change(w, "provider-networks", "n", func(pn *v1.ProviderNetwork) {
			pn.Status.Conditions = append(pn.Status.Conditions, v1.ProviderNetworkCondition{Node: node, Type: "Ready", Status: status})
		})
		if err != nil {
			t.Fatal(err)
		}
		stored, _ := storage.Get[*v1.ProviderNetwork](w, "provider-networks", "n")
		return stored.Status
	}
	if s := say("n2", metav1.ConditionTrue); !s.Ready {
		t.Errorf("the only node is connected: %+v", s)
	}
	got := say("n1", metav1.ConditionFalse)
	if diff := cmp.Diff([]any{false, []string{"n2"}, []string{"n1"}}, []any{got.Ready, got.ReadyNodes, got.NotReadyNodes}); diff != "" {
		t.Error(diff)
	}
	err := kindtest.Change(w, "provider-networks", "n", func(pn *v1.ProviderNetwork) {
		pn.Status.Conditions = []v1.ProviderNetworkCondition{{Type: "Ready", Status: "Maybe"}}
	})
	kindtest.WantRefusal(t, err, "status.conditions[0].node: Required", "status.conditions[0].status")
}
