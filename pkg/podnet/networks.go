package podnet

import (
	"encoding/json"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
)

// AnnotationNetworks names the further networks of a pod, as the multi-network standard (v1.3, section 4.1) says.
const AnnotationNetworks = "k8s.v1.cni.cncf.io/networks"

// attached are the providers, in the order of the pod's annotation, of the further networks for which there is a Subnet.
func attached(o Objects, pod *Pod) ([]string, field.ErrorList) {
	text := strings.TrimSpace(pod.Annotations[AnnotationNetworks])
	if text == "" {
		return nil, nil
	}
	networks, err := readNetworks(text, pod.Namespace)
	if err != nil {
		return nil, field.ErrorList{field.Invalid(annotationsPath.Key(AnnotationNetworks), text, "is no list of networks: "+err.Error())}
	}
	known := map[string]bool{}
	for s := range o.Subnets() {
		known[s.Spec.Provider] = true
	}
	var providers []string
	for _, network := range networks {
		for _, provider := range []string{network + "." + v1.DefaultProvider, network} {
			if known[provider] && !slices.Contains(providers, provider) {
				providers = append(providers, provider)
			}
		}
	}
	return providers, nil
}

// readNetworks returns "<name>.<namespace>" of each network: a JSON list, or "[namespace/]name[@interface]" separated by commas.
func readNetworks(text, namespace string) ([]string, error) {
	var networks []string
	if !strings.HasPrefix(text, "[") {
		for _, part := range list(text) {
			part, _, _ = strings.Cut(part, "@")
			ns, name, found := strings.Cut(part, "/")
			if !found {
				ns, name = namespace, part
			}
			networks = append(networks, name+"."+ns)
		}
		return networks, nil
	}
	var entries []struct {
		Name      string `json:"name"`
		Namespace string `json:"namespace"`
	}
	if err := json.Unmarshal([]byte(text), &entries); err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.Namespace == "" {
			e.Namespace = namespace
		}
		networks = append(networks, e.Name+"."+e.Namespace)
	}
	return networks, nil
}

// asked are the annotations by which a pod asks something of an interface.
var asked = []string{v1.AnnotationLogicalSwitch, v1.AnnotationIPAddress, v1.AnnotationMacAddress, v1.AnnotationIPPool, v1.AnnotationVip,
	v1.AnnotationAAPs, v1.AnnotationSecurityGroups, v1.AnnotationRoutes, v1.AnnotationDefaultRoute}

// Asked returns the providers, ascending, of whose interfaces annotations ask something: for most pods none.
func Asked(annotations map[string]string) []string {
	var providers []string
	for key := range annotations {
		domain, name, found := strings.Cut(key, "/")
		provider, ok := strings.CutSuffix(domain, ".kubernetes.io")
		if !found || !ok || slices.Contains(providers, provider) || !slices.Contains(asked, v1.AnnotationPrefix+name) {
			continue
		}
		// Kubernetes' own domains have no dot before kubernetes.io; a further network's provider is "<nad>.<namespace>".
		if provider == v1.DefaultProvider || strings.Contains(provider, ".") {
			providers = append(providers, provider)
		}
	}
	slices.Sort(providers)
	return providers
}
