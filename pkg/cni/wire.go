package cni

import (
	"fmt"
	"net/netip"
)

// DefaultSocket is the socket of the agent unless the configuration of the network names another.
const DefaultSocket = "/run/openvswitch/kube-ovn-daemon.sock"

// Paths of the agent's operations. All are POST of a Request, but PathStatus, which is GET. The answer is a Response with code
// 200, or an Error with another.
const (
	PathAdd    = "/api/v1/add"
	PathDel    = "/api/v1/del"
	PathCheck  = "/api/v1/check"
	PathGC     = "/api/v1/gc"
	PathStatus = "/api/v1/status"
)

// Codes of errors, see "Well-known Error Codes" in the CNI specification; those from 100 are ours.
const (
	CodeEnvironment   = 4
	CodeDecoding      = 6
	CodeConfiguration = 7
	// CodeTryAgain is a failure that the next attempt need not have: something that the interface needs is away, or not there yet.
	CodeTryAgain = 11
	// CodeNotAvailable says that no interface can be added now.
	CodeNotAvailable = 50
	// CodeRefused says that the API server does not give the pod the address that it wants.
	CodeRefused = 110
	// CodeForbidden says that the agent may not do this for the pod.
	CodeForbidden = 112
	// CodeMissing says that an interface is not as it was made: the answer to a check.
	CodeMissing = 114
	CodeFailed  = 999
)

// Request is what the plugin asks of the agent for one interface of a sandbox.
type Request struct {
	// ContainerID and IfName identify the interface: they are the key of everything that is made for it.
	ContainerID string `json:"container_id"`
	IfName      string `json:"if_name,omitempty"`
	// NetNS is the path of the sandbox's network namespace; a deletion may lack it.
	NetNS string `json:"net_ns,omitempty"`
	// Network is the name of the network in the runtime's configuration.
	Network string `json:"network,omitempty"`
	// PodUID may be empty: not every runtime says it.
	PodName      string `json:"pod_name,omitempty"`
	PodNamespace string `json:"pod_namespace,omitempty"`
	PodUID       string `json:"pod_uid,omitempty"`
	// Provider says which of the pod's interfaces this is: "ovn" is the first one.
	Provider string `json:"provider,omitempty"`
	// AddressesOnly is a request for the addresses of an interface that another plugin makes.
	AddressesOnly bool `json:"addresses_only,omitempty"`
	// Addresses and MAC are what the interface shall have; empty for any. They go before what annotations of the pod say.
	Addresses []netip.Addr `json:"addresses,omitempty"`
	MAC       string       `json:"mac,omitempty"`
	// Routes are added to those of the interface.
	Routes []Route `json:"routes,omitempty"`
	// Expected are the addresses that a check must find.
	Expected []netip.Prefix `json:"expected,omitempty"`
	// Valid are the interfaces of the network that there are, in a garbage collection.
	Valid []Attachment `json:"valid,omitempty"`
}

// Attachment is an interface of a sandbox.
type Attachment struct {
	ContainerID string `json:"container_id"`
	IfName      string `json:"if_name"`
}

// Route is a route inside the pod; without a gateway its destination is on the link.
type Route struct {
	Dst netip.Prefix `json:"dst"`
	GW  netip.Addr   `json:"gw,omitzero"`
}

// Address is an address of an interface, with the length of its subnet's prefix.
type Address struct {
	Prefix  netip.Prefix `json:"prefix"`
	Gateway netip.Addr   `json:"gateway,omitzero"`
}

// Response is an interface as it was made.
type Response struct {
	// HostIfName and HostMAC are the end on the node, empty when only addresses were asked for.
	HostIfName string    `json:"host_if_name,omitempty"`
	HostMAC    string    `json:"host_mac,omitempty"`
	MAC        string    `json:"mac_address,omitempty"`
	MTU        int       `json:"mtu,omitempty"`
	Addresses  []Address `json:"addresses,omitempty"`
	Routes     []Route   `json:"routes,omitempty"`
}

// Error is why a request failed.
type Error struct {
	Code    uint   `json:"code"`
	Message string `json:"error"`
}

func (e *Error) Error() string { return e.Message }

// Errorf returns an error with a code.
func Errorf(code uint, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}
