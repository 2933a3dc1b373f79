package scenarios

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"github.com/northbound-ovn/northbound/pkg/apiserver"
	"github.com/northbound-ovn/northbound/pkg/apiserver/apiservertest"
)

// server runs transcripts, one after the other.
type server struct {
	*apiservertest.Server
	kubectl   *kubectl
	client    dynamic.Interface
	resources []schema.GroupVersionResource
	dirty     bool // not all is as it was at the start
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{Server: apiservertest.Start(t, func(o *apiserver.Options) { o.Network.ExternalGatewaySwitch = "external204" })}
	s.kubectl = newKubectl(s.DataDir+"/admin.kubeconfig", t.TempDir())
	var err error
	quiet := rest.CopyConfig(s.Config)
	quiet.WarningHandler = rest.NoWarnings{}
	if s.client, err = dynamic.NewForConfig(quiet); err != nil {
		t.Fatal(err)
	}
	d, err := discovery.NewDiscoveryClientForConfig(s.Config)
	if err != nil {
		t.Fatal(err)
	}
	group := schema.GroupVersion{Group: "kubeovn.io", Version: "v1"}
	list, err := d.ServerResourcesForGroupVersion(group.String())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range list.APIResources {
		if slices.Contains(r.Verbs, "list") && !strings.Contains(r.Name, "/") {
			s.resources = append(s.resources, group.WithResource(r.Name))
		}
	}
	return s
}

// object is one API object.
type object struct {
	schema.GroupVersionResource
	name string
}

// objects are all that the server has, with what they say: not when and by whom it was said.
func (s *server) objects(ctx context.Context, t *testing.T) map[object]map[string]any {
	t.Helper()
	found := map[object]map[string]any{}
	for _, resource := range s.resources {
		list, err := s.client.Resource(resource).List(ctx, metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range list.Items {
			for _, field := range []string{"resourceVersion", "generation", "managedFields"} {
				unstructured.RemoveNestedField(o.Object, "metadata", field)
			}
			delete(o.Object, "status") // counts are written later
			found[object{resource, o.GetName()}] = o.Object
		}
	}
	return found
}

// restore returns what brings everything back to as it is now: all new objects are deleted, and then the Northbound
// database must be the same to the byte.
func (s *server) restore(t *testing.T) func() {
	t.Helper()
	objects, rows := s.objects(t.Context(), t), readDatabase(t, s.NBAddress)
	return func() {
		t.Helper()
		s.dirty = true
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
		defer cancel()
		for attempt := 0; ; attempt++ {
			now := s.objects(ctx, t)
			added := slices.DeleteFunc(slices.Collect(maps.Keys(now)), func(o object) bool { return objects[o] != nil })
			if len(added) == 0 {
				if diff := cmp.Diff(objects, now); diff != "" {
					t.Errorf("objects are not as they were before:\n%s", diff)
					return
				}
				break
			}
			if attempt > 5 {
				t.Errorf("objects that cannot be deleted: %v", added)
				return
			}
			for _, o := range added {
				if err := s.client.Resource(o.GroupVersionResource).Delete(ctx, o.name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
					t.Error(err)
				}
			}
		}
		if left := readDatabase(t, s.NBAddress); !reflect.DeepEqual(rows, left) {
			t.Errorf("the Northbound database is not as it was before:\n%s%s", difference(rows, left), cmp.Diff(rows, left))
			return
		}
		s.dirty = false
	}
}
