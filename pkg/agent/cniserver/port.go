package cniserver

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/northbound-ovn/northbound/pkg/agent/vswitch"
	"github.com/northbound-ovn/northbound/pkg/cni"
)

// external_ids of interfaces: all that a node knows of a pod's interface. OVN reads the first two (ovn-controller(8)), Kube-OVN's
// tools those up to idIP.
const (
	idPort         = "iface-id"
	idPortVersion  = "iface-id-ver" // the pod's UID
	idVendor       = "vendor"
	idPodName      = "pod_name"
	idPodNamespace = "pod_namespace"
	idNetNS        = "pod_netns"
	idIP           = "ip"
	idMAC          = "attached-mac"
	idPodUID       = "pod_uid"
	idSandbox      = "sandbox"
	idIfName       = "pod-if-name"
	idNetwork      = "network"
	idProvider     = "provider"
	// idAllocated are the names of the IPs that were allocated with the interface, separated by commas.
	idAllocated = "allocated"

	vendor = "kube-ovn"
)

// portName is the name of the node's end of an interface: readable for the interfaces that all pods have, and always at most the 15
// characters that the kernel takes.
func portName(a cni.Attachment) string {
	const length = 12
	if a.IfName == "eth0" && len(a.ContainerID) >= length {
		return a.ContainerID[:length] + "_h"
	}
	sum := sha256.Sum256([]byte(a.ContainerID + "/" + a.IfName))
	return hex.EncodeToString(sum[:])[:length] + "_h"
}

// otherName is another name for the same interface, for when a port of the first must not be used again: ovs-vswitchd may take a
// port that is removed and added in quick succession for the same one, and keep the device that is gone.
func otherName(name string) string {
	if base, ok := strings.CutSuffix(name, "_h"); ok {
		return base + "_i"
	}
	return strings.TrimSuffix(name, "_i") + "_h"
}

// ours yields the interfaces of pods that a condition holds for.
func ours(now vswitch.Snapshot, condition func(ids map[string]string) bool) []*vswitch.Interface {
	var found []*vswitch.Interface
	for i := range now.Interfaces() {
		if i.ExternalIDs[idVendor] == vendor && i.ExternalIDs[idSandbox] != "" && condition(i.ExternalIDs) {
			found = append(found, i)
		}
	}
	return found
}

// of is the condition that an interface is the given one; all of the sandbox when it has no name.
func of(a cni.Attachment) func(map[string]string) bool {
	return func(ids map[string]string) bool {
		return ids[idSandbox] == a.ContainerID && (a.IfName == "" || ids[idIfName] == a.IfName)
	}
}

// podOf is the pod that an interface was made for.
func podOf(ids map[string]string) podRef {
	return podRef{namespace: ids[idPodNamespace], name: ids[idPodName], uid: ids[idPodUID], sandbox: ids[idSandbox]}
}
