package ip

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
)

var strategy = NewStrategy(runtime.NewScheme())

func granted() *v1.IP {
	return &v1.IP{
		ObjectMeta: metav1.ObjectMeta{Name: "a.ns1", Generation: 3},
		Spec: v1.IPSpec{
			PodName: "a", Namespace: "ns1", PodUID: "1", NodeName: "n1", Subnet: "dual", IPAddress: "10.0.1.2,fd00::2",
			V4IPAddress: "10.0.1.2", V6IPAddress: "fd00::2", MacAddress: "00:00:00:AB:CD:EF",
		},
	}
}

func TestValidate(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*v1.IP)
		want   string // "" when right
	}{
		{"a pod's interface", func(*v1.IP) {}, ""},
		{"a reservation", func(ip *v1.IP) { ip.Spec = v1.IPSpec{Subnet: "s"} }, ""},
		{"no Subnet", func(ip *v1.IP) { ip.Spec.Subnet = "" }, "spec.subnet: Required value: subnet parameter cannot be empty"},
		{"a pod without a namespace", func(ip *v1.IP) { ip.Spec.Namespace = "" }, "spec.namespace: Required value"},
		{"a pod's name with a slash", func(ip *v1.IP) { ip.Spec.PodName = "a/b" }, "spec.podName"},
		{"a namespace with a NUL", func(ip *v1.IP) { ip.Spec.Namespace = "a\x00" }, "spec.namespace"},
		{"an object's name with a slash", func(ip *v1.IP) { ip.Name = "a/v6" }, "metadata.name"},
		{"a pod type of nobody", func(ip *v1.IP) { ip.Spec.PodType = "Job" }, "spec.podType: Unsupported value"},
		{"words for an address", func(ip *v1.IP) { ip.Spec.IPAddress = "ten" }, "spec.ipAddress"},
		{"an upper-case IPv6 address", func(ip *v1.IP) { ip.Spec.V6IPAddress, ip.Spec.IPAddress = "FD00::2", "" }, "write fd00::2"},
		{"an IPv6 address as IPv4", func(ip *v1.IP) { ip.Spec.V4IPAddress, ip.Spec.IPAddress = "fd00::2", "" }, "spec.v4IpAddress: Invalid value: \"fd00::2\": is of the other address family"},
		{"two opinions of one address", func(ip *v1.IP) { ip.Spec.V4IPAddress = "10.0.1.3" }, "spec.v4IpAddress: Invalid value: \"10.0.1.3\": differs from spec.ipAddress"},
		{"a multicast MAC", func(ip *v1.IP) { ip.Spec.MacAddress = "01:00:00:00:00:01" }, "spec.macAddress"},
		{"a Vip carried twice", func(ip *v1.IP) { ip.Spec.Vips = []string{"v", "v"} }, "spec.vips[1]: Duplicate value"},
		{"a Vip carried and used", func(ip *v1.IP) { ip.Spec.Vip, ip.Spec.Vips = "v", []string{"v"} }, "spec.vips[0]"},
		{"security groups", func(ip *v1.IP) { ip.Spec.SecurityGroups = []string{"sg"} }, "spec.securityGroups: Forbidden"},
	} {
		t.Run(test.name, func(t *testing.T) {
			ip := granted()
			test.change(ip)
			got := ""
			if err := strategy.Validate(t.Context(), ip).ToAggregate(); err != nil {
				got = err.Error()
			}
			if test.want == "" && got != "" || !strings.Contains(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestUpdateKeepsWhatIsGranted(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*v1.IPSpec)
		want   string // "" when allowed
	}{
		{"a PUT without addresses", func(s *v1.IPSpec) { s.IPAddress, s.V4IPAddress, s.V6IPAddress, s.MacAddress = "", "", "", "" }, ""},
		{"a PUT with one family, as defaulting completes it", func(s *v1.IPSpec) { s.IPAddress, s.V6IPAddress = "10.0.1.2", "" }, ""},
		{"a MAC in lower case", func(s *v1.IPSpec) { s.MacAddress = "00:00:00:ab:cd:ef" }, ""},
		{"another address", func(s *v1.IPSpec) { s.IPAddress, s.V4IPAddress = "", "10.0.1.3" }, "ip a.ns1 v4IPAddress can not change"},
		{"another MAC", func(s *v1.IPSpec) { s.MacAddress = "00:00:00:00:00:01" }, "ip a.ns1 macAddress can not change"},
		{"another Subnet", func(s *v1.IPSpec) { s.Subnet = "s2" }, "spec.subnet: Forbidden: ip a.ns1 subnet can not change"},
		{"another pod", func(s *v1.IPSpec) { s.PodName = "b" }, "ip a.ns1 podName can not change"},
		{"another namespace", func(s *v1.IPSpec) { s.Namespace = "b" }, "ip a.ns1 namespace can not change"},
		{"a Vip", func(s *v1.IPSpec) { s.Vip = "v" }, "ip a.ns1 vip can not change"},
		{"further Subnets", func(s *v1.IPSpec) { s.AttachSubnets = []string{"s2"} }, "ip a.ns1 attachSubnets can not change"},
	} {
		t.Run(test.name, func(t *testing.T) {
			old, ip := granted(), granted()
			test.change(&ip.Spec)
			strategy.PrepareForUpdate(t.Context(), ip, old)
			got := ""
			if err := strategy.ValidateUpdate(t.Context(), ip, old).ToAggregate(); err != nil {
				got = err.Error()
			}
			if test.want == "" && got != "" || !strings.Contains(got, test.want) {
				t.Fatalf("got %q, want %q", got, test.want)
			}
			if test.want != "" {
				return
			}
			if diff := cmp.Diff(old.Spec, ip.Spec); diff != "" {
				t.Errorf("spec changed (-before +after):\n%s", diff)
			}
			if ip.Generation != 3 {
				t.Errorf("got generation %d, want 3: nothing changed", ip.Generation)
			}
		})
	}
}

func TestAnInterfaceMovesToAnotherPodAndNode(t *testing.T) {
	old, ip := granted(), granted()
	ip.Spec.PodUID, ip.Spec.NodeName, ip.Spec.ContainerID, ip.Spec.PodType = "2", "n2", "c", v1.PodTypeStatefulSet
	strategy.PrepareForUpdate(t.Context(), ip, old)
	if errs := strategy.ValidateUpdate(t.Context(), ip, old); len(errs) > 0 {
		t.Error(errs)
	}
	if ip.Generation != 4 {
		t.Errorf("got generation %d, want 4", ip.Generation)
	}
	if diff := cmp.Diff(map[string]string{v1.LabelSubnet: "dual", v1.LabelNode: "n2", v1.LabelIPReserved: "false"}, ip.Labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
}

func TestLabelsOfAReservation(t *testing.T) {
	ip := &v1.IP{ObjectMeta: metav1.ObjectMeta{Name: "a.ns1"}, Spec: v1.IPSpec{Subnet: strings.Repeat("s", 64)}}
	strategy.PrepareForCreate(t.Context(), ip)
	// The name of the Subnet is no value of a label.
	if diff := cmp.Diff(map[string]string{v1.LabelNode: "", v1.LabelIPReserved: "true"}, ip.Labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
}

func TestANameThatNoPodLooksForIsWarnedOf(t *testing.T) {
	for _, test := range []struct {
		name string
		want int
	}{{"a.ns1", 0}, {"a.ns1.nad.ns1.ovn", 0}, {"b.ns1", 1}} {
		ip := granted()
		ip.Name = test.name
		if got := strategy.WarningsOnCreate(t.Context(), ip); len(got) != test.want {
			t.Errorf("%s: got %v, want %d warnings", test.name, got, test.want)
		}
	}
}

func TestAPUTWithoutAResourceVersionOverwrites(t *testing.T) {
	if !strategy.AllowUnconditionalUpdate(t.Context()) {
		t.Error("refused")
	}
	if fields := strategy.GetResetFields(); fields != nil {
		t.Errorf("got %v, though an IP has no status", fields)
	}
}

func TestTable(t *testing.T) {
	got, err := Table(nil).ConvertToTable(t.Context(), &v1.IPList{Items: []v1.IP{*granted()}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var header []string
	for _, c := range got.ColumnDefinitions {
		header = append(header, strings.ToUpper(c.Name))
	}
	if diff := cmp.Diff("NAME V4IP V6IP MAC NODE SUBNET AGE", strings.Join(header, " ")); diff != "" {
		t.Errorf("header (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]any{"a.ns1", "10.0.1.2", "fd00::2", "00:00:00:AB:CD:EF", "n1", "dual", "<unknown>"}, got.Rows[0].Cells); diff != "" {
		t.Errorf("cells (-want +got):\n%s", diff)
	}
	hidden, err := Table(nil).ConvertToTable(t.Context(), granted(), &metav1.TableOptions{NoHeaders: true})
	if err != nil || hidden.ColumnDefinitions != nil || len(hidden.Rows) != 1 {
		t.Errorf("without headers: got %v, %v", hidden, err)
	}
}

func TestSelectableFields(t *testing.T) {
	want := map[string]string{"metadata.name": "a.ns1", "spec.subnet": "dual", "spec.nodeName": "n1", "spec.podName": "a", "spec.namespace": "ns1"}
	if diff := cmp.Diff(want, map[string]string(SelectableFields(granted()))); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
}
