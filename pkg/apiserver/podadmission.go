package apiserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"

	"github.com/northbound-ovn/northbound/pkg/podnet"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/podadmission"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// podAdmissionPath answers AdmissionReviews (admission.k8s.io/v1) of pods: the kube-apiserver asks it before a pod is stored, as the
// ValidatingWebhookConfiguration in artifacts says. Callers need the right to "post" to it: RBAC decides whom it answers, and without
// credentials of its own for webhooks (AdmissionConfiguration) the kube-apiserver is system:anonymous.
const podAdmissionPath = "/validate/pods"

// maxReview is the size of the largest review that is read: two objects of the size that etcd takes, and some.
const maxReview = 4 << 20

// podAdmission answers reviews from the snapshot of the moment. Only when another pod holds what a pod asks for, it asks the kube-apiserver
// about the two.
type podAdmission struct {
	view func() storage.View // nil while the database is away
	// namespaces knows the annotations of namespaces; nil in standalone mode.
	namespaces corelisters.NamespaceLister
	// client reads the pods that hold what another asks for; nil in standalone mode.
	client kubernetes.Interface
}

func newPodAdmission(engine *storage.Engine, config *genericapiserver.RecommendedConfig) (*podAdmission, error) {
	p := &podAdmission{view: func() storage.View {
		if engine.Ready() != nil {
			return nil
		}
		return engine.View()
	}}
	if config.SharedInformerFactory != nil {
		p.namespaces = config.SharedInformerFactory.Core().V1().Namespaces().Lister()
	}
	if config.ClientConfig == nil {
		return p, nil
	}
	var err error
	p.client, err = kubernetes.NewForConfig(config.ClientConfig)
	return p, err
}

// ServeHTTP implements http.Handler. What is no review is a 400, and without the database the answer is a 503: then the failurePolicy of the
// webhook's configuration decides.
func (p *podAdmission) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "post an AdmissionReview", http.StatusMethodNotAllowed)
		return
	}
	var review admissionv1.AdmissionReview
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxReview))
	if err == nil {
		err = json.Unmarshal(body, &review)
	}
	if err == nil && (review.Kind != "AdmissionReview" || review.APIVersion != admissionv1.SchemeGroupVersion.String() || review.Request == nil) {
		err = fmt.Errorf("want an AdmissionReview of %s with a request", admissionv1.SchemeGroupVersion)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	review.Response, err = p.review(r.Context(), review.Request)
	if err != nil {
		w.Header().Set("Retry-After", "1")
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	review.Response.UID = review.Request.UID
	review.Response.Warnings = append(review.Response.Warnings, warningsAbout(review.Request)...)
	review.Request = nil
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(&review); err != nil {
		return // the caller is gone
	}
}

var errNoDatabase = errors.New("the OVN Northbound database is not available")

// review answers one request. What the network does not concern is allowed at once: pods on the host's network, other objects, updates
// that leave the annotations of interfaces as they are.
func (p *podAdmission) review(ctx context.Context, r *admissionv1.AdmissionRequest) (*admissionv1.AdmissionResponse, error) {
	allowed := &admissionv1.AdmissionResponse{Allowed: true}
	if r.Resource != (metav1.GroupVersionResource{Version: "v1", Resource: "pods"}) || r.SubResource != "" {
		return allowed, nil
	}
	var pod, old corev1.Pod
	if err := json.Unmarshal(r.Object.Raw, &pod); err != nil {
		return refusal(apierrors.NewBadRequest(err.Error())), nil
	}
	if len(r.OldObject.Raw) > 0 {
		if err := json.Unmarshal(r.OldObject.Raw, &old); err != nil {
			return refusal(apierrors.NewBadRequest(err.Error())), nil
		}
	}
	if pod.Spec.HostNetwork || pod.DeletionTimestamp != nil || len(podnet.Asked(pod.Annotations)) == 0 ||
		r.Operation == admissionv1.Update && maps.Equal(asked(pod.Annotations), asked(old.Annotations)) {
		return allowed, nil
	}
	if pod.Namespace == "" {
		pod.Namespace = r.Namespace
	}
	input := podnet.Pod{ObjectMeta: pod.ObjectMeta}
	if p.namespaces != nil {
		namespace, err := p.namespaces.Get(pod.Namespace)
		if err != nil {
			return allowed, nil // too new to be known: which Subnets it has is decided on the node
		}
		input.NamespaceAnnotations, input.NamespaceLabels = namespace.Annotations, namespace.Labels
	}
	v := p.view()
	if v == nil {
		return nil, errNoDatabase
	}
	warnings, errs := podadmission.Review(v, input, p.releases(ctx, &input.ObjectMeta))
	if len(errs) > 0 {
		return refusal(apierrors.NewInvalid(schema.GroupKind{Kind: "Pod"}, pod.Name, errs)), nil
	}
	allowed.Warnings = append(allowed.Warnings, warnings...)
	return allowed, nil
}

// asked are the annotations by which a pod may ask for something.
func asked(annotations map[string]string) map[string]string {
	out := maps.Clone(annotations)
	maps.DeleteFunc(out, func(key, _ string) bool {
		return !strings.Contains(key, ".kubernetes.io/") || len(podnet.Asked(map[string]string{key: ""})) == 0
	})
	return out
}

func refusal(err *apierrors.StatusError) *admissionv1.AdmissionResponse {
	return &admissionv1.AdmissionResponse{Result: &err.ErrStatus}
}
