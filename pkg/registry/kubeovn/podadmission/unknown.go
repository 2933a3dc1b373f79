package podadmission

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
)

// known are the annotations below ovn.kubernetes.io/ that pods may have: those that users set, those that are set for them to read, and
// labels that tools copy. Names that are no constants of v1 are those of Kube-OVN that other parts read.
var known = []string{
	v1.AnnotationLogicalSwitch, v1.AnnotationIPAddress, v1.AnnotationIPPool, v1.AnnotationMacAddress, v1.AnnotationVip, v1.AnnotationAAPs,
	v1.AnnotationSecurityGroups, v1.AnnotationPortSecurity, v1.AnnotationRoutes, v1.AnnotationDefaultRoute, v1.AnnotationVirtualMachine,
	v1.AnnotationAllocated, v1.AnnotationRouted, v1.AnnotationCIDR, v1.AnnotationGateway, v1.AnnotationExcludeIPs, v1.AnnotationLogicalRouter,
	v1.AnnotationVpc, v1.AnnotationSwitchLBVip, v1.AnnotationPortName, v1.AnnotationChassis,
	v1.AnnotationPrefix + "vpc_nat_gw", v1.AnnotationPrefix + "pod_nic_type",
}

// unserved are annotations of pods that Kube-OVN has and nothing here serves.
var unserved = []string{
	v1.AnnotationPrefix + "ip_family", v1.AnnotationPrefix + "north_gateway",
	v1.AnnotationPrefix + "ingress_rate", v1.AnnotationPrefix + "egress_rate", v1.AnnotationPrefix + "priority", v1.AnnotationPrefix + "latency",
	v1.AnnotationPrefix + "limit", v1.AnnotationPrefix + "loss", v1.AnnotationPrefix + "jitter", v1.AnnotationPrefix + "mirror", v1.AnnotationPrefix + "snat",
	v1.AnnotationPrefix + "eip", v1.AnnotationPrefix + "bgp", v1.AnnotationPrefix + "layer2_forward", v1.AnnotationPrefix + "activation_strategy",
}

// Unknown returns a warning for each annotation below ovn.kubernetes.io/ by which a pod asks for something that it will not get: names that
// nobody knows, and those that only Kube-OVN serves. They are in the order of the names.
func Unknown(annotations map[string]string) []string {
	var warnings []string
	for _, key := range slices.Sorted(maps.Keys(annotations)) {
		if !strings.HasPrefix(key, v1.AnnotationPrefix) || slices.Contains(known, key) {
			continue
		}
		if slices.Contains(unserved, key) {
			warnings = append(warnings, fmt.Sprintf("metadata.annotations[%s]: has no effect: it is Kube-OVN's, and not served here", key))
			continue
		}
		warning := fmt.Sprintf("metadata.annotations[%s]: has no effect: there is no such annotation", key)
		if like := nearest(key); like != "" {
			warning += fmt.Sprintf("; is %s meant?", like)
		}
		warnings = append(warnings, warning)
	}
	return warnings
}

// nearest is the known annotation that a name was probably meant to be, empty when none is like it.
func nearest(key string) string {
	best, at := "", 4 // as many letters may be wrong, less one
	for _, k := range known {
		if d := distance(strings.ToLower(strings.ReplaceAll(key, "-", "_")), k); d < at {
			best, at = k, d
		}
	}
	return best
}

// distance is the number of letters to insert, to remove or to replace to make one name of another (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
