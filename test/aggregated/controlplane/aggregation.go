package controlplane

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
)

// Aggregated describes an API server that runs behind kube-apiserver, at Addr.
type Aggregated struct {
	// Name is that of its user, and of its Service and the namespace of that.
	Name string
	Port int32
	// GroupVersion is what it serves.
	GroupVersion schema.GroupVersion
}

// Credentials are the files that an aggregated API server is started with.
type Credentials struct {
	// Kubeconfig is that of a user who may delegate authentication and authorization.
	Kubeconfig string
	// CertFile and KeyFile are the serving certificate; kube-apiserver will trust it.
	CertFile, KeyFile string
}

// Prepare makes the identity of an aggregated API server: what it needs before it starts.
func (cp *ControlPlane) Prepare(ctx context.Context, a Aggregated) (Credentials, error) {
	kubeconfig, err := cp.Kubeconfig(a.Name)
	if err != nil {
		return Credentials{}, err
	}
	serving, err := cp.aggregated.server(a.Name+"-serving", a.Name+"."+a.Name+".svc")
	if err != nil {
		return Credentials{}, err
	}
	client, err := cp.adminClient()
	if err != nil {
		return Credentials{}, err
	}
	if err := allowDelegation(ctx, client, a.Name); err != nil {
		return Credentials{}, fmt.Errorf("rights of %s: %w", a.Name, err)
	}
	return Credentials{Kubeconfig: kubeconfig, CertFile: serving.cert, KeyFile: serving.key}, nil
}

// Register makes kube-apiserver send the requests of the group and version to the server, and returns when it does.
// The server must be listening: an unavailable one is probed again only after a while.
func (cp *ControlPlane) Register(ctx context.Context, a Aggregated) error {
	client, err := cp.adminClient()
	if err != nil {
		return err
	}
	if err := createService(ctx, client, a); err != nil {
		return fmt.Errorf("service of %s: %w", a.Name, err)
	}
	if err := cp.createAPIService(ctx, a); err != nil {
		return fmt.Errorf("APIService of %s: %w", a.Name, err)
	}
	var last error
	err = wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, 30*time.Second, true, func(ctx context.Context) (bool, error) {
		_, last = client.Discovery().ServerResourcesForGroupVersion(a.GroupVersion.String())
		return last == nil, nil
	})
	if err != nil {
		return fmt.Errorf("%v is not available: %w", a.GroupVersion, last)
	}
	return nil
}

func (cp *ControlPlane) adminClient() (kubernetes.Interface, error) {
	admin, err := cp.User("admin", "system:masters")
	if err != nil {
		return nil, err
	}
	return kubernetes.NewForConfig(admin)
}

// allowDelegation grants what every aggregated server needs: to review tokens and access, to read the configuration of
// request-header authentication, and to watch what the generic server library watches.
func allowDelegation(ctx context.Context, client kubernetes.Interface, user string) error {
	read := []string{"get", "list", "watch"}
	role := &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: user},
		Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{""}, Resources: []string{"namespaces"}, Verbs: read},
			// As artifacts/aggregated/rbac.yaml: the admission of pods.
			{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"get"}},
			{APIGroups: []string{"apps"}, Resources: []string{"replicasets"}, Verbs: []string{"get"}},
			{APIGroups: []string{"admissionregistration.k8s.io"}, Resources: []string{"*"}, Verbs: read},
			{APIGroups: []string{"flowcontrol.apiserver.k8s.io"}, Resources: []string{"flowschemas", "prioritylevelconfigurations"}, Verbs: read},
		},
	}
	if _, err := client.RbacV1().ClusterRoles().Create(ctx, role, metav1.CreateOptions{}); err != nil {
		return err
	}
	subjects := []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}}
	for name, role := range map[string]string{user: user, user + ":auth-delegator": "system:auth-delegator"} {
		binding := &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   subjects,
		}
		if _, err := client.RbacV1().ClusterRoleBindings().Create(ctx, binding, metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	reader := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: user + ":auth-reader"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "extension-apiserver-authentication-reader"},
		Subjects:   subjects,
	}
	_, err := client.RbacV1().RoleBindings("kube-system").Create(ctx, reader, metav1.CreateOptions{})
	return err
}

// createService makes a Service without a selector and its endpoint. The name of the port must be the same in both.
func createService(ctx context.Context, client kubernetes.Interface, a Aggregated) error {
	const portName = "https"
	port, protocol, ready := a.Port, corev1.ProtocolTCP, true
	meta := metav1.ObjectMeta{Name: a.Name, Namespace: a.Name}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: a.Name}}
	if _, err := client.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{}); err != nil {
		return err
	}
	service := &corev1.Service{ObjectMeta: meta, Spec: corev1.ServiceSpec{
		Ports: []corev1.ServicePort{{Name: portName, Port: port, TargetPort: intstr.FromInt32(port)}},
	}}
	if _, err := client.CoreV1().Services(a.Name).Create(ctx, service, metav1.CreateOptions{}); err != nil {
		return err
	}
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Name: a.Name, Namespace: a.Name, Labels: map[string]string{discoveryv1.LabelServiceName: a.Name}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: new(portName), Port: &port, Protocol: &protocol}},
		Endpoints: []discoveryv1.Endpoint{{
			Addresses: []string{Addr.String()}, Conditions: discoveryv1.EndpointConditions{Ready: &ready},
		}},
	}
	_, err := client.DiscoveryV1().EndpointSlices(a.Name).Create(ctx, slice, metav1.CreateOptions{})
	return err
}

// createAPIService goes through the dynamic client: the typed one would need another module for one object.
func (cp *ControlPlane) createAPIService(ctx context.Context, a Aggregated) error {
	admin, err := cp.User("admin", "system:masters")
	if err != nil {
		return err
	}
	client, err := dynamic.NewForConfig(admin)
	if err != nil {
		return err
	}
	ca, err := os.ReadFile(cp.aggregated.file())
	if err != nil {
		return err
	}
	service := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiregistration.k8s.io/v1",
		"kind":       "APIService",
		"metadata":   map[string]any{"name": a.GroupVersion.Version + "." + a.GroupVersion.Group},
		"spec": map[string]any{
			"group": a.GroupVersion.Group, "version": a.GroupVersion.Version,
			"groupPriorityMinimum": int64(1000), "versionPriority": int64(100),
			"caBundle": base64.StdEncoding.EncodeToString(ca),
			"service":  map[string]any{"namespace": a.Name, "name": a.Name, "port": int64(a.Port)},
		},
	}}
	resource := schema.GroupVersionResource{Group: "apiregistration.k8s.io", Version: "v1", Resource: "apiservices"}
	_, err = client.Resource(resource).Create(ctx, service, metav1.CreateOptions{})
	return err
}
