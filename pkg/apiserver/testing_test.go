package apiserver_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"k8s.io/client-go/rest"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/apiserver/apiservertest"
	clientset "github.com/northbound-ovn/northbound/pkg/generated/clientset/versioned"
	typed "github.com/northbound-ovn/northbound/pkg/generated/clientset/versioned/typed/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ovn/ovntest"
)

const groupPath = "/apis/kubeovn.io/v1"

// client is the generated client of a server.
func client(t testing.TB, s *apiservertest.Server) typed.KubeovnV1Interface {
	t.Helper()
	c, err := clientset.NewForConfig(s.Config)
	if err != nil {
		t.Fatal(err)
	}
	return c.KubeovnV1()
}

// reply is an HTTP response whose body has been read.
type reply struct {
	*http.Response
	body string
}

// decode reads the body as JSON.
func (r reply) decode(t testing.TB, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.body), into); err != nil {
		t.Fatalf("%v in %s", err, r.body)
	}
}

// do sends a request as the administrator; header is "Name: value" each.
func do(t testing.TB, s *apiservertest.Server, method, path, body string, header ...string) reply {
	t.Helper()
	return doAs(t, s.Config, method, path, body, header...)
}

func doAs(t testing.TB, config *rest.Config, method, path, body string, header ...string) reply {
	t.Helper()
	c, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, config.Host+path, bytes.NewBufferString(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range header {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	if body != "" && req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	content, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{res, string(content)}
}

func newVpc(name string) *v1.Vpc {
	return &v1.Vpc{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

func newSubnet(name, vpc, cidr string) *v1.Subnet {
	return &v1.Subnet{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.SubnetSpec{Vpc: vpc, CIDRBlock: cidr}}
}

func newIP(name, subnet string) *v1.IP {
	return &v1.IP{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1.IPSpec{Subnet: subnet, Namespace: "default", PodName: strings.Split(name, ".")[0]}}
}

// create makes objects and ends the test when one is refused.
func create(t testing.TB, s *apiservertest.Server, objects ...any) {
	t.Helper()
	c := client(t, s)
	for _, o := range objects {
		var err error
		switch o := o.(type) {
		case *v1.Vpc:
			_, err = c.Vpcs().Create(t.Context(), o, metav1.CreateOptions{})
		case *v1.Subnet:
			_, err = c.Subnets().Create(t.Context(), o, metav1.CreateOptions{})
		case *v1.IP:
			_, err = c.IPs().Create(t.Context(), o, metav1.CreateOptions{})
		case *v1.Vip:
			_, err = c.Vips().Create(t.Context(), o, metav1.CreateOptions{})
		case *v1.SwitchLBRule:
			_, err = c.SwitchLBRules().Create(t.Context(), o, metav1.CreateOptions{})
		default:
			t.Fatalf("cannot create a %T", o)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// northdColumns are what ovn-northd writes into the Northbound database, at a time of its own.
var northdColumns = regexp.MustCompile(`(?m)^  up (true|false)\n`)

// dump is the content of the Northbound database as far as it is written by users of it: without the documents and what
// ovn-northd writes.
func dump(t *testing.T, address string, without ...string) string {
	t.Helper()
	return northdColumns.ReplaceAllString(ovntest.Dump(t, address, without...), "")
}
