package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ovn"
	"github.com/northbound-ovn/northbound/test/aggregated/controlplane"
)

// northbound is a standalone server with a database of its own.
type northbound struct {
	*target
	programs, dir string
	port          int
	// central is the database when the server does not run it itself, as it does by default.
	central *ovn.Central
	process *controlplane.Process
}

// newNorthbound starts a server. With northd it is the embedded default, which runs a Northbound and a Southbound database
// and ovn-northd. Without, it has a Northbound database only: what the server itself costs.
func newNorthbound(ctx context.Context, programs, dir string, port int, northd bool) (_ *northbound, err error) {
	n := &northbound{programs: programs, dir: dir, port: port}
	name := "northbound, no northd"
	if northd {
		name = "northbound"
	}
	n.target = &target{name: name, group: v1.SchemeGroupVersion, created: make(map[string]int), processes: n.pids}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			n.stop()
		}
	}()
	if !northd {
		if n.central, err = ovn.Start(ctx, ovn.Config{Dir: filepath.Join(dir, "nb"), Clustered: true}); err != nil {
			return nil, err
		}
	}
	return n, n.start(ctx)
}

// start runs the server and waits until it is ready, its database included.
func (n *northbound) start(ctx context.Context) error {
	data := filepath.Join(n.dir, "data")
	args := []string{"--standalone", "--data-dir=" + data, "--secure-port=" + strconv.Itoa(n.port)}
	if n.central != nil {
		args = append(args, "--nb-address="+n.central.NBAddress())
	}
	process, err := controlplane.StartProcess(controlplane.Command{
		Name: "northbound-apiserver", Path: filepath.Join(n.programs, "northbound-apiserver"), Args: args, Dir: n.dir,
	})
	if err != nil {
		return err
	}
	n.process = process
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return process.Await(ctx, func(ctx context.Context) error {
		config, err := clientcmd.BuildConfigFromFlags("", filepath.Join(data, "admin.kubeconfig"))
		if err != nil {
			return err
		}
		n.config = config
		for _, path := range []string{"/readyz", "/readyz/nb"} {
			if _, err := n.get(ctx, path); err != nil {
				return err
			}
		}
		return nil
	})
}

func (n *northbound) stopServer() {
	if n.process != nil {
		n.process.Stop(10 * time.Second)
	}
}

func (n *northbound) stop() {
	n.stopServer()
	if n.central != nil {
		_ = n.central.Stop()
	}
}

// pids of the server and of what it or, for its sake, this program has started.
func (n *northbound) pids() []int {
	pids := []int{n.process.Pid()}
	if n.central != nil {
		text, _ := os.ReadFile(filepath.Join(n.dir, "nb", "nb.pid"))
		if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
			pids = append(pids, pid)
		}
	}
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", n.process.Pid()))
	for _, file := range threads {
		text, _ := os.ReadFile(file)
		for field := range strings.FieldsSeq(string(text)) {
			if pid, err := strconv.Atoi(field); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// get reads a path that is no object.
func (n *northbound) get(ctx context.Context, path string) ([]byte, error) {
	client, err := rest.HTTPClientFor(n.config)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, n.config.Host+path, nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", path, response.Status, body)
	}
	return body, err
}

// heap is the size of the live objects, in bytes.
func (n *northbound) heap(ctx context.Context) (float64, error) {
	// A profile with gc=1 is taken after a collection; the second one frees what finalizers let go.
	for range 2 {
		if _, err := n.get(ctx, "/debug/pprof/heap?gc=1"); err != nil {
			return 0, err
		}
	}
	metrics, err := n.get(ctx, "/metrics")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(metrics)) {
		if value, ok := strings.CutPrefix(line, "go_memstats_heap_alloc_bytes "); ok {
			return strconv.ParseFloat(strings.TrimSpace(value), 64)
		}
	}
	return 0, errors.New("/metrics lacks go_memstats_heap_alloc_bytes")
}
