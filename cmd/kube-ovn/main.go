// Command kube-ovn is the CNI plugin: the container runtime runs it for each interface of a pod, and it asks the node's agent.
package main

import (
	"github.com/containernetworking/cni/pkg/skel"

	"github.com/northbound-ovn/northbound/pkg/cni"
)

func main() {
	skel.PluginMainFuncs(cni.Plugin, cni.Versions, "CNI plugin kube-ovn: interfaces of pods in Northbound's networks")
}
