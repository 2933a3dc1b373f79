package cniserver

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/northbound-ovn/northbound/pkg/agent/host"
	"github.com/northbound-ovn/northbound/pkg/agent/vswitch"
	"github.com/northbound-ovn/northbound/pkg/agent/vswitch/vswitchtest"
	"github.com/northbound-ovn/northbound/pkg/generated/clientset/versioned"
)

// serverEnv is the environment variable with an aloneSpec.
const serverEnv = "NORTHBOUND_TEST_CNISERVER"

// aloneSpec is a server in a process of its own.
type aloneSpec struct {
	Socket, Conflist, Namespace, OVSDB, Kubeconfig string
	// DieAt is the stage behind which the process kills itself.
	DieAt string
	Pods  []*Pod
}

// serveAlone is the process.
func serveAlone(spec string) error {
	var a aloneSpec
	if err := json.Unmarshal([]byte(spec), &a); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	h, err := host.Open(a.Namespace)
	if err != nil {
		return err
	}
	sw, err := vswitch.Open(ctx, a.OVSDB)
	if err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", a.Kubeconfig)
	if err != nil {
		return err
	}
	client, err := versioned.NewForConfig(config)
	if err != nil {
		return err
	}
	pods := &memoryPods{pods: map[string]*Pod{}}
	for _, p := range a.Pods {
		pods.put(p)
	}
	s := New(Config{NodeName: nodeName, Socket: a.Socket, Host: h, Switch: sw, Client: client, Pods: pods,
		MTU: func() int { return 1400 }, Conflist: Conflist{Path: a.Conflist}})
	s.passed = func(stage string) {
		if stage == a.DieAt {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	return s.Run(ctx)
}

// startAlone starts a server in a process of its own, and returns when it serves.
func (n *node) startAlone(dieAt string) *vswitchtest.Process {
	n.Helper()
	conflist := filepath.Join(n.dir, "net.d", "01-kube-ovn.conflist")
	if err := os.Remove(conflist); err != nil && !os.IsNotExist(err) {
		n.Fatal(err)
	}
	a := aloneSpec{Socket: n.socket, Conflist: conflist, Namespace: n.Path(), OVSDB: n.Address(), Kubeconfig: filepath.Join(n.api.DataDir, "admin.kubeconfig"), DieAt: dieAt}
	for _, p := range n.pods.pods {
		a.Pods = append(a.Pods, p)
	}
	spec, err := json.Marshal(&a)
	if err != nil {
		n.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serverEnv+"="+string(spec))
	cmd.Stderr = os.Stderr
	p := vswitchtest.Spawn(n, "server", cmd)
	n.until("the network is announced", func() bool {
		_, err := os.Stat(conflist)
		return err == nil
	})
	return p
}

// The server is killed behind each stage of an addition; then kubelet's two ways out of it work: the same request again, and a
// deletion followed by an addition in a new sandbox.
func TestAServerThatIsKilledWithinAnAdditionLeavesNothingBehind(t *testing.T) {
	n := newNode(t)
	n.startAlone("").Kill()
	for _, stage := range []string{"link", "allocate", "plug", "configure", "install"} {
		for _, repeat := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, repeated: %t", stage, repeat), func(t *testing.T) {
				a, b := n.pod("a"), n.pod("b")
				a.net = n.impatient()
				doomed := n.startAlone(stage)
				if _, err := a.tryAdd(); err == nil {
					t.Fatal("the addition succeeds although the server is killed")
				}
				<-doomed.Done()
				server := n.startAlone("")
				if !repeat {
					a.del()
					a.sandbox, a.id = vswitchtest.NewNamespace(t), a.id[32:]+a.id[:32]
				}
				ra, rb := a.add(), b.add()
				a.reaches(address(rb))
				b.reaches(address(ra))
				if err := a.check(); err != nil {
					t.Errorf("CHECK: %v", err)
				}
				if ips := n.ips(); len(ips) != 2 {
					t.Errorf("got IPs %v, want two", ips)
				}
				server.Kill()
				// A deletion is killed, too.
				a.terminate()
				n.pods.remove(b.object)
				doomed = n.startAlone("unplug")
				if err := a.runtime().DelNetworkList(t.Context(), a.net, a.conf()); err == nil {
					t.Error("the deletion succeeds although the server is killed")
				}
				<-doomed.Done()
				server = n.startAlone("")
				a.del()
				b.del()
				n.pods.remove(a.object)
				n.wait("the end of the ports", func(now vswitch.Snapshot) bool {
					return len(ours(now, func(map[string]string) bool { return true })) == 0
				})
				n.nothingLeft()
				server.Kill()
			})
		}
	}
}

func TestAnAdditionGoesOnWithTheServerAfterTheOneThatIsKilledWithinIt(t *testing.T) {
	n := newNode(t)
	n.startAlone("").Kill()
	a := n.pod("a")
	doomed := n.startAlone("plug")
	added := make(chan error, 1)
	go func() {
		_, err := a.tryAdd()
		added <- err
	}()
	<-doomed.Done()
	server := n.startAlone("")
	if err := <-added; err != nil {
		t.Fatal(err)
	}
	if err := a.check(); err != nil {
		t.Errorf("CHECK: %v", err)
	}
	if ips := n.ips(); len(ips) != 1 {
		t.Errorf("got IPs %v, want one", ips)
	}
	server.Kill()
	a.terminate()
	server = n.startAlone("")
	a.del()
	n.nothingLeft()
	server.Kill()
}
