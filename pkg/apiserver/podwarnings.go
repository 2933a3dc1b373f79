package apiserver

import (
	"encoding/json"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/podadmission"
)

// warningsAbout are what whoever creates a pod is told although the pod is allowed.
func warningsAbout(r *admissionv1.AdmissionRequest) []string {
	if r.Operation != admissionv1.Create || r.Resource != (metav1.GroupVersionResource{Version: "v1", Resource: "pods"}) || r.SubResource != "" {
		return nil
	}
	var pod metav1.PartialObjectMetadata
	if err := json.Unmarshal(r.Object.Raw, &pod); err != nil {
		return nil // The review itself says so.
	}
	return podadmission.Unknown(pod.Annotations)
}
