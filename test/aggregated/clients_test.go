//go:build aggregated

package aggregated

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/json"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	clientset "github.com/northbound-ovn/northbound/pkg/generated/clientset/versioned"
	informers "github.com/northbound-ovn/northbound/pkg/generated/informers/externalversions"
	"github.com/northbound-ovn/northbound/test/aggregated/controlplane"
)

func TestInformerSyncsByWatchListOnly(t *testing.T) {
	const user = "informer"
	manyVpcs(t, "informed", 3)
	client := clientset.NewForConfigOrDie(reader(t, user))
	factory := informers.NewSharedInformerFactory(client, 0)
	informer := factory.Kubeovn().V1().Vpcs().Informer()
	added := make(chan string, 100)
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(o any) { added <- o.(*v1.Vpc).Name },
	})
	if err != nil {
		t.Fatal(err)
	}
	factory.StartWithContext(t.Context())
	t.Cleanup(factory.Shutdown)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if !cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
		t.Fatal("the informer did not sync within a minute")
	}
	for i := range 3 {
		if _, err := factory.Kubeovn().V1().Vpcs().Lister().Get(fmt.Sprintf("informed-%d", i)); err != nil {
			t.Error(err)
		}
	}
	apply(t, vpc("informed-later"))
	for name := ""; name != "informed-later"; {
		select {
		case name = <-added:
		case <-ctx.Done():
			t.Fatal("the informer did not tell of a Vpc that was created after it had synced")
		}
	}
	verbs := auditedVerbs(t, user, "/apis/kubeovn.io/v1/vpcs")
	if verbs["list"] != 0 || verbs["watch"] == 0 {
		t.Errorf("the informer's requests are %v, want only watches", verbs)
	}
}

// The kinds have no protobuf form. Clients that prefer it and accept JSON must not be turned away: the namespace controller
// and the garbage collector are such clients.
func TestClientsThatPreferProtobuf(t *testing.T) {
	manyVpcs(t, "described", 2)
	config := metadata.ConfigFor(reader(t, "metadata-reader"))
	if !strings.HasPrefix(config.AcceptContentTypes, runtime.ContentTypeProtobuf+",") {
		t.Fatalf("the metadata client accepts %q: this test no longer tests what it says", config.AcceptContentTypes)
	}
	whole, err := http.NewRequestWithContext(t.Context(), http.MethodGet, cluster.Server+"/apis/kubeovn.io/v1/vpcs/described-0", nil)
	if err != nil {
		t.Fatal(err)
	}
	whole.Header.Set("Accept", config.AcceptContentTypes)
	transport, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	response, err := transport.Do(whole)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if got := response.Header.Get("Content-Type"); response.StatusCode != http.StatusOK || got != runtime.ContentTypeJSON {
		t.Errorf("a whole object: %s, %s, want it as JSON", response.Status, got)
	}

	client := metadata.NewForConfigOrDie(config).Resource(controlplane.Northbound.GroupVersion.WithResource("vpcs"))
	object, err := client.Get(t.Context(), "described-0", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if object.Name != "described-0" || object.UID == "" {
		t.Errorf("got metadata %+v", object.ObjectMeta)
	}
	list, err := client.List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Items) < 2 {
		t.Errorf("listed %d Vpcs, want the two that exist", len(list.Items))
	}
	// As the garbage collector does: a watch of metadata that begins with what there is.
	w, err := client.Watch(t.Context(), metav1.ListOptions{
		SendInitialEvents: new(true), AllowWatchBookmarks: true,
		ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	deadline := time.After(time.Minute)
	for {
		select {
		case e := <-w.ResultChan():
			m, ok := e.Object.(*metav1.PartialObjectMetadata)
			if !ok {
				t.Fatalf("watched a %T (%s)", e.Object, e.Type)
			}
			if m.Annotations[metav1.InitialEventsAnnotationKey] == "true" {
				return
			}
		case <-deadline:
			t.Fatal("the initial events of a watch of metadata did not end within a minute")
		}
	}
}

func TestPagesAreOneConsistentList(t *testing.T) {
	manyVpcs(t, "paged", 7)
	client := clientset.NewForConfigOrDie(cluster.Admin).KubeovnV1().Vpcs()
	whole, err := client.List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var pages []string
	for options, n := (metav1.ListOptions{Limit: 3}), 0; ; n++ {
		page, err := client.List(t.Context(), options)
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Items) > 3 {
			t.Fatalf("page %d has %d items, want at most 3", n, len(page.Items))
		}
		pages = append(pages, names(page)...)
		if n == 0 {
			if page.RemainingItemCount == nil || *page.RemainingItemCount != int64(len(whole.Items)-3) {
				t.Errorf("remaining after the first page: %v, want %d", page.RemainingItemCount, len(whole.Items)-3)
			}
			// What is written from now on belongs to none of the following pages.
			apply(t, vpc("paged-6-later"))
		}
		if options.Continue = page.Continue; options.Continue == "" {
			break
		}
	}
	if diff := cmp.Diff(names(whole), pages); diff != "" {
		t.Errorf("the pages differ from the whole list (-whole +pages):\n%s", diff)
	}
	chunked := must(t, "", "get", "vpc", "--chunk-size=2", "-o", "name")
	if chunked != must(t, "", "get", "vpc", "--chunk-size=0", "-o", "name") {
		t.Errorf("kubectl gets another list in chunks:\n%s", chunked)
	}
}

func TestUserWithoutRightsIsRefused(t *testing.T) {
	apply(t, vpc("guarded"))
	stranger, err := cluster.Kubeconfig("stranger")
	if err != nil {
		t.Fatal(err)
	}
	readOnly, err := cluster.Kubeconfig("read-only")
	if err != nil {
		t.Fatal(err)
	}
	reader(t, "read-only")
	for _, c := range []struct {
		user, kubeconfig string
		args             []string
		allowed          bool
	}{
		{"stranger", stranger, []string{"get", "vpc"}, false},
		{"stranger", stranger, []string{"get", "vpc", "guarded"}, false},
		{"stranger", stranger, []string{"delete", "vpc", "guarded"}, false},
		{"read-only", readOnly, []string{"get", "vpc", "guarded"}, true},
		{"read-only", readOnly, []string{"get", "vpc"}, true},
		{"read-only", readOnly, []string{"label", "vpc", "guarded", "mine=true"}, false},
		{"read-only", readOnly, []string{"delete", "vpc", "guarded"}, false},
		{"read-only", readOnly, []string{"get", "subnet"}, false},
	} {
		_, stderr, err := kubectlAs(t, c.kubeconfig, "", c.args...)
		if allowed := err == nil; allowed != c.allowed {
			t.Errorf("%s: kubectl %v: allowed %v, want %v\n%s", c.user, c.args, allowed, c.allowed, stderr)
		}
		if !c.allowed {
			contains(t, c.user+"'s refusal", stderr, "Forbidden", c.user)
		}
	}
	if out, _, err := kubectl(t, "", "auth", "can-i", "delete", "vpcs.kubeovn.io", "--as=stranger"); err == nil {
		t.Errorf("can-i: %s", out)
	}
}

// manyVpcs makes Vpcs named prefix-0, prefix-1 and so on.
func manyVpcs(t *testing.T, prefix string, count int) {
	t.Helper()
	var manifest strings.Builder
	for i := range count {
		manifest.WriteString("---\n" + vpc(fmt.Sprintf("%s-%d", prefix, i)))
	}
	apply(t, manifest.String())
}

func names(list *v1.VpcList) (names []string) {
	for _, o := range list.Items {
		names = append(names, o.Name)
	}
	return names
}

// reader lets a user read Vpcs, as the authorizer of the aggregated server sees it when this returns.
func reader(t *testing.T, user string) *rest.Config {
	t.Helper()
	config, err := cluster.User(user)
	if err != nil {
		t.Fatal(err)
	}
	rbac := kubernetes.NewForConfigOrDie(cluster.Admin).RbacV1()
	role := &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: "test:" + user},
		Rules: []rbacv1.PolicyRule{{
			APIGroups: []string{controlplane.Northbound.GroupVersion.Group}, Resources: []string{"vpcs"}, Verbs: []string{"get", "list", "watch"},
		}},
	}
	if _, err := rbac.ClusterRoles().Create(t.Context(), role, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: role.Name},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	}
	if _, err := rbac.ClusterRoleBindings().Create(t.Context(), binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, time.Minute, func(ctx context.Context) error {
		_, err := clientset.NewForConfigOrDie(config).KubeovnV1().Vpcs().Get(ctx, "ovn-cluster", metav1.GetOptions{})
		return err
	})
	return config
}

// eventually repeats check until it returns nil.
func eventually(t *testing.T, timeout time.Duration, check func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check(ctx)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("not within %v: %v", timeout, err)
		case <-tick.C:
		}
	}
}

// auditedVerbs counts a user's requests for a path by verb, as kube-apiserver has recorded them.
func auditedVerbs(t *testing.T, user, path string) map[string]int {
	t.Helper()
	text, err := os.ReadFile(cluster.AuditLog)
	if err != nil {
		t.Fatal(err)
	}
	verbs := make(map[string]int)
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var event struct {
			Verb       string `json:"verb"`
			RequestURI string `json:"requestURI"`
			User       struct {
				Username string `json:"username"`
			} `json:"user"`
		}
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			// The last line may be half written.
			continue
		}
		if uri, _, _ := strings.Cut(event.RequestURI, "?"); event.User.Username == user && uri == path {
			verbs[event.Verb]++
		}
	}
	if err := lines.Err(); err != nil && !errors.Is(err, bufio.ErrTooLong) {
		t.Fatal(err)
	}
	return verbs
}
