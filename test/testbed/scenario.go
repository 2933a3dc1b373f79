package testbed

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"
	"sigs.k8s.io/yaml"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ovn/ovntest"
)

// Scenario is what one test does on a bed. All that it makes goes at the end of the test, in the reverse order.
type Scenario struct {
	*Bed
	t       testing.TB
	dynamic dynamic.Interface
	mapper  meta.RESTMapper
}

// Begin begins a test. When it has ended, and all that it made is gone, the Northbound database must be what it is now.
// Without a bed the test is skipped.
func (b *Bed) Begin(t testing.TB) *Scenario {
	t.Helper()
	if b == nil {
		t.Skip("no data plane: network namespaces need root")
	}
	s := &Scenario{Bed: b, t: t}
	var err error
	if s.dynamic, err = dynamic.NewForConfig(b.server.Config); err != nil {
		t.Fatal(err)
	}
	groups, err := discovery.NewDiscoveryClientForConfig(b.server.Config)
	if err != nil {
		t.Fatal(err)
	}
	resources, err := restmapper.GetAPIGroupResources(groups)
	if err != nil {
		t.Fatal(err)
	}
	s.mapper = restmapper.NewDiscoveryRESTMapper(resources)
	// Addresses come again with other MACs.
	if err := b.Internet.forgetNeighbours(); err != nil {
		t.Fatal(err)
	}
	before := s.Rows()
	t.Cleanup(func() {
		if diff := cmp.Diff(before, s.Rows()); diff != "" {
			t.Errorf("left behind in the Northbound database (-before +after):\n%s", diff)
		}
	})
	return s
}

// Run runs a part of a scenario as a subtest. What the part makes goes at its end.
func (s *Scenario) Run(name string, part func(*Scenario)) {
	if t, ok := s.t.(*testing.T); ok {
		t.Run(name, func(t *testing.T) {
			inner := *s
			inner.t = t
			part(&inner)
		})
	}
}

// northdColumns are what ovn-northd writes into the Northbound database, at a time of its own.
var northdColumns = regexp.MustCompile(`(?m)^  up (true|false)\n`)

// Rows are the rows of the Northbound database by table and UUID, without the documents and without what ovn-northd writes.
func (s *Scenario) Rows() map[string]string {
	s.t.Helper()
	rows := map[string]string{}
	text := northdColumns.ReplaceAllString(ovntest.Dump(s.t, s.server.NBAddress, "Copp", "NB_Global"), "")
	name := ""
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, " ") {
			name = strings.TrimSpace(line)
		}
		rows[name] += line
	}
	return rows
}

// Nbctl runs ovn-nbctl.
func (s *Scenario) Nbctl(args ...string) string {
	s.t.Helper()
	return ovntest.Nbctl(s.t, s.server.NBAddress, args...)
}

// Version is the release of OVN that runs, as "25.03".
func (s *Scenario) Version() string {
	s.t.Helper()
	var release, series int
	if _, err := fmt.Sscanf(s.Nbctl("--version"), "ovn-nbctl %d.%d", &release, &series); err != nil {
		s.t.Fatal(err)
	}
	return fmt.Sprintf("%d.%02d", release, series)
}

// Settle waits until all hosts do what the database says now.
func (s *Scenario) Settle() {
	s.t.Helper()
	s.Nbctl(fmt.Sprintf("--timeout=%d", int(Patience.Seconds())), "--wait=hv", "sync")
}

// Sample creates the objects of a file of artifacts/samples, in its order. Objects of other groups are for clusters: they are left out.
func (s *Scenario) Sample(file string) {
	s.t.Helper()
	manifest, err := os.ReadFile(filepath.Join("../../artifacts/samples", file))
	if err != nil {
		s.t.Fatal(err)
	}
	s.Apply(string(manifest))
}

// Apply creates the objects of a manifest, in its order. They are of this group unless they say otherwise, and then left out.
func (s *Scenario) Apply(manifest string) {
	s.t.Helper()
	for document := range strings.SplitSeq(manifest, "\n---\n") {
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(document), &object.Object); err != nil {
			s.t.Fatalf("%v in %s", err, document)
		}
		if given := object.GetAPIVersion(); given != "" && given != v1.SchemeGroupVersion.String() {
			continue
		}
		object.SetAPIVersion(v1.SchemeGroupVersion.String())
		resource := s.resource(object.GetKind())
		if _, err := resource.Create(s.t.Context(), object, metav1.CreateOptions{}); err != nil {
			s.t.Fatal(err)
		}
		s.t.Cleanup(func() { s.remove(resource, object.GetKind(), object.GetName()) })
	}
}

// Delete deletes an object before the end of the test.
func (s *Scenario) Delete(kind, name string) {
	s.t.Helper()
	s.remove(s.resource(kind), kind, name)
}

// Patch merges a JSON text into an object.
func (s *Scenario) Patch(kind, name, patch string) {
	s.t.Helper()
	if _, err := s.resource(kind).Patch(s.after(), name, types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
		s.t.Fatal(err)
	}
}

// EIP returns the addresses of an OvnEip; empty where it has none.
func (s *Scenario) EIP(name string) (v4, v6 string) {
	s.t.Helper()
	eip, err := s.API.OvnEips().Get(s.t.Context(), name, metav1.GetOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	return eip.Status.V4IP, eip.Status.V6IP
}

// Vip returns the addresses of a Vip; empty where it has none.
func (s *Scenario) Vip(name string) (v4, v6 string) {
	s.t.Helper()
	vip, err := s.API.Vips().Get(s.t.Context(), name, metav1.GetOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	return vip.Status.V4ip, vip.Status.V6ip
}

func (s *Scenario) resource(kind string) dynamic.ResourceInterface {
	s.t.Helper()
	mapping, err := s.mapper.RESTMapping(v1.SchemeGroupVersion.WithKind(kind).GroupKind())
	if err != nil {
		s.t.Fatal(err)
	}
	return s.dynamic.Resource(mapping.Resource)
}

func (s *Scenario) remove(resource dynamic.ResourceInterface, kind, name string) {
	s.t.Helper()
	err := resource.Delete(s.after(), name, metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		s.t.Errorf("%s %s: %v", kind, name, err)
	}
}

// after is a context for what is done at the end of the test, when its own has ended.
func (s *Scenario) after() context.Context { return context.WithoutCancel(s.t.Context()) }

// Outside makes a station in a VLAN of the physical network for the time of the test; 0 is none.
func (s *Scenario) Outside(name string, vlan int, addresses ...string) *Station {
	s.t.Helper()
	station, err := s.fabric.outside(s.t.Context(), name, vlan, addresses...)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if err := s.fabric.removeOutside(s.after(), station); err != nil {
			s.t.Error(err)
		}
	})
	return station
}

// Asker is a Station, or what has one.
type Asker interface {
	Ask(ctx context.Context, probe string) (string, error)
	String() string
}

// Expect probes (see Station.Ask) until the answer is the wanted one, and fails the test when it never is.
func (s *Scenario) Expect(from Asker, probe, want string) {
	s.t.Helper()
	s.expectAll(from, want, probe)
}

// Reach expects that a station reaches another by ping, TCP and UDP, and what the other one answers.
func (s *Scenario) Reach(from Asker, to string, answer string) {
	s.t.Helper()
	server := netip.AddrPortFrom(netip.MustParseAddr(to), 80).String()
	s.expectAll(from, Pong, "ping "+to)
	s.expectAll(from, answer, "tcp "+server, "udp "+server)
}

// NotReach expects that neither ping nor TCP nor UDP are answered.
func (s *Scenario) NotReach(from Asker, to string) {
	s.t.Helper()
	server := netip.AddrPortFrom(netip.MustParseAddr(to), 80).String()
	s.expectAll(from, Silence, "ping "+to, "tcp "+server, "udp "+server)
}

// expectAll sends probes at the same time.
func (s *Scenario) expectAll(from Asker, want string, probes ...string) {
	s.t.Helper()
	if want == Silence {
		s.Settle() // else it may be that of a port which is not ready yet
	}
	results := make(chan error)
	for _, probe := range probes {
		go func() {
			err := eventually(s.t.Context(), func() error {
				got, err := from.Ask(s.t.Context(), probe)
				if err == nil && got != want {
					err = fmt.Errorf("answer %q", got)
				}
				return err
			})
			if err != nil {
				err = fmt.Errorf("%s: %s: %w, want %q", from, probe, err, want)
			}
			results <- err
		}()
	}
	var errs []error
	for range probes {
		errs = append(errs, <-results)
	}
	if err := errors.Join(errs...); err != nil {
		s.t.Fatal(err)
	}
}

// Answers are the answers to a number of equal probes, sent one after the other, each once.
func (s *Scenario) Answers(from Asker, probe string, number int) []string {
	s.t.Helper()
	var answers []string
	for range number {
		answer, err := from.Ask(s.t.Context(), probe)
		if err != nil {
			s.t.Fatalf("%s: %s: %v", from, probe, err)
		}
		if !slices.Contains(answers, answer) {
			answers = append(answers, answer)
		}
	}
	slices.Sort(answers)
	return answers
}

// ExpectAnswers repeats Answers until they are those wanted, which are in ascending order.
func (s *Scenario) ExpectAnswers(from Asker, probe string, number int, want ...string) {
	s.t.Helper()
	err := eventually(s.t.Context(), func() error {
		if got := s.Answers(from, probe, number); !slices.Equal(got, want) {
			return fmt.Errorf("answers %q", got)
		}
		return nil
	})
	if err != nil {
		s.t.Fatalf("%s: %d times %s: %v, want %q", from, number, probe, err, want)
	}
}

// Cut takes the cables of a host away, as when it loses its power, and returns what puts them back; the end of the test does so, too.
func (s *Scenario) Cut(h *Host) (mend func()) {
	s.t.Helper()
	if err := s.fabric.cut(h.Name, true); err != nil {
		s.t.Fatal(err)
	}
	mend = func() {
		if err := s.fabric.cut(h.Name, false); err != nil {
			s.t.Error(err)
		}
	}
	s.t.Cleanup(mend)
	return mend
}

// Crash ends the Open vSwitch of a host as a failed assertion would; which is then started again.
func (s *Scenario) Crash(h *Host) {
	s.t.Helper()
	if err := h.ovs.crash(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

// Eventually asks until there is no error, and fails the test when there always is.
func (s *Scenario) Eventually(ask func() error) {
	s.t.Helper()
	if err := eventually(s.t.Context(), ask); err != nil {
		s.t.Fatal(err)
	}
}
