package apiserver_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/apiserver/apiservertest"
	clientset "github.com/northbound-ovn/northbound/pkg/generated/clientset/versioned"
	informers "github.com/northbound-ovn/northbound/pkg/generated/informers/externalversions"
)

func TestTables(t *testing.T) {
	s := apiservertest.Start(t)
	for resource, want := range map[string]string{
		// As the users' guides show them; newer columns are behind -o wide.
		"ips":  "NAME V4IP V6IP MAC NODE SUBNET",
		"vips": "NAME V4IP PV4IP MAC PMAC V6IP PV6IP SUBNET READY",
		// As Kube-OVN prints them.
		"vpcs": "NAME ENABLEEXTERNAL ENABLEBFD STANDBY SUBNETS EXTRAEXTERNALSUBNETS NAMESPACES DEFAULTSUBNET AGE",
		"subnets": "NAME PROVIDER VPC VLAN PROTOCOL CIDR PRIVATE NAT DEFAULT GATEWAYTYPE V4USED V4AVAILABLE V6USED V6AVAILABLE " +
			"EXCLUDEIPS U2OINTERCONNECTIONIP",
		"provider-networks": "NAME DEFAULTINTERFACE READY",
		"vlans":             "NAME ID PROVIDER CONFLICT",
		"chassis":           "NAME CHASSIS ENCAPIPS EXTERNALGATEWAY READY AGE",
	} {
		t.Run(resource, func(t *testing.T) {
			var table metav1.Table
			do(t, s, "GET", groupPath+"/"+resource, "", "Accept: application/json;as=Table;v=v1;g=meta.k8s.io").decode(t, &table)
			var got []string
			for _, c := range table.ColumnDefinitions {
				if c.Priority == 0 {
					got = append(got, strings.ToUpper(c.Name))
				}
			}
			if diff := cmp.Diff(want, strings.Join(got, " ")); diff != "" {
				t.Errorf("columns (-want +got):\n%s", diff)
			}
			for _, row := range table.Rows {
				if len(row.Cells) != len(table.ColumnDefinitions) {
					t.Errorf("%d cells for %d columns: %v", len(row.Cells), len(table.ColumnDefinitions), row.Cells)
				}
			}
		})
	}
}

func TestSelectorsAndPages(t *testing.T) {
	s := apiservertest.Start(t)
	c := client(t, s)
	create(t, s, newVpc("vpc1"), newSubnet("net1", "vpc1", "192.168.0.0/24"), newSubnet("net2", "vpc1", "192.168.1.0/24"))
	for i := range 7 {
		ip := newIP(fmt.Sprintf("pod%d.default", i), "net1")
		ip.Spec.NodeName = fmt.Sprintf("node%d", i%2)
		create(t, s, ip)
	}
	create(t, s, newIP("other.default", "net2"))

	for selector, want := range map[string]int{
		"spec.subnet=net1":                        7,
		"spec.subnet!=net1":                       1,
		"spec.nodeName=node1":                     3,
		"spec.subnet=net1,spec.nodeName=node0":    4,
		"spec.podName=pod3":                       1,
		"spec.namespace=default,spec.subnet=net2": 1,
		"metadata.name=pod5.default":              1,
		"spec.subnet=none":                        0,
	} {
		t.Run(selector, func(t *testing.T) {
			list, err := c.IPs().List(t.Context(), metav1.ListOptions{FieldSelector: selector})
			if err != nil {
				t.Fatal(err)
			}
			if len(list.Items) != want {
				t.Errorf("got %d, want %d", len(list.Items), want)
			}
		})
	}
	t.Run("subnets are selected by vpc", func(t *testing.T) {
		list, err := c.Subnets().List(t.Context(), metav1.ListOptions{FieldSelector: "spec.vpc=vpc1"})
		if err != nil {
			t.Fatal(err)
		}
		if len(list.Items) != 2 {
			t.Errorf("got %d subnets", len(list.Items))
		}
	})
	t.Run("an unknown field is a bad request", func(t *testing.T) {
		if r := do(t, s, "GET", groupPath+"/ips?fieldSelector=spec.colour%3Dred", ""); r.StatusCode != http.StatusBadRequest {
			t.Errorf("got %d: %s", r.StatusCode, r.body)
		}
	})
	t.Run("pages of a list are one snapshot, whatever is written between them", func(t *testing.T) {
		var names []string
		var rv string
		options := metav1.ListOptions{Limit: 3}
		for page := 0; ; page++ {
			list, err := c.IPs().List(t.Context(), options)
			if err != nil {
				t.Fatal(err)
			}
			if page == 0 {
				rv = list.ResourceVersion
				if list.RemainingItemCount == nil || *list.RemainingItemCount != 5 {
					t.Errorf("remaining: %v, want 5", list.RemainingItemCount)
				}
				create(t, s, newIP("zz.default", "net2"))
			}
			if list.ResourceVersion != rv {
				t.Errorf("page %d is of revision %s, the first of %s", page, list.ResourceVersion, rv)
			}
			for _, ip := range list.Items {
				names = append(names, ip.Name)
			}
			if options.Continue = list.Continue; options.Continue == "" {
				break
			}
		}
		want := []string{"other.default", "pod0.default", "pod1.default", "pod2.default", "pod3.default", "pod4.default", "pod5.default", "pod6.default"}
		if diff := cmp.Diff(want, names); diff != "" {
			t.Errorf("names (-want +got):\n%s", diff)
		}
	})
}

// countingTransport counts the requests of a client.
type countingTransport struct {
	next           http.RoundTripper
	lists, watches *atomic.Int32
}

func (c countingTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Query().Get("watch") != "" {
		c.watches.Add(1)
	} else {
		c.lists.Add(1)
	}
	return c.next.RoundTrip(r)
}

func TestInformerSyncsByWatchingAlone(t *testing.T) {
	s := apiservertest.Start(t)
	create(t, s, newVpc("vpc1"), newSubnet("net1", "vpc1", "192.168.0.0/24"))
	var lists, watches atomic.Int32
	config := rest.CopyConfig(s.Config)
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return countingTransport{next, &lists, &watches} })
	c, err := clientset.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	factory := informers.NewSharedInformerFactory(c, 0)
	informer := factory.Kubeovn().V1().Subnets().Informer()
	events := make(chan string, 16)
	if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { events <- "add " + o.(*v1.Subnet).Name },
		DeleteFunc: func(o any) { events <- "delete " + o.(*v1.Subnet).Name },
	}); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	factory.Start(stop)
	t.Cleanup(func() { close(stop); factory.Shutdown() })
	if !cache.WaitForCacheSync(t.Context().Done(), informer.HasSynced) {
		t.Fatal("informer did not sync")
	}
	create(t, s, newSubnet("net2", "vpc1", "192.168.1.0/24"))
	if err := client(t, s).Subnets().Delete(t.Context(), "net2", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{"add ovn-default": true, "add join": true, "add net1": true, "add net2": true, "delete net2": true}
	deadline := time.After(time.Minute)
	for len(want) > 0 {
		select {
		case e := <-events:
			if !want[e] {
				t.Errorf("unexpected event %q", e)
			}
			delete(want, e)
		case <-deadline:
			t.Fatalf("missing events: %v", want)
		}
	}
	if lists.Load() != 0 || watches.Load() != 1 {
		t.Errorf("%d lists and %d watches, want 0 and 1", lists.Load(), watches.Load())
	}
}

// TestMetadataClient: the garbage collector and the namespace controller read with this client, which prefers protobuf.
func TestMetadataClient(t *testing.T) {
	s := apiservertest.Start(t)
	create(t, s, newVpc("vpc1"))
	c, err := metadata.NewForConfig(s.Config)
	if err != nil {
		t.Fatal(err)
	}
	list, err := c.Resource(v1.SchemeGroupVersion.WithResource("vpcs")).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, item := range list.Items {
		names = append(names, item.Name)
	}
	if diff := cmp.Diff([]string{"ovn-cluster", "vpc1"}, names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}
