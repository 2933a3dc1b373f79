//go:build aggregated

package aggregated

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	clientset "github.com/northbound-ovn/northbound/pkg/generated/clientset/versioned"
	"github.com/northbound-ovn/northbound/test/aggregated/controlplane"
)

func TestGarbageCollectorDeletesDependents(t *testing.T) {
	vpcs := clientset.NewForConfigOrDie(cluster.Admin).KubeovnV1().Vpcs()
	owner, err := vpcs.Create(t.Context(), &v1.Vpc{ObjectMeta: metav1.ObjectMeta{Name: "owner"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	dependent := &v1.Vpc{ObjectMeta: metav1.ObjectMeta{Name: "dependent", OwnerReferences: []metav1.OwnerReference{{
		APIVersion: controlplane.Northbound.GroupVersion.String(), Kind: "Vpc", Name: owner.Name, UID: owner.UID,
	}}}}
	if _, err := vpcs.Create(t.Context(), dependent, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { remove(t, vpc("owner")+"---\n"+vpc("dependent")) })
	err = vpcs.Delete(t.Context(), owner.Name, metav1.DeleteOptions{PropagationPolicy: new(metav1.DeletePropagationBackground)})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, 2*time.Minute, func(ctx context.Context) error {
		_, err := vpcs.Get(ctx, dependent.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		return errors.Join(err, errors.New("the dependent is still there"))
	})
}

func TestControllersAreHealthy(t *testing.T) {
	if err := cluster.ControllerManagerHealth(t.Context()); err != nil {
		t.Error(err)
	}
	log, err := cluster.ControllerManagerLog()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(log) {
		if strings.HasPrefix(line, "E") && strings.Contains(line, controlplane.Northbound.GroupVersion.Group) {
			t.Errorf("the controller manager complains of %s: %s", controlplane.Northbound.GroupVersion.Group, line)
		}
	}
}

// An aggregated group that cannot be discovered blocks the deletion of every namespace of the cluster.
func TestNamespacesAreDeletedWhileTheDatabaseIsAway(t *testing.T) {
	for _, c := range []struct {
		name       string
		away, back func(context.Context) error
	}{
		{"it does not answer", cluster.NB.PauseNB, func(context.Context) error { return cluster.NB.ResumeNB() }},
		{"it is dead", func(context.Context) error { return cluster.NB.KillNB() }, cluster.NB.RestartNB},
	} {
		t.Run(c.name, func(t *testing.T) {
			// Whatever happens, the other tests need the database.
			t.Cleanup(func() { restore(t, c.back) })
			namespaces := kubernetes.NewForConfigOrDie(cluster.Admin).CoreV1().Namespaces()
			name := fmt.Sprintf("unrelated-%d", time.Now().UnixNano())
			_, err := namespaces.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if err := c.away(t.Context()); err != nil {
				t.Fatal(err)
			}
			vpcs := clientset.NewForConfigOrDie(cluster.Admin).KubeovnV1().Vpcs()
			eventually(t, time.Minute, refusedAsUnavailable)
			if _, err := vpcs.List(t.Context(), metav1.ListOptions{ResourceVersion: "0"}); err != nil {
				t.Errorf("a list that may be old: %v", err)
			}
			if err := namespaces.Delete(t.Context(), name, metav1.DeleteOptions{}); err != nil {
				t.Fatal(err)
			}
			eventually(t, 2*time.Minute, func(ctx context.Context) error {
				n, err := namespaces.Get(ctx, name, metav1.GetOptions{})
				if apierrors.IsNotFound(err) {
					return nil
				}
				return errors.Join(err, fmt.Errorf("the namespace is still there: %v", n.Status))
			})
		})
	}
}

// refusedAsUnavailable is nil when a write is answered 503, without much delay. As long as the server has not noticed the
// loss, a write is sent and its outcome is not known.
func refusedAsUnavailable(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	client := clientset.NewForConfigOrDie(cluster.Admin).KubeovnV1().RESTClient()
	// Without being told otherwise, client-go obeys the Retry-After of the answer ten times before it shows it.
	err := client.Post().MaxRetries(0).Resource("vpcs").
		Body(&v1.Vpc{ObjectMeta: metav1.ObjectMeta{GenerateName: duringOutage}}).Do(ctx).Error()
	if apierrors.IsServiceUnavailable(err) {
		return nil
	}
	return fmt.Errorf("a write was answered with %w, want 503 Service Unavailable", err)
}

// duringOutage begins the names of objects that may come to exist when the database is back.
const duringOutage = "outage-"

// restore brings the database back and waits until writes work again, without a restart of the API server.
func restore(t *testing.T, back func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := back(ctx); err != nil {
		t.Fatal(err)
	}
	vpcs := clientset.NewForConfigOrDie(cluster.Admin).KubeovnV1().Vpcs()
	var last error
	err := wait.PollUntilContextCancel(ctx, 100*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		_, last = vpcs.Create(ctx, &v1.Vpc{ObjectMeta: metav1.ObjectMeta{Name: "written-again"}}, metav1.CreateOptions{})
		return last == nil || apierrors.IsAlreadyExists(last), nil
	})
	if err != nil {
		t.Fatalf("writes do not work again: %v", last)
	}
	all, err := vpcs.List(ctx, metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range all.Items {
		if o.Name != "written-again" && !strings.HasPrefix(o.Name, duringOutage) {
			continue
		}
		if err := vpcs.Delete(ctx, o.Name, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	}
}
