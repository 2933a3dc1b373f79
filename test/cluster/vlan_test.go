//go:build cluster

package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
)

// The physical network: a bridge in the test's namespace between the nodes' eth2. A station is in a namespace of its own and
// in a VLAN, whose tag a process puts on and takes off: not every kernel has interfaces for that.
const (
	physicalBridge  = "physical"
	physicalNIC     = "eth2"
	stationVariable = "NORTHBOUND_TEST_STATION"
	stationVlan     = 100
)

// serveStation is the process in the station's namespace.
func serveStation(address string) {
	_, _ = os.Stdin.Read(make([]byte, 1)) // until it is connected
	fmt.Fprintln(os.Stderr, runStation(address))
	os.Exit(1)
}

func runStation(address string) error {
	const name = "tagged"
	tap, err := openTap(name)
	if err != nil {
		return err
	}
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	addr, err := netlink.ParseAddr(address)
	if err != nil {
		return err
	}
	if err := errors.Join(netlink.AddrAdd(link, addr), netlink.LinkSetUp(link)); err != nil {
		return err
	}
	trunk, err := openWire("eth0")
	if err != nil {
		return err
	}
	failed := make(chan error, 3)
	go func() {
		for frame := make([]byte, 1<<16); ; {
			n, err := tap.Read(frame)
			if err == nil {
				_, err = trunk.Write(tagged(frame[:n], stationVlan))
			}
			if err != nil {
				failed <- err
				return
			}
		}
	}()
	go func() {
		for {
			frame, vlan, err := trunk.receive()
			if err == nil && vlan == stationVlan {
				_, err = tap.Write(frame)
			}
			if err != nil {
				failed <- err
				return
			}
		}
	}()
	go func() { failed <- serveAddresses() }()
	return <-failed
}

// startStation plugs a station into the physical network, and returns how commands run in its namespace.
func startStation(t *testing.T, address string) (enter []string) {
	t.Helper()
	ns, tell := startOutside(t, stationVariable, address)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	bridge, err := netlink.LinkByName(physicalBridge)
	must(err)
	name := "s" + rand.String(6)
	cable := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name, MasterIndex: bridge.Attrs().Index}, PeerName: "eth0", PeerNamespace: netlink.NsFd(ns)}
	must(netlink.LinkAdd(cable))
	must(netlink.LinkSetUp(cable))
	there, err := netlink.NewHandleAt(ns)
	must(err)
	defer there.Close()
	for _, name := range []string{"lo", "eth0"} {
		link, err := there.LinkByName(name)
		must(err)
		must(there.LinkSetUp(link))
	}
	_, err = tell.Write([]byte("\n"))
	must(err)
	return []string{"nsenter", fmt.Sprintf("--net=/proc/%d/fd/%d", os.Getpid(), ns), "--"}
}

// nic is what a node has on an interface.
func nic(ctx context.Context, node, name string) (string, error) {
	return inNode(ctx, node, "sh", "-c", fmt.Sprintf(
		"cat /sys/class/net/%[1]s/address /sys/class/net/%[1]s/mtu; ip -4 -o address show dev %[1]s; ip -4 route show dev %[1]s", name))
}

// providerNetwork connects the nodes' eth2 with a physical network, until the test ends: then they have it back as it was.
func providerNetwork(t *testing.T) string {
	t.Helper()
	before := map[string]string{}
	for node := range nodes {
		is, err := nic(t.Context(), node, physicalNIC)
		if err != nil {
			t.Fatal(err)
		}
		before[node] = is
	}
	all := north.KubeovnV1().ProviderNetworks()
	network := &v1.ProviderNetwork{ObjectMeta: metav1.ObjectMeta{Name: "p" + rand.String(6)}, Spec: v1.ProviderNetworkSpec{DefaultInterface: physicalNIC}}
	if _, err := all.Create(t.Context(), network, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := all.Delete(context.Background(), network.Name, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
		for node := range nodes {
			if err := retry(context.Background(), func(ctx context.Context) error {
				if is, err := nic(ctx, node, physicalNIC); err != nil || is != before[node] {
					return fmt.Errorf("%s was\n%s\nand is\n%s\n%w", physicalNIC, before[node], is, err)
				}
				if _, err := inNode(ctx, node, "test", "!", "-e", "/sys/class/net/br-"+network.Name); err != nil {
					return fmt.Errorf("the bridge of %s remains", network.Name)
				}
				return nil
			}); err != nil {
				t.Errorf("%s: %v", node, err)
			}
		}
	})
	eventually(t, "the nodes' connections", func(ctx context.Context) error {
		n, err := all.Get(ctx, network.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		connected := 0
		for _, c := range n.Status.Conditions {
			if c.Node != "" && c.Type == "Ready" && c.Status == metav1.ConditionTrue {
				connected++
			}
		}
		if connected != len(nodes) {
			return fmt.Errorf("%+v", n.Status.Conditions)
		}
		return nil
	})
	return network.Name
}

func TestPodsOfAnUnderlaySubnetAreInTheVlanOfThePhysicalNetwork(t *testing.T) {
	t.Parallel()
	const station, prefix = "10.19.1.254", "10.19.1.0/24"
	provider := providerNetwork(t)
	vlan := &v1.Vlan{ObjectMeta: metav1.ObjectMeta{Name: "test-" + rand.String(6)}, Spec: v1.VlanSpec{ID: stationVlan, Provider: provider}}
	if _, err := north.KubeovnV1().Vlans().Create(t.Context(), vlan, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := north.KubeovnV1().Vlans().Delete(context.Background(), vlan.Name, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	s := subnet(t, v1.SubnetSpec{Vlan: vlan.Name, CIDRBlock: prefix, Gateway: station})
	outside := startStation(t, station+"/24")
	wires := map[string]func() map[netip.Addr]map[uint16]int{}
	for node := range nodes {
		wires[node] = frames(t, node+"p")
	}
	ns := namespace(t)
	on := map[string]string{"u1": node1, "u2": node2}
	for pod, node := range on {
		start(t, ns, pod, node, in(s))
	}
	to := map[string]string{}
	for pod := range on {
		to[pod] = ready(t, ns, pod)
	}
	for from := range on {
		for pod, address := range to {
			pings(t, ns, from, address)
			answers(t, ns, from, "http://"+address+":8080/", pod)
		}
		pings(t, ns, from, station)
		answers(t, ns, from, "http://"+station+"/", to[from])
		eventually(t, from+" from the station", func(ctx context.Context) error {
			got, err := run(ctx, append(outside, "timeout", "3", "busybox", "wget", "-q", "-O", "-", "http://"+to[from]+":8080/")...)
			if err == nil && got != from {
				err = fmt.Errorf("%q answers", got)
			}
			return err
		})
	}
	// The nodes themselves have their addresses in this network, without a tag, as ever.
	for from := range nodes {
		for node := range nodes {
			address := "172.30.0." + strings.TrimPrefix(node, "node")
			eventually(t, address+" from "+from, func(ctx context.Context) error {
				_, err := inNode(ctx, from, "ping", "-c", "1", "-W", "1", address)
				return err
			})
		}
	}
	for pod, node := range on {
		seen := wires[node]()
		if of := seen[netip.MustParseAddr(to[pod])]; len(of) != 1 || of[stationVlan] == 0 {
			t.Errorf("packets of %s on the cable of %s by their VLANs: %v, want all in %d", pod, node, of, stationVlan)
		}
		if of := seen[netip.MustParseAddr("172.30.0."+strings.TrimPrefix(node, "node"))]; len(of) != 1 || of[0] == 0 {
			t.Errorf("packets of %s on its cable by their VLANs: %v, want all without", node, of)
		}
	}
}
