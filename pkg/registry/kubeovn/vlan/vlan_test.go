package vlan_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/kindtest"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/providernetwork"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/vlan"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

func newProvider(name string) *v1.ProviderNetwork {
	return &v1.ProviderNetwork{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.ProviderNetworkSpec{DefaultInterface: "eth1"}}
}

func newVlan(name, provider string, id int32) *v1.Vlan {
	return &v1.Vlan{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.VlanSpec{ID: id, Provider: provider}}
}

func TestVlansOfANetworkDiffer(t *testing.T) {
	former := newVlan("former", "phys", 7)
	former.Spec.VlanID = 8
	for _, test := range []struct {
		name string
		vlan *v1.Vlan
		want []string
	}{
		{"an identifier that is free", newVlan("v", "phys", 205), nil},
		{"the same identifier in another network", newVlan("v", "other", 204), nil},
		{"an untagged one beside tagged ones", newVlan("v", "phys", 0), nil},
		{"an identifier that another one has", newVlan("v", "phys", 204), []string{"spec.id", "vlan vlan204 of provider network phys has this id already"}},
		{"a second untagged one", newVlan("v", "other", 0), []string{"spec.id", "vlan untagged of provider network other has this id already"}},
		{"an identifier that does not exist", newVlan("v", "phys", 4096), []string{"spec.id", "0 (untagged) to 4095"}},
		{"a network that does not exist", newVlan("v", "nowhere", 1), []string{"spec.provider: Not found", "create the ProviderNetwork first"}},
		{"no network", newVlan("v", "", 1), []string{"spec.provider: Required"}},
		{"two identifiers", former, []string{"spec.vlanId", "the former name of id, which is 7"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg := kubeovn.DefaultConfig()
			w := kindtest.New(t, vlan.NewResource(cfg), providernetwork.NewResource(cfg))
			w.MustCreate(newProvider("phys"), newProvider("other"), newVlan("vlan204", "phys", 204), newVlan("untagged", "other", 0))
			kindtest.WantRefusal(t, w.Create(test.vlan), test.want...)
		})
	}
}

func TestAVlanStaysWhereItIs(t *testing.T) {
	cfg := kubeovn.DefaultConfig()
	w := kindtest.New(t, vlan.NewResource(cfg), providernetwork.NewResource(cfg))
	w.MustCreate(newProvider("phys"), newProvider("other"), newVlan("b", "phys", 2), newVlan("a", "phys", 1))
	kindtest.WantRefusal(t, w.Update(newVlan("a", "phys", 3)), "spec.id", "cannot be changed")
	kindtest.WantRefusal(t, w.Update(newVlan("a", "other", 1)), "spec.provider", "cannot be changed")
	stored, _ := storage.Get[*v1.ProviderNetwork](w, "provider-networks", "phys")
	if diff := cmp.Diff([]string{"a", "b"}, stored.Status.Vlans); diff != "" {
		t.Error(diff)
	}
	if err := w.Delete("provider-networks", "phys"); err != nil || w.Get("provider-networks", "phys") == nil {
		t.Fatalf("the network did not wait for its Vlans: %v", err)
	}
	for _, name := range []string{"a", "b"} {
		if err := w.Delete("vlans", name); err != nil {
			t.Fatal(err)
		}
	}
	if w.Get("provider-networks", "phys") != nil {
		t.Error("the network outlived its last Vlan")
	}
}
