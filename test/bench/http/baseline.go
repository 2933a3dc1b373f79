package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"

	"github.com/northbound-ovn/northbound/test/aggregated/controlplane"
)

//go:embed crd.yaml
var definitions []byte

// startBaseline runs kube-apiserver on an etcd that syncs to disk, with the objects as custom resources.
func startBaseline(ctx context.Context, programs, dir string) (*target, *controlplane.ControlPlane, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, nil, err
	}
	cp, err := controlplane.Start(ctx, controlplane.Config{Programs: programs, Dir: dir, Fsync: true})
	if err != nil {
		return nil, nil, err
	}
	t := &target{
		name: "CRD", group: schema.GroupVersion{Group: "bench.example.com", Version: "v1"},
		complete: true, created: make(map[string]int),
		processes: func() []int { return []int{cp.Pid("etcd"), cp.Pid("kube-apiserver")} },
	}
	if t.config, err = cp.User("admin", "system:masters"); err == nil {
		err = define(ctx, t)
	}
	if err != nil {
		cp.Stop()
		return nil, nil, fmt.Errorf("custom resources: %w", err)
	}
	return t, cp, nil
}

// define creates the definitions and waits until the resources are served.
func define(ctx context.Context, t *target) error {
	client, err := dynamic.NewForConfig(t.config)
	if err != nil {
		return err
	}
	crds := schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
	for decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(definitions), 4096); ; {
		crd := &unstructured.Unstructured{}
		if err := decoder.Decode(crd); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		if _, err := client.Resource(crds).Create(ctx, crd, metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	for _, w := range workloads {
		var last error
		err := wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, 30*time.Second, true, func(ctx context.Context) (bool, error) {
			_, last = client.Resource(t.resource(w.resource)).List(ctx, metav1.ListOptions{Limit: 1})
			return last == nil, nil
		})
		if err != nil {
			return errors.Join(err, last)
		}
	}
	return nil
}
