package controlplane

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"time"
)

// StartNorthbound runs northbound-apiserver, of a folder of programs, on a Northbound database and makes it one of the
// control plane's servers. When it returns, its group is served. The caller stops the process.
func (cp *ControlPlane) StartNorthbound(ctx context.Context, programs, nbAddress string, a Aggregated) (*Process, error) {
	credentials, err := cp.Prepare(ctx, a)
	if err != nil {
		return nil, err
	}
	process, err := StartProcess(Command{
		Name: "northbound-apiserver",
		Path: filepath.Join(programs, "northbound-apiserver"),
		Args: []string{
			"--nb-address=" + nbAddress,
			"--kubeconfig=" + credentials.Kubeconfig,
			"--authentication-kubeconfig=" + credentials.Kubeconfig,
			"--authorization-kubeconfig=" + credentials.Kubeconfig,
			"--tls-cert-file=" + credentials.CertFile,
			"--tls-private-key-file=" + credentials.KeyFile,
			"--secure-port=" + strconv.Itoa(int(a.Port)),
		},
		Dir: cp.path("log"),
	})
	if err != nil {
		return nil, err
	}
	err = awaitReady(ctx, process, "https://"+net.JoinHostPort(Addr.String(), strconv.Itoa(int(a.Port)))+"/readyz/nb")
	if err == nil {
		err = cp.Register(ctx, a)
	}
	if err != nil {
		process.Kill()
		return nil, err
	}
	return process, nil
}

// awaitReady asks the server directly; who answers is checked by kube-apiserver later.
func awaitReady(ctx context.Context, process *Process, url string) error {
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	return process.Await(ctx, func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		defer func() { _ = response.Body.Close() }()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("%s: %s", url, response.Status)
		}
		return nil
	})
}
