package podinterfaces

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	genericapirequest "k8s.io/apiserver/pkg/endpoints/request"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ovn/ovntest"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/ip"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/vip"
	"github.com/northbound-ovn/northbound/pkg/storage"
	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

var _ Batch = (*storage.Engine)(nil)

// network is an engine on a real database with a few Subnets. Their own kinds are not under test here: a Subnet is its switch.
type network struct {
	*testing.T
	engine  *storage.Engine
	rest    *REST
	address string
}

func newNetwork(t *testing.T) *network {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	central := ovntest.NB(t)
	cfg := kubeovn.DefaultConfig()
	engine, err := storage.Open(t.Context(), storage.Options{
		NB:    ovsdb.Options{Addresses: []string{central.NBAddress()}},
		Group: v1.GroupName,
		Resources: []*storage.Resource{
			storage.NewResource("subnets", "Subnet", func() *v1.Subnet { return &v1.Subnet{} }, storage.Kind[*v1.Subnet]{Rows: switchOf}),
			ip.NewResource(cfg), vip.NewResource(cfg),
		},
		Tables: map[string][]string{
			nb.LogicalSwitch:     {"name", "ports", "external_ids"},
			nb.LogicalSwitchPort: {"name", "type", "addresses", "port_security", "options", "dhcpv4_options", "dhcpv6_options", "external_ids"},
		},
		Codec: serializer.NewCodecFactory(scheme).LegacyCodec(v1.SchemeGroupVersion),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(engine.Close)
	if err := engine.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	n := &network{t, engine, NewREST(engine, scheme), central.NBAddress()}
	n.must(
		subnet("main", v1.SubnetSpec{Vpc: "vpc1", CIDRBlock: "10.0.0.0/24", Gateway: "10.0.0.1", Provider: "ovn", Mtu: 1400}),
		subnet("second", v1.SubnetSpec{Vpc: "vpc1", CIDRBlock: "10.0.1.0/24", Gateway: "10.0.1.1", Provider: "nad.ns.ovn"}),
		subnet("macvlan", v1.SubnetSpec{Vpc: "vpc1", CIDRBlock: "172.16.0.0/24", Gateway: "172.16.0.1", Provider: "nad.default"}),
		subnet("tiny", v1.SubnetSpec{Vpc: "vpc1", CIDRBlock: "10.0.2.0/30", Gateway: "10.0.2.1", Provider: "tiny.ns.ovn"}),
	)
	n.must(&v1.Vip{ObjectMeta: metav1.ObjectMeta{Name: "aap"}, Spec: v1.VipSpec{Subnet: "second", Namespace: "ns", Selector: []string{"app: a"}}},
		&v1.Vip{ObjectMeta: metav1.ObjectMeta{Name: "own"}, Spec: v1.VipSpec{Subnet: "main", V4ip: "10.0.0.100"}})
	return n
}

func switchOf(_ storage.View, s *v1.Subnet) ([]storage.Row, error) {
	return []storage.Row{{Table: nb.LogicalSwitch, Key: nb.SwitchKey, Columns: ovsdb.Row{"name": ovsdb.String(s.Name)}}}, nil
}

func subnet(name string, spec v1.SubnetSpec) *v1.Subnet {
	return &v1.Subnet{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec}
}

func (n *network) must(objects ...storage.Object) {
	n.Helper()
	if _, err := n.engine.CreateAll(n.Context(), objects, false); err != nil {
		n.Fatal(err)
	}
}

// clusterScope is the context of a request for a cluster-scoped resource.
func (n *network) clusterScope() context.Context {
	return genericapirequest.WithNamespace(n.Context(), metav1.NamespaceNone)
}

func (n *network) post(req *v1.PodInterfaces, dryRun ...string) (*v1.PodInterfaces, error) {
	out, err := n.rest.Create(n.clusterScope(), req, nil, &metav1.CreateOptions{DryRun: dryRun})
	if err != nil {
		return nil, err
	}
	return out.(*v1.PodInterfaces), nil
}

func (n *network) mustPost(req *v1.PodInterfaces, dryRun ...string) *v1.PodInterfaces {
	n.Helper()
	out, err := n.post(req, dryRun...)
	if err != nil {
		n.Fatal(err)
	}
	return out
}

// ips are the names of the IPs that exist.
func (n *network) ips() []string {
	names := []string{}
	for o := range n.engine.View().List("ips") {
		names = append(names, o.GetName())
	}
	return names
}

func request(pod, uid string, nics ...v1.PodInterface) *v1.PodInterfaces {
	return &v1.PodInterfaces{Spec: v1.PodInterfacesSpec{PodName: pod, PodNamespace: "ns", PodUID: uid, NodeName: "n1", ContainerID: "c1", Interfaces: nics}}
}

func TestAllInterfacesOfAPod(t *testing.T) {
	n := newNetwork(t)
	req := request("web", "u1", v1.PodInterface{Subnet: "main", AAPs: []string{"aap"}}, v1.PodInterface{Subnet: "second", AAPs: []string{"aap"}}, v1.PodInterface{Subnet: "macvlan"})
	req.Labels = map[string]string{"team": "a"}
	dry := n.mustPost(req, metav1.DryRunAll)
	if got := n.ips(); len(got) > 0 {
		t.Errorf("a dry run created %v", got)
	}
	got := n.mustPost(req)
	if diff := cmp.Diff(dry.Status, got.Status); diff != "" {
		t.Errorf("a dry run foretells the answer (-dry +real):\n%s", diff)
	}
	want := []v1.PodInterfaceStatus{
		{Name: "web.ns", Provider: "ovn", CIDRBlock: "10.0.0.0/24", Gateway: "10.0.0.1", Mtu: 1400},
		{Name: "web.ns.nad.ns.ovn", Provider: "nad.ns.ovn", CIDRBlock: "10.0.1.0/24", Gateway: "10.0.1.1"},
		{Name: "web.ns.nad.default", Provider: "nad.default", CIDRBlock: "172.16.0.0/24", Gateway: "172.16.0.1"},
	}
	for i, w := range want {
		w.Spec = got.Status.Interfaces[i].Spec
		if diff := cmp.Diff(w, got.Status.Interfaces[i]); diff != "" {
			t.Errorf("interface %d (-want +got):\n%s", i, diff)
		}
	}
	first, second := got.Status.Interfaces[0].Spec, got.Status.Interfaces[1].Spec
	if first.IPAddress != "10.0.0.2" || first.MacAddress == "" || len(first.Vips) > 0 {
		t.Errorf("first interface: %+v", first)
	}
	if !cmp.Equal(second.Vips, []string{"aap"}) || second.PodUID != "u1" || second.NodeName != "n1" || second.ContainerID != "c1" {
		t.Errorf("second interface: %+v", second)
	}
	stored, _ := storage.Get[*v1.IP](n.engine.View(), "ips", "web.ns")
	if stored.Labels["team"] != "a" || stored.Labels[v1.LabelSubnet] != "main" || stored.UID == "" || stored.CreationTimestamp.IsZero() {
		t.Errorf("metadata of the IP: %+v", stored.ObjectMeta)
	}
	// What the database holds is what was answered; the interface of another plugin has no port.
	ports := ovntest.Nbctl(t, n.address, "--bare", "--columns=name,addresses", "--format=csv", "list", nb.LogicalSwitchPort)
	for _, line := range []string{"web.ns," + first.MacAddress + " 10.0.0.2", "web.ns.nad.ns.ovn," + second.MacAddress + " " + second.IPAddress, "aap,"} {
		if !strings.Contains(ports, line) {
			t.Errorf("there is no port %q among\n%s", line, ports)
		}
	}
	if strings.Contains(ports, "nad.default") {
		t.Errorf("the interface of another plugin has a port:\n%s", ports)
	}
	options := ovntest.Nbctl(t, n.address, "get", nb.LogicalSwitchPort, "aap", "options:virtual-parents")
	if got, want := strings.TrimSpace(options), "web.ns.nad.ns.ovn"; strings.Trim(got, `"`) != want {
		t.Errorf("virtual parents: got %s, want %s", got, want)
	}
}

func TestAllOrNone(t *testing.T) {
	n := newNetwork(t)
	n.mustPost(request("a", "u1", v1.PodInterface{Subnet: "tiny"}))
	_, err := n.post(request("b", "u2", v1.PodInterface{Subnet: "main"}, v1.PodInterface{Subnet: "tiny"}))
	if want := "spec.interfaces[1]: "; err == nil || !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), "no address left in subnet tiny: 1 of 1 in use") {
		t.Errorf("got %v, want an error about %s", err, want)
	}
	if !apierrors.IsInvalid(err) {
		t.Errorf("got reason %v, want Invalid", apierrors.ReasonForError(err))
	}
	if status, ok := err.(apierrors.APIStatus); ok {
		if got, want := status.Status().Details.Causes[0].Field, "spec.interfaces[1].subnet"; got != want {
			t.Errorf("got field %q, want %q", got, want)
		}
	}
	if diff := cmp.Diff([]string{"a.ns.tiny.ns.ovn"}, n.ips()); diff != "" {
		t.Errorf("IPs (-want +got):\n%s", diff)
	}
}

func TestRepetition(t *testing.T) {
	n := newNetwork(t)
	req := request("web", "u1", v1.PodInterface{Subnet: "main"}, v1.PodInterface{Subnet: "second"})
	first := n.mustPost(req)
	if diff := cmp.Diff(first.Status, n.mustPost(req).Status); diff != "" {
		t.Errorf("the answer to the repetition differs (-first +second):\n%s", diff)
	}
	// A request that grew is carried out as far as it is new.
	req.Spec.Interfaces = append(req.Spec.Interfaces, v1.PodInterface{Subnet: "macvlan"})
	grown := n.mustPost(req)
	if diff := cmp.Diff(first.Status.Interfaces, grown.Status.Interfaces[:2]); diff != "" || len(n.ips()) != 3 {
		t.Errorf("IPs %v; what was there differs (-before +after):\n%s", n.ips(), diff)
	}
	req.Spec.Interfaces = []v1.PodInterface{{Subnet: "tiny", Name: "web.ns"}}
	if _, err := n.post(req); !apierrors.IsConflict(err) || !strings.Contains(err.Error(), "the pod has it in subnet main, not in tiny") {
		t.Errorf("got %v, want a conflict about the Subnet", err)
	}
}

func TestConcurrentRepetitionsAgree(t *testing.T) {
	n := newNetwork(t)
	req := request("web", "u1", v1.PodInterface{Subnet: "main"}, v1.PodInterface{Subnet: "second"})
	const parallel = 8
	answers, errs := make([]*v1.PodInterfaces, parallel), make([]error, parallel)
	var wg sync.WaitGroup
	for i := range parallel {
		wg.Go(func() { answers[i], errs[i] = n.post(req) })
	}
	wg.Wait()
	for i := range parallel {
		if errs[i] != nil {
			t.Fatal(errs[i])
		}
		if diff := cmp.Diff(answers[0].Status, answers[i].Status); diff != "" {
			t.Errorf("answer %d differs from answer 0:\n%s", i, diff)
		}
	}
}

func TestTheInterfaceOfAnotherPodIsAConflict(t *testing.T) {
	n := newNetwork(t)
	n.mustPost(request("web", "u1", v1.PodInterface{Subnet: "main"}))
	_, err := n.post(request("web", "u2", v1.PodInterface{Subnet: "main"}))
	if !apierrors.IsConflict(err) || !strings.Contains(err.Error(), `pod ns/web with UID u1 on node "n1" has it`) {
		t.Errorf("got %v, want a conflict that names the holder", err)
	}
}

func TestAPodUsesAVip(t *testing.T) {
	n := newNetwork(t)
	got := n.mustPost(request("web", "u1", v1.PodInterface{Vip: "own"}))
	if s := got.Status.Interfaces[0].Spec; s.Subnet != "main" || s.IPAddress != "10.0.0.100" {
		t.Errorf("got %+v, want the Vip's Subnet and address", s)
	}
}

func TestRequestsAreValidated(t *testing.T) {
	n := newNetwork(t)
	main := v1.PodInterface{Subnet: "main"}
	for _, test := range []struct {
		name   string
		change func(*v1.PodInterfacesSpec)
		want   string
	}{
		{"no pod", func(s *v1.PodInterfacesSpec) { s.PodName = "" }, "spec.podName: Required value"},
		{"no UID", func(s *v1.PodInterfacesSpec) { s.PodUID = "" }, "spec.podUID: Required value"},
		{"no node", func(s *v1.PodInterfacesSpec) { s.NodeName = "" }, "spec.nodeName: Required value"},
		{"no interfaces", func(s *v1.PodInterfacesSpec) { s.Interfaces = nil }, "spec.interfaces: Required value"},
		{"too many interfaces", func(s *v1.PodInterfacesSpec) { s.Interfaces = make([]v1.PodInterface, 33) }, "spec.interfaces: Too many"},
		{"neither a Subnet nor a Vip", func(s *v1.PodInterfacesSpec) { s.Interfaces[0].Subnet = "" }, "spec.interfaces[0].subnet: Required value"},
		{"a Subnet that does not exist", func(s *v1.PodInterfacesSpec) { s.Interfaces[0].Subnet = "none" }, `spec.interfaces[0].subnet: Not found: "none"`},
		{"a Vip that does not exist", func(s *v1.PodInterfacesSpec) { s.Interfaces[0] = v1.PodInterface{Vip: "none"} }, `spec.interfaces[0].vip: Not found: "none"`},
		{"a carried Vip that does not exist", func(s *v1.PodInterfacesSpec) { s.Interfaces[0].AAPs = []string{"none"} }, "none"},
		{"two interfaces of one name", func(s *v1.PodInterfacesSpec) { s.Interfaces = []v1.PodInterface{main, main} }, `spec.interfaces[1].name: Duplicate value: "web.ns"`},
		{"a malformed address", func(s *v1.PodInterfacesSpec) { s.Interfaces[0].IPAddress = "ten" }, "spec.interfaces[0]: "},
	} {
		t.Run(test.name, func(t *testing.T) {
			req := request("web", "u1", main)
			test.change(&req.Spec)
			_, err := n.post(req)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
		})
	}
	if got := n.ips(); len(got) > 0 {
		t.Errorf("refused requests created %v", got)
	}
}

func TestAdmissionSeesTheRequest(t *testing.T) {
	n := newNetwork(t)
	refuse := func(_ context.Context, obj runtime.Object) error {
		return apierrors.NewForbidden(v1.Resource("podinterfaces"), obj.(*v1.PodInterfaces).Spec.NodeName, nil)
	}
	_, err := n.rest.Create(n.clusterScope(), request("web", "u1", v1.PodInterface{Subnet: "main"}), refuse, &metav1.CreateOptions{})
	if !apierrors.IsForbidden(err) || len(n.ips()) > 0 {
		t.Errorf("got %v and IPs %v, want a refusal", err, n.ips())
	}
}

// What is taken over keeps its addresses and replaces the stored object, by its resource version.
func TestPrepareTakesOver(t *testing.T) {
	n := newNetwork(t)
	reserved := func(name string, uid string, podType v1.PodType) {
		n.must(&v1.IP{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.IPSpec{Subnet: "main", PodUID: uid, PodType: podType}})
	}
	reserved("user.ns", "", "")
	reserved("set-0.ns", "u1", v1.PodTypeStatefulSet)
	reserved("vm.ns", "u1", v1.PodTypeVirtualMachine)
	for _, test := range []struct {
		pod     string
		podType v1.PodType
		want    string // "" when it is taken over
	}{
		{"user", "", ""},
		{"set-0", v1.PodTypeStatefulSet, ""},
		{"vm", v1.PodTypeVirtualMachine, ""},
		{"vm", v1.PodTypeStatefulSet, "with UID u1"},
		{"set-0", "", "with UID u1"},
	} {
		req := request(test.pod, "u2", v1.PodInterface{Subnet: "main"})
		req.Spec.PodType = test.podType
		v := n.engine.View()
		ips, errs := wantedIPs(v, req)
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		stored, _ := storage.Get[*v1.IP](v, "ips", ips[0].Name)
		write, _, err := n.rest.prepare(n.clusterScope(), v, ips[0])
		if test.want != "" {
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%s of type %q: got %v, want an error with %q", test.pod, test.podType, err, test.want)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if write.ResourceVersion != stored.ResourceVersion || write.ResourceVersion == "" || write.UID != stored.UID {
			t.Errorf("%s: %+v does not replace %+v", test.pod, write.ObjectMeta, stored.ObjectMeta)
		}
		if write.Spec.IPAddress != stored.Spec.IPAddress || write.Spec.PodUID != "u2" || write.Spec.PodName != test.pod {
			t.Errorf("%s: got %+v", test.pod, write.Spec)
		}
	}
}

func TestTheAnswerNamesTheRouterOfAnInterconnectedUnderlay(t *testing.T) {
	n := newNetwork(t)
	underlay := subnet("underlay", v1.SubnetSpec{Vpc: "vpc1", Vlan: "vlan", CIDRBlock: "10.70.0.0/24,fd70::/64", Gateway: "10.70.0.1,fd70::1", Provider: "ovn", U2OInterconnection: true})
	underlay.Status.U2OInterconnectionIP = "10.70.0.2,fd70::2"
	n.must(underlay)
	got := n.mustPost(request("web", "u1", v1.PodInterface{Subnet: "underlay"}, v1.PodInterface{Subnet: "second"})).Status.Interfaces
	if got[0].Gateway != "10.70.0.2,fd70::2" || got[1].Gateway != "10.0.1.1" {
		t.Errorf("gateways %q and %q", got[0].Gateway, got[1].Gateway)
	}
}
