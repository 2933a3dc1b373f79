package apiserver_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/northbound-ovn/northbound/pkg/apis/count"
	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/apiserver/apiservertest"
	"github.com/northbound-ovn/northbound/pkg/ovn/ovntest"
)

func TestStrictDecoding(t *testing.T) {
	s := apiservertest.Start(t)
	const misspelt = `{"apiVersion":"kubeovn.io/v1","kind":"Vpc","metadata":{"name":"vpc1"},"spec":{"namspaces":["ns1"]}}`
	t.Run("with fieldValidation=Strict an unknown field is refused", func(t *testing.T) {
		r := do(t, s, "POST", groupPath+"/vpcs?fieldValidation=Strict", misspelt)
		if r.StatusCode != http.StatusBadRequest || !strings.Contains(r.body, `unknown field \"spec.namspaces\"`) {
			t.Errorf("got %d %s", r.StatusCode, r.body)
		}
	})
	t.Run("by default it is a warning", func(t *testing.T) {
		r := do(t, s, "POST", groupPath+"/vpcs", misspelt)
		if r.StatusCode != http.StatusCreated || !strings.Contains(r.Header.Get("Warning"), "spec.namspaces") {
			t.Errorf("got %d, warning %q", r.StatusCode, r.Header.Get("Warning"))
		}
	})
}

func apply(t *testing.T, s *apiservertest.Server, manager string, force bool, resource, name, manifest string) reply {
	t.Helper()
	path := fmt.Sprintf("%s/%s/%s?fieldManager=%s&force=%t", groupPath, resource, name, manager, force)
	return do(t, s, "PATCH", path, manifest, "Content-Type: application/apply-patch+yaml")
}

func TestServerSideApply(t *testing.T) {
	s := apiservertest.Start(t)
	const open = "apiVersion: kubeovn.io/v1\nkind: Vpc\nmetadata: {name: vpc1}\nspec: {namespaces: [ns1], enableBfd: false}\n"
	if r := apply(t, s, "alice", false, "vpcs", "vpc1", open); r.StatusCode != http.StatusCreated {
		t.Fatalf("apply creates: %d %s", r.StatusCode, r.body)
	}
	var first, again, merged v1.Vpc
	do(t, s, "GET", groupPath+"/vpcs/vpc1", "").decode(t, &first)

	t.Run("applying the same again writes nothing", func(t *testing.T) {
		apply(t, s, "alice", false, "vpcs", "vpc1", open).decode(t, &again)
		if again.ResourceVersion != first.ResourceVersion {
			t.Errorf("revision went from %s to %s", first.ResourceVersion, again.ResourceVersion)
		}
	})
	t.Run("another manager's value of an owned field is a conflict that names the owner", func(t *testing.T) {
		r := apply(t, s, "bob", false, "vpcs", "vpc1", strings.Replace(open, "enableBfd: false", "defaultSubnet: net9", 1))
		if r.StatusCode != http.StatusOK {
			t.Fatalf("a field of his own: %d %s", r.StatusCode, r.body)
		}
		r = apply(t, s, "carol", false, "vpcs", "vpc1", "apiVersion: kubeovn.io/v1\nkind: Vpc\nmetadata: {name: vpc1}\nspec: {defaultSubnet: net8}\n")
		if r.StatusCode != http.StatusConflict || !strings.Contains(r.body, `conflict with \"bob\"`) {
			t.Errorf("got %d %s", r.StatusCode, r.body)
		}
	})
	t.Run("items of a set belong to those who applied them", func(t *testing.T) {
		r := apply(t, s, "dave", false, "vpcs", "vpc1", "apiVersion: kubeovn.io/v1\nkind: Vpc\nmetadata: {name: vpc1}\nspec: {namespaces: [ns2]}\n")
		r.decode(t, &merged)
		got := slices.Sorted(slices.Values(merged.Spec.Namespaces))
		if diff := cmp.Diff([]string{"ns1", "ns2"}, got); diff != "" {
			t.Errorf("namespaces (-want +got):\n%s", diff)
		}
	})
	t.Run("the status of an applied manifest is ignored", func(t *testing.T) {
		r := apply(t, s, "erin", false, "vpcs", "vpc1", "apiVersion: kubeovn.io/v1\nkind: Vpc\nmetadata: {name: vpc1}\nstatus: {router: mine}\n")
		var got v1.Vpc
		r.decode(t, &got)
		if got.Status.Router != "vpc1" {
			t.Errorf("router is %q", got.Status.Router)
		}
	})
}

func TestDryRun(t *testing.T) {
	s := apiservertest.Start(t)
	c := client(t, s)
	create(t, s, newVpc("vpc1"), newSubnet("net1", "vpc1", "192.168.0.0/24"), newIP("taken.default", "net1"))
	// The status of the Subnet follows its IPs up to a second later: that must have happened before nothing may change any more.
	content := func(t *testing.T, used int) string {
		t.Helper()
		await(t, "the status of the Subnet does not count its IPs", func() bool {
			net, err := c.Subnets().Get(t.Context(), "net1", metav1.GetOptions{})
			return err == nil && net.Status.V4UsingIPs == count.OfInt(used)
		})
		return ovntest.Dump(t, s.NBAddress)
	}
	before := content(t, 1)
	unchanged := func(t *testing.T) {
		t.Helper()
		if diff := cmp.Diff(before, ovntest.Dump(t, s.NBAddress)); diff != "" {
			t.Errorf("the database changed (-before +after):\n%s", diff)
		}
	}
	all := []string{metav1.DryRunAll}

	t.Run("a create is answered with what would be allocated", func(t *testing.T) {
		planned, err := c.IPs().Create(t.Context(), newIP("pod.default", "net1"), metav1.CreateOptions{DryRun: all})
		if err != nil {
			t.Fatal(err)
		}
		unchanged(t)
		real, err := c.IPs().Create(t.Context(), newIP("pod.default", "net1"), metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(real.Spec, planned.Spec); diff != "" && planned.Spec.V4IPAddress != real.Spec.V4IPAddress {
			t.Errorf("planned (-real +planned):\n%s", diff)
		}
		if planned.Spec.V4IPAddress == "" || planned.Spec.MacAddress == "" {
			t.Errorf("no address or MAC: %+v", planned.Spec)
		}
		before = content(t, 2)
	})

	refusals := map[string]func(dryRun []string) error{
		"an overlapping subnet": func(dryRun []string) error {
			_, err := c.Subnets().Create(t.Context(), newSubnet("net2", "vpc1", "192.168.0.128/25"), metav1.CreateOptions{DryRun: dryRun})
			return err
		},
		"an unknown vpc": func(dryRun []string) error {
			_, err := c.Subnets().Create(t.Context(), newSubnet("net2", "nowhere", "192.168.9.0/24"), metav1.CreateOptions{DryRun: dryRun})
			return err
		},
		"an object that exists": func(dryRun []string) error {
			_, err := c.Vpcs().Create(t.Context(), newVpc("vpc1"), metav1.CreateOptions{DryRun: dryRun})
			return err
		},
		"a taken address": func(dryRun []string) error {
			ip, err := c.IPs().Get(t.Context(), "taken.default", metav1.GetOptions{})
			if err != nil {
				return err
			}
			other := newIP("other.default", "net1")
			other.Spec.V4IPAddress = ip.Spec.V4IPAddress
			_, err = c.IPs().Create(t.Context(), other, metav1.CreateOptions{DryRun: dryRun})
			return err
		},
		"an update that strands addresses": func(dryRun []string) error {
			net, err := c.Subnets().Get(t.Context(), "net1", metav1.GetOptions{})
			if err != nil {
				return err
			}
			net.Spec.CIDRBlock, net.Spec.Gateway, net.Spec.ExcludeIps = "192.168.7.0/24", "192.168.7.1", nil
			_, err = c.Subnets().Update(t.Context(), net, metav1.UpdateOptions{DryRun: dryRun})
			return err
		},
		"a patch of what does not exist": func(dryRun []string) error {
			_, err := c.Vpcs().Patch(t.Context(), "nowhere", types.MergePatchType, []byte(`{"spec":{"enableBfd":true}}`), metav1.PatchOptions{DryRun: dryRun})
			return err
		},
	}
	for name, write := range refusals {
		t.Run("the refusal is that of the real write: "+name, func(t *testing.T) {
			planned := write(all)
			unchanged(t)
			real := write(nil)
			if planned == nil || real == nil {
				t.Fatalf("not refused: dry run %v, real %v", planned, real)
			}
			if diff := cmp.Diff(real.Error(), planned.Error()); diff != "" || apierrors.ReasonForError(real) != apierrors.ReasonForError(planned) {
				t.Errorf("%s, %s (-real +dry run):\n%s", apierrors.ReasonForError(real), apierrors.ReasonForError(planned), diff)
			}
		})
	}

	t.Run("an update is answered with what would be stored", func(t *testing.T) {
		vpc, err := c.Vpcs().Patch(t.Context(), "vpc1", types.MergePatchType, []byte(`{"spec":{"namespaces":["ns1"]}}`), metav1.PatchOptions{DryRun: all})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"ns1"}, vpc.Spec.Namespaces); diff != "" || vpc.Generation != 2 {
			t.Errorf("generation %d, namespaces (-want +got):\n%s", vpc.Generation, diff)
		}
		unchanged(t)
	})
	t.Run("apply creates nothing", func(t *testing.T) {
		r := do(t, s, "PATCH", groupPath+"/subnets/net3?fieldManager=alice&dryRun=All",
			"apiVersion: kubeovn.io/v1\nkind: Subnet\nmetadata: {name: net3}\nspec: {vpc: vpc1, cidrBlock: 192.168.3.0/24}\n",
			"Content-Type: application/apply-patch+yaml")
		var got v1.Subnet
		r.decode(t, &got)
		if r.StatusCode != http.StatusCreated || got.Spec.Gateway != "192.168.3.1" {
			t.Errorf("got %d, gateway %q", r.StatusCode, got.Spec.Gateway)
		}
		unchanged(t)
	})
	t.Run("a delete of what is in use warns and shows it terminating", func(t *testing.T) {
		r := do(t, s, "DELETE", groupPath+"/vpcs/vpc1?dryRun=All", "")
		var got v1.Vpc
		r.decode(t, &got)
		if got.DeletionTimestamp == nil || !strings.Contains(r.Header.Get("Warning"), "subnets/net1") {
			t.Errorf("got %s, warning %q", r.body, r.Header.Get("Warning"))
		}
		unchanged(t)
	})
	t.Run("a delete deletes nothing", func(t *testing.T) {
		if err := c.IPs().Delete(t.Context(), "taken.default", metav1.DeleteOptions{DryRun: all}); err != nil {
			t.Fatal(err)
		}
		unchanged(t)
	})
}

func TestDeletionOfWhatIsInUse(t *testing.T) {
	s := apiservertest.Start(t)
	c := client(t, s)
	create(t, s, newVpc("vpc1"), newSubnet("net1", "vpc1", "192.168.0.0/24"), newSubnet("net2", "vpc1", "192.168.1.0/24"))

	r := do(t, s, "DELETE", groupPath+"/vpcs/vpc1", "")
	var vpc v1.Vpc
	r.decode(t, &vpc)
	if r.StatusCode != http.StatusOK || vpc.DeletionTimestamp == nil || !slices.Contains(vpc.Finalizers, "kubeovn.io/in-use") {
		t.Fatalf("got %d %s", r.StatusCode, r.body)
	}
	if warning := r.Header.Get("Warning"); !strings.Contains(warning, "subnets/net1") || !strings.Contains(warning, "subnets/net2") {
		t.Errorf("warning %q does not name the subnets", warning)
	}
	if _, err := c.Subnets().Create(t.Context(), newSubnet("net3", "vpc1", "192.168.2.0/24"), metav1.CreateOptions{}); err == nil {
		t.Error("a new subnet may use a Vpc that is being deleted")
	}
	// Taking the finalizer off deletes nothing that is in use.
	if _, err := c.Vpcs().Patch(t.Context(), "vpc1", types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Vpcs().Get(t.Context(), "vpc1", metav1.GetOptions{}); err != nil {
		t.Fatalf("the Vpc went with its finalizer: %v", err)
	}
	if got := ovntest.Nbctl(t, s.NBAddress, "lr-list"); !strings.Contains(got, "(vpc1)") {
		t.Errorf("the router went with the finalizer: %s", got)
	}
	watch, err := c.Vpcs().Watch(t.Context(), metav1.ListOptions{FieldSelector: "metadata.name=vpc1"})
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Stop()
	for _, name := range []string{"net1", "net2"} {
		if err := c.Subnets().Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	deadline := time.After(time.Minute)
	for gone := false; !gone; {
		select {
		case e := <-watch.ResultChan():
			gone = e.Type == "DELETED"
		case <-deadline:
			t.Fatal("the Vpc does not vanish with its last subnet")
		}
	}
	if got := ovntest.Nbctl(t, s.NBAddress, "lr-list"); strings.Contains(got, "(vpc1)") {
		t.Errorf("the router is left: %s", got)
	}
}

func TestTheNetworkOfTheClusterItselfCannotBeDeleted(t *testing.T) {
	s := apiservertest.Start(t)
	for _, path := range []string{"/vpcs/ovn-cluster", "/subnets/ovn-default", "/subnets/join", "/subnets/join?dryRun=All", "/subnets", "/vpcs"} {
		r := do(t, s, "DELETE", groupPath+path, "")
		if r.StatusCode != http.StatusForbidden || !strings.Contains(r.body, "the network of the cluster itself is built on it") {
			t.Errorf("%s: %d %s", path, r.StatusCode, r.body)
		}
	}
	for _, path := range []string{"/vpcs/ovn-cluster", "/subnets/ovn-default", "/subnets/join"} {
		if r := do(t, s, "GET", groupPath+path, ""); r.StatusCode != http.StatusOK || strings.Contains(r.body, "deletionTimestamp") {
			t.Errorf("%s is gone or going: %s", path, r.body)
		}
	}
}
