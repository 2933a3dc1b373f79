// Command northbound-certificates gives an aggregated northbound-apiserver its serving certificate. It runs before the
// server, in the same pod: the authority is a Secret that all replicas share, made by the first of them; every start issues
// a certificate of its own. It then tells the kube-apiserver, in the APIService and in webhook configurations, which
// authority to trust.
package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"

	"github.com/northbound-ovn/northbound/pkg/apiserver/standalone"
)

// The keys of the authority's Secret, and its files in the folder.
const (
	certFile = "ca.crt"
	keyFile  = "ca.key"
)

type options struct {
	kubeconfig, dir, namespace, service, secret string
	apiServices, webhooks                       []string
}

func main() {
	var o options
	pflag.StringVar(&o.kubeconfig, "kubeconfig", "", "How to reach the Kubernetes API; the pod's service account when empty.")
	pflag.StringVar(&o.dir, "cert-dir", "/etc/northbound/tls", "Folder that takes apiserver.crt and apiserver.key, and ca.crt.")
	pflag.StringVar(&o.namespace, "namespace", "northbound-system", "Namespace of the Secret and of the Service.")
	pflag.StringVar(&o.service, "service", "northbound-apiserver", "Service in front of the servers.")
	pflag.StringVar(&o.secret, "secret", "northbound-apiserver-ca", "Secret with the authority; made when there is none.")
	pflag.StringSliceVar(&o.apiServices, "apiservice", []string{"v1.kubeovn.io"}, "APIServices whose caBundle is set.")
	pflag.StringSliceVar(&o.webhooks, "validating-webhook", []string{"northbound"}, "ValidatingWebhookConfigurations whose webhooks' caBundle is set; one that does not exist is left out.")
	pflag.Parse()
	if err := run(genericapiserver.SetupSignalContext(), o); err != nil {
		klog.ErrorS(err, "The API server has no certificate")
		klog.FlushAndExit(klog.ExitFlushTimeout, 1)
	}
}

func run(ctx context.Context, o options) error {
	config, err := clientcmd.BuildConfigFromFlags("", o.kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	pki, bundle, err := authority(ctx, client, o)
	if err != nil {
		return err
	}
	host := o.service + "." + o.namespace + ".svc"
	if _, _, err := pki.Serving([]string{host, host + ".cluster.local", "localhost"}, nil); err != nil {
		return err
	}
	// A server needs only its own key.
	if err := os.Remove(filepath.Join(o.dir, keyFile)); err != nil {
		return err
	}
	for _, name := range o.apiServices {
		patch := map[string]any{"spec": map[string]any{"caBundle": bundle}}
		if err := apply(ctx, client, "/apis/apiregistration.k8s.io/v1/apiservices/"+name, types.MergePatchType, patch); err != nil {
			return fmt.Errorf("caBundle of APIService %s: %w", name, err)
		}
	}
	for _, name := range o.webhooks {
		if err := trustWebhooks(ctx, client, name, bundle); err != nil {
			return fmt.Errorf("caBundle of ValidatingWebhookConfiguration %s: %w", name, err)
		}
	}
	return nil
}

// authority opens the shared authority, or makes and shares one. The bundle is what clients have to trust: beside it the
// one that it replaced, because other servers' certificates are of that until they start again.
func authority(ctx context.Context, client kubernetes.Interface, o options) (*standalone.PKI, string, error) {
	secrets := client.CoreV1().Secrets(o.namespace)
	for {
		shared, err := secrets.Get(ctx, o.secret, metav1.GetOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return nil, "", err
		}
		if err := errors.Join(write(o.dir, keyFile, shared.Data), write(o.dir, certFile, shared.Data)); err != nil {
			return nil, "", err
		}
		pki, err := standalone.OpenPKI(o.dir)
		if err != nil {
			return nil, "", err
		}
		old := shared.Data[certFile]
		if bytes.Equal(pki.CA(), old) {
			return pki, base64.StdEncoding.EncodeToString(append(pki.CA(), shared.Data["previous.crt"]...)), nil
		}
		key, err := os.ReadFile(filepath.Join(o.dir, keyFile))
		if err != nil {
			return nil, "", err
		}
		shared.Data = map[string][]byte{certFile: pki.CA(), keyFile: key, "previous.crt": old}
		if shared.UID == "" {
			_, err = secrets.Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: o.secret}, Data: shared.Data}, metav1.CreateOptions{})
		} else {
			_, err = secrets.Update(ctx, shared, metav1.UpdateOptions{})
		}
		// Whoever was faster has made the authority; it is read in the next round.
		if err != nil && !apierrors.IsAlreadyExists(err) && !apierrors.IsConflict(err) {
			return nil, "", err
		}
	}
}

// write replaces a file by what a Secret holds, or removes it.
func write(dir, name string, data map[string][]byte) error {
	content, ok := data[name]
	if !ok {
		if err := os.Remove(filepath.Join(dir, name)); !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return nil
	}
	return os.WriteFile(filepath.Join(dir, name), content, 0o600)
}

func trustWebhooks(ctx context.Context, client kubernetes.Interface, name, bundle string) error {
	c, err := client.AdmissionregistrationV1().ValidatingWebhookConfigurations().Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	var patch []any
	for i := range c.Webhooks {
		patch = append(patch, map[string]any{"op": "add", "path": fmt.Sprintf("/webhooks/%d/clientConfig/caBundle", i), "value": bundle})
	}
	return apply(ctx, client, "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/"+name, types.JSONPatchType, patch)
}

func apply(ctx context.Context, client kubernetes.Interface, path string, kind types.PatchType, patch any) error {
	body, err := json.Marshal(patch)
	if err != nil {
		return err
	}
	return client.Discovery().RESTClient().Patch(kind).AbsPath(path).Param("fieldManager", "northbound-certificates").Body(body).Do(ctx).Error()
}
