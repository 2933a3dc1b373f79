package apiserver

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/dynamic"
	"k8s.io/klog/v2"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// fieldManager owns the fields of the default objects.
const fieldManager = "northbound-apiserver"

// defaultObjects is the hook that creates the default network where it does not exist yet: at every start, as Kube-OVN does,
// because the rest of a cluster's network is built on it. The objects go through the API like anybody's. The hook does not
// hold back readiness: it tries in the background until the database is there.
func defaultObjects(engine *storage.Engine, config kubeovn.Config) genericapiserver.PostStartHookFunc {
	return func(hook genericapiserver.PostStartHookContext) error {
		client, err := dynamic.NewForConfig(hook.LoopbackClientConfig)
		if err != nil {
			return err
		}
		go func() {
			ctx := klog.NewContext(hook, klog.FromContext(hook).WithName("default-objects"))
			if err := createDefaults(ctx, engine, client, kubeovn.DefaultObjects(config)); err != nil && ctx.Err() == nil {
				klog.FromContext(ctx).Error(err, "Default network was not created")
			}
		}()
		return nil
	}
}

func createDefaults(ctx context.Context, engine *storage.Engine, client dynamic.Interface, objects []storage.Object) error {
	backoff := wait.Backoff{Duration: 100 * time.Millisecond, Factor: 2, Jitter: 0.1, Cap: 10 * time.Second, Steps: 1 << 30}
	return backoff.DelayFunc().Until(ctx, true, true, func(ctx context.Context) (bool, error) {
		if err := engine.WaitReady(ctx); err != nil {
			return false, err
		}
		for i, obj := range objects {
			err := createDefault(ctx, client, obj)
			switch {
			case err == nil, apierrors.IsAlreadyExists(err):
			case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
				return false, fmt.Errorf("%s: %w", obj.GetName(), err)
			default:
				klog.FromContext(ctx).Info("Default network cannot be created yet", "object", obj.GetName(), "reason", err.Error())
				objects = objects[i:]
				return false, nil
			}
		}
		return true, nil
	})
}

func createDefault(ctx context.Context, client dynamic.Interface, obj storage.Object) error {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(obj)
	if err != nil {
		return err
	}
	u := &unstructured.Unstructured{Object: content}
	resource, ok := resourceOfKind(u.GetKind())
	if !ok {
		return fmt.Errorf("kind %q is not served", u.GetKind())
	}
	_, err = client.Resource(v1.SchemeGroupVersion.WithResource(resource)).Create(ctx, u, metav1.CreateOptions{FieldManager: fieldManager})
	return err
}
