package controlplane

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"slices"
)

// Addr is the address of everything in the namespace that must not be on a loopback address: the advertised address of
// kube-apiserver, and endpoints of aggregated API servers. It is an address of the loopback interface all the same.
var Addr = netip.MustParseAddr("10.200.0.1")

// ServiceCIDR is where kube-apiserver takes the addresses of Services from.
var ServiceCIDR = netip.MustParsePrefix("10.96.0.0/16")

// ErrNotIsolated reports that the process can see a network other than its own.
var ErrNotIsolated = errors.New("this process is not in a network namespace of its own")

// Isolate prepares the network namespace of the process: the loopback interface is up and holds Addr.
// It returns ErrNotIsolated, and changes nothing, where there is any other interface.
func Isolate(ctx context.Context) error {
	if err := isolated(); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"link", "set", "lo", "up"},
		{"address", "replace", Addr.String() + "/32", "dev", "lo"},
	} {
		if out, err := exec.CommandContext(ctx, "ip", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %v: %w: %s", args, err, out)
		}
	}
	return nil
}

func isolated() error {
	interfaces, err := net.Interfaces()
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(interfaces, func(i net.Interface) bool { return i.Flags&net.FlagLoopback == 0 }); i >= 0 {
		return fmt.Errorf("%w: it has the interface %s", ErrNotIsolated, interfaces[i].Name)
	}
	return nil
}
