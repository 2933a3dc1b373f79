package agent_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/northbound-ovn/northbound/pkg/agent"
	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/apiserver/apiservertest"
	"github.com/northbound-ovn/northbound/pkg/generated/clientset/versioned"
)

// deadAddress is one at which nobody listens, as long as the test runs: its port is taken, by a socket that does not listen.
func deadAddress(t *testing.T) string {
	t.Helper()
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(socket) })
	if err := unix.Bind(socket, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	bound, err := unix.Getsockname(socket)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("https://127.0.0.1:%d", bound.(*unix.SockaddrInet4).Port)
}

func TestTheNextServerIsAskedWhenOneTakesNoConnection(t *testing.T) {
	server := apiservertest.Start(t)
	config, err := agent.Servers(server.Config, []string{deadAddress(t), server.Config.Host, deadAddress(t)})
	if err != nil {
		t.Fatal(err)
	}
	client := versioned.NewForConfigOrDie(config).KubeovnV1()
	// A body is sent again, too.
	vpc := &v1.Vpc{ObjectMeta: metav1.ObjectMeta{Name: "a"}}
	if _, err := client.Vpcs().Create(t.Context(), vpc, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Vpcs().Get(t.Context(), "a", metav1.GetOptions{}); err != nil {
		t.Error(err)
	}
}

func TestAnAnswerThatIsAnErrorIsNotAskedForElsewhere(t *testing.T) {
	var asked []string
	serve := func(name string, status int) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			asked = append(asked, name)
			w.WriteHeader(status)
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
	config, err := agent.Servers(&rest.Config{}, []string{serve("a", http.StatusForbidden), serve("b", http.StatusOK)})
	if err != nil {
		t.Fatal(err)
	}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Get(config.Host + "/x")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if diff := cmp.Diff([]string{"a"}, asked); diff != "" || response.StatusCode != http.StatusForbidden {
		t.Errorf("status %d, asked %s", response.StatusCode, diff)
	}
}

func TestWhenNoServerTakesAConnectionTheErrorNamesAll(t *testing.T) {
	a, b := deadAddress(t), deadAddress(t)
	config, err := agent.Servers(&rest.Config{}, []string{a, b})
	if err != nil {
		t.Fatal(err)
	}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.Get(config.Host + "/x")
	for _, address := range []string{a, b} {
		if err == nil || !strings.Contains(err.Error(), strings.TrimPrefix(address, "https://")) {
			t.Errorf("the error does not name %s: %v", address, err)
		}
	}
	for _, wrong := range []string{"", "192.0.2.1:6443", "ftp://192.0.2.1", "https://192.0.2.1/path"} {
		if _, err := agent.Servers(&rest.Config{}, []string{wrong}); err == nil {
			t.Errorf("%q is taken for a server", wrong)
		}
	}
}
