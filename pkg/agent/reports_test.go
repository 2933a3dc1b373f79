package agent

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/northbound-ovn/northbound/pkg/agent/hosttest"
	"github.com/northbound-ovn/northbound/pkg/kubeservice"
)

func TestANodeSaysWhetherItHasBackEnds(t *testing.T) {
	node := hosttest.New(t)
	store := cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{})
	service := func(name string, port int32) *corev1.Service {
		s := &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name},
			Spec:       corev1.ServiceSpec{HealthCheckNodePort: port, Ports: []corev1.ServicePort{{Name: "a", Port: 80}, {Name: "b", Port: 81}}},
		}
		if err := store.Update(s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	ready := map[string]bool{"10.16.0.5:80": true, "10.16.0.6:80": true, "10.16.0.7:80": false}
	r := &reports{host: node, services: corelisters.NewServiceLister(store), local: func(s *corev1.Service, p *corev1.ServicePort) []kubeservice.BackEnd {
		var out []kubeservice.BackEnd
		if s.Name == "with" { // at both ports: an address counts once
			for at, isReady := range ready {
				out = append(out, kubeservice.BackEnd{AddrPort: netip.MustParseAddrPort(at), Ready: isReady, Serving: true})
			}
		}
		return out
	}}
	t.Cleanup(r.close)
	ask := func(port int) string {
		t.Helper()
		var conn net.Conn
		err := node.Do(func() (err error) {
			conn, err = net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port)) // by this very thread, which is in the node's namespace
			return err
		})
		if err != nil {
			return "refused"
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, "GET / HTTP/1.0\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(response.StatusCode, " ", response.Header.Get("X-Load-Balancing-Endpoint-Weight"), " ", string(body))
	}
	want := func(port int, want string) {
		t.Helper()
		if diff := cmp.Diff(want, ask(port)); diff != "" {
			t.Errorf("port %d (-want +got):\n%s", port, diff)
		}
	}
	sync := func() {
		t.Helper()
		if err := r.sync(t.Context()); err != nil {
			t.Error(err)
		}
	}
	service("with", 30001)
	service("without", 30002)
	service("other", 0)
	sync()
	want(30001, `200 2 {"service":{"namespace":"ns","name":"with"},"localEndpoints":2,"serviceProxyHealthy":true}`+"\n")
	want(30002, `503 0 {"service":{"namespace":"ns","name":"without"},"localEndpoints":0,"serviceProxyHealthy":true}`+"\n")

	ready["10.16.0.5:80"] = false
	service("without", 30003)
	sync()
	want(30001, `200 1 {"service":{"namespace":"ns","name":"with"},"localEndpoints":1,"serviceProxyHealthy":true}`+"\n")
	want(30002, "refused")
	want(30003, `503 0 {"service":{"namespace":"ns","name":"without"},"localEndpoints":0,"serviceProxyHealthy":true}`+"\n")

	// A port that somebody else has is said, and keeps nobody else from theirs.
	hosttest.Serve(t, node, 30004, "taken")
	taken := service("taken", 30004)
	if err := store.Delete(service("with", 30001)); err != nil {
		t.Fatal(err)
	}
	service("more", 30005)
	if err := r.sync(t.Context()); err == nil {
		t.Error("a port that is taken is no error")
	}
	want(30001, "refused")
	want(30005, `503 0 {"service":{"namespace":"ns","name":"more"},"localEndpoints":0,"serviceProxyHealthy":true}`+"\n")
	if err := store.Delete(taken); err != nil {
		t.Fatal(err)
	}
	sync()
	r.close()
	want(30005, "refused")
}
