package controlplane

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// The ports within the namespace.
const (
	etcdPort              = "2379"
	etcdPeerPort          = "2380"
	apiServerPort         = "6443"
	controllerManagerPort = "10257"
)

const startTimeout = 90 * time.Second

// Config says what Start runs.
type Config struct {
	// Programs is the folder of etcd, kube-apiserver, kube-controller-manager and kube-scheduler (hack/kubernetes/build.sh prints it).
	Programs string
	// Dir takes certificates, data and logs. It must exist.
	Dir string
	// Fsync makes etcd's writes durable. Tests that do not measure do without.
	Fsync bool
	// Audit writes one line for each request, with its user, to Dir/audit.log.
	Audit bool
}

// ControlPlane is a running control plane.
type ControlPlane struct {
	// Server is the URL of kube-apiserver.
	Server string
	// Dir is that of the Config.
	Dir string
	// AuditLog is the file of audit events, one JSON object a line; empty without Config.Audit.
	AuditLog string

	programs   string
	signingKey string     // of service-account tokens
	users      *authority // signs client certificates and kube-apiserver's serving certificate
	frontProxy *authority // signs the identity with which kube-apiserver calls aggregated servers
	aggregated *authority // signs the serving certificates of aggregated servers
	processes  []*Process
}

// Start runs etcd and kube-apiserver until Stop. When it returns, requests are served. What was started is stopped again
// when it fails.
func Start(ctx context.Context, c Config) (_ *ControlPlane, err error) {
	if err := isolated(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	cp := &ControlPlane{Server: "https://" + net.JoinHostPort(Addr.String(), apiServerPort), Dir: c.Dir, programs: c.Programs}
	defer func() {
		if err != nil {
			cp.Stop()
		}
	}()
	for _, d := range []string{"pki", "log", "etcd"} {
		if err := os.MkdirAll(filepath.Join(c.Dir, d), 0o700); err != nil {
			return nil, err
		}
	}
	for _, a := range []struct {
		name string
		to   **authority
	}{{"ca", &cp.users}, {"front-proxy-ca", &cp.frontProxy}, {"aggregated-ca", &cp.aggregated}} {
		if *a.to, err = newAuthority(cp.path("pki"), a.name); err != nil {
			return nil, err
		}
	}
	if err := cp.startEtcd(c); err != nil {
		return nil, err
	}
	signing, public, err := signingKey(cp.path("pki"))
	if err != nil {
		return nil, err
	}
	cp.signingKey = signing
	return cp, cp.startAPIServer(ctx, c, public)
}

// Stop ends every program, the last one first. It may be called again.
func (cp *ControlPlane) Stop() {
	for len(cp.processes) > 0 {
		last := len(cp.processes) - 1
		cp.processes[last].Stop(2 * time.Second)
		cp.processes = cp.processes[:last]
	}
}

// Pid is the process id of a program, 0 when it does not run.
func (cp *ControlPlane) Pid(program string) int {
	for _, p := range cp.processes {
		if p.Name == program {
			return p.Pid()
		}
	}
	return 0
}

func (cp *ControlPlane) path(elem ...string) string {
	return filepath.Join(append([]string{cp.Dir}, elem...)...)
}

func (cp *ControlPlane) start(name string, args ...string) (*Process, error) {
	p, err := StartProcess(Command{Name: name, Path: filepath.Join(cp.programs, name), Args: args, Dir: cp.path("log")})
	if err == nil {
		cp.processes = append(cp.processes, p)
	}
	return p, err
}

func (cp *ControlPlane) startEtcd(c Config) error {
	client := "http://" + net.JoinHostPort("127.0.0.1", etcdPort)
	peer := "http://" + net.JoinHostPort("127.0.0.1", etcdPeerPort)
	args := []string{
		"--data-dir=" + cp.path("etcd"), "--log-level=warn",
		"--listen-client-urls=" + client, "--advertise-client-urls=" + client,
		"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer, "--initial-cluster=default=" + peer,
	}
	if !c.Fsync {
		args = append(args, "--unsafe-no-fsync")
	}
	_, err := cp.start("etcd", args...)
	return err
}

const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
`

func (cp *ControlPlane) startAPIServer(ctx context.Context, c Config, public string) error {
	serving, err := cp.users.server("kube-apiserver", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
	if err != nil {
		return err
	}
	proxy, err := cp.frontProxy.client("front-proxy-client", "front-proxy-client")
	if err != nil {
		return err
	}
	kubelet, err := cp.users.client("kubelet-client", "kubelet-client", "system:masters")
	if err != nil {
		return err
	}
	args := []string{
		"--etcd-servers=http://" + net.JoinHostPort("127.0.0.1", etcdPort),
		"--bind-address=0.0.0.0", "--advertise-address=" + Addr.String(), "--secure-port=" + apiServerPort,
		"--service-cluster-ip-range=" + ServiceCIDR.String(),
		"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction", "--allow-privileged=true",
		"--kubelet-client-certificate=" + kubelet.cert, "--kubelet-client-key=" + kubelet.key,
		"--kubelet-preferred-address-types=InternalIP",
		"--client-ca-file=" + cp.users.file(),
		"--tls-cert-file=" + serving.cert, "--tls-private-key-file=" + serving.key,
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + public, "--service-account-signing-key-file=" + cp.signingKey,
		"--requestheader-client-ca-file=" + cp.frontProxy.file(), "--requestheader-allowed-names=front-proxy-client",
		"--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + proxy.cert, "--proxy-client-key-file=" + proxy.key,
		// Requests go to the endpoints of an aggregated server: nothing here makes its Service address reachable.
		"--enable-aggregator-routing=true",
	}
	if c.Audit {
		cp.AuditLog = cp.path("audit.log")
		policy := cp.path("audit.yaml")
		if err := os.WriteFile(policy, []byte(auditPolicy), 0o600); err != nil {
			return err
		}
		args = append(args, "--audit-policy-file="+policy, "--audit-log-path="+cp.AuditLog)
	}
	p, err := cp.start("kube-apiserver", args...)
	if err != nil {
		return err
	}
	admin, err := cp.User("admin", "system:masters")
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(admin)
	if err != nil {
		return err
	}
	return p.Await(ctx, func(ctx context.Context) error {
		return client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
	})
}

// StartControllerManager adds kube-controller-manager. When it returns, the service account of the namespace "default"
// exists. It is no part of Start because it exits when the bootstrap of RBAC has not finished, and because its garbage
// collector learns at once only of what is served when it starts.
func (cp *ControlPlane) StartControllerManager(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	kubeconfig, err := cp.Kubeconfig("system:kube-controller-manager")
	if err != nil {
		return err
	}
	p, err := cp.start("kube-controller-manager",
		"--kubeconfig="+kubeconfig, "--authentication-kubeconfig="+kubeconfig, "--authorization-kubeconfig="+kubeconfig,
		"--bind-address=127.0.0.1", "--secure-port="+controllerManagerPort, "--leader-elect=false",
		"--use-service-account-credentials=true", "--service-account-private-key-file="+cp.signingKey, "--root-ca-file="+cp.users.file(),
		"--kube-api-qps=500", "--kube-api-burst=1000", // the defaults delay the first service account by five seconds
	)
	if err != nil {
		return err
	}
	admin, err := cp.User("admin", "system:masters")
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(admin)
	if err != nil {
		return err
	}
	return p.Await(ctx, func(ctx context.Context) error {
		_, err := client.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{})
		return err
	})
}

// StartScheduler adds kube-scheduler, which a cluster with nodes needs.
func (cp *ControlPlane) StartScheduler() error {
	kubeconfig, err := cp.Kubeconfig("system:kube-scheduler")
	if err != nil {
		return err
	}
	_, err = cp.start("kube-scheduler",
		"--kubeconfig="+kubeconfig, "--authentication-kubeconfig="+kubeconfig, "--authorization-kubeconfig="+kubeconfig,
		"--bind-address=127.0.0.1", "--leader-elect=false", "--kube-api-qps=500", "--kube-api-burst=1000",
	)
	return err
}

// ControllerManagerHealth returns an error unless every health check of the controller manager passes.
func (cp *ControlPlane) ControllerManagerHealth(ctx context.Context) error {
	// The controller manager signs its own serving certificate.
	transport, err := rest.TransportFor(&rest.Config{TLSClientConfig: rest.TLSClientConfig{Insecure: true}})
	if err != nil {
		return err
	}
	url := "https://" + net.JoinHostPort("127.0.0.1", controllerManagerPort) + "/healthz?verbose"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("kube-controller-manager: %s", response.Status)
	}
	return nil
}

// ControllerManagerLog is what the controller manager has written so far.
func (cp *ControlPlane) ControllerManagerLog() (string, error) {
	text, err := os.ReadFile(cp.path("log", "kube-controller-manager.log"))
	return string(text), err
}
