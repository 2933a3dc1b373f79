package agent

import (
	"context"
	"errors"
	"maps"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/northbound-ovn/northbound/pkg/agent/host"
	"github.com/northbound-ovn/northbound/pkg/agent/vswitch"
	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
)

// integrationBridge is the bridge with the pods, see ovn-architecture(7).
const integrationBridge = "br-int"

// Keys of external_ids of the Open_vSwitch row, see ovn-controller(8).
const (
	settingSystemID  = "system-id"
	settingHostname  = "hostname"
	settingRemote    = "ovn-remote"
	settingEncapType = "ovn-encap-type"
	settingEncapIP   = "ovn-encap-ip"
	settingDatapath  = "ovn-bridge-datapath-type"
	settingMappings  = "ovn-bridge-mappings"
)

// Types of datapaths.
const (
	datapathSystem = "system"
	datapathNetdev = "netdev"
)

// settings is the owner of what ovn-controller reads of the node's Open vSwitch, and of the integration bridge.
type settings struct {
	host     *host.Host
	vs       *vswitch.Switch
	node     func() *corev1.Node
	nodeName string
	// interfaces, remote, encap and datapath are the Config's; remote and datapath are left as they are when empty.
	interfaces []string
	remote     string
	encap      v1.EncapType
	datapath   string
	extra      map[string]string
	// chassis is the node's Chassis as far as the API is known, nil when there is none.
	chassis func() *v1.Chassis

	// lastRemote is the address of the Southbound database that was there last, whoever gave it.
	lastRemote string
}

// sync makes the settings as they should be, in one transaction; none when they are.
func (s *settings) sync(ctx context.Context) error {
	now, err := s.vs.Wait(ctx, func(vswitch.Snapshot) bool { return true })
	if err != nil {
		return err
	}
	tunnel, err := findTunnel(s.host, s.interfaces, nodeAddresses(s.node()))
	if err != nil {
		return err
	}
	want := maps.Clone(s.extra)
	if want == nil {
		want = map[string]string{}
	}
	want[settingHostname] = s.nodeName
	want[settingEncapType] = string(s.encap)
	want[settingEncapIP] = tunnel.addrs[0].String()
	want[settingDatapath] = s.datapathOf(now)
	if s.remote != "" {
		want[settingRemote] = s.remote
	} else if now.Settings[settingRemote] == "" && s.lastRemote != "" {
		want[settingRemote] = s.lastRemote
	}
	// The identity of the node in the Southbound database: once given it stays, whatever gave it.
	if now.Settings[settingSystemID] == "" {
		want[settingSystemID] = s.identity()
	}
	if now.Settings[settingRemote] == "" && want[settingRemote] == "" {
		return errors.New("the address of the Southbound database is not known: give --ovn-remote, or set external_ids:ovn-remote")
	}
	bridge := vswitch.BridgeSpec{Name: integrationBridge, FailMode: "secure", DatapathType: want[settingDatapath]}
	if b := now.Bridge(integrationBridge); b != nil && b.DatapathType == "" && bridge.DatapathType == datapathSystem {
		bridge.DatapathType = "" // It means the same.
	}
	if err := s.vs.Apply(ctx, vswitch.SetSettings(want), vswitch.EnsureBridge(bridge)); err != nil {
		return err
	}
	if remote := now.Settings[settingRemote]; remote != "" {
		s.lastRemote = remote
	}
	return nil
}

// identity is the name of the node in the Southbound database when Open vSwitch does not have it any more: the one that its Chassis has,
// by which gateways and ports are bound to it.
func (s *settings) identity() string {
	if c := s.chassis(); c != nil && c.Spec.ChassisID != "" {
		return c.Spec.ChassisID
	}
	return s.nodeName
}

// datapathOf is the type of the integration bridge's datapath: what is configured, else what ovn-controller was told, which makes the
// bridge follow that; else what there is, else the kernel's where the kernel has one. A bridge that has ports is never converted by
// itself: that would cut their traffic.
func (s *settings) datapathOf(now vswitch.Snapshot) string {
	switch b := now.Bridge(integrationBridge); {
	case s.datapath != "":
		return s.datapath
	case now.Settings[settingDatapath] != "":
		return now.Settings[settingDatapath]
	case b != nil && b.DatapathType != "":
		return b.DatapathType
	case b != nil:
		return datapathSystem
	case s.host.KernelDatapath():
		return datapathSystem
	}
	return datapathNetdev
}

// mappings is the value of ovn-bridge-mappings, as "network:bridge,...", in the order in which it was written.
type mappings []mapping

type mapping struct{ network, bridge string }

func parseMappings(text string) mappings {
	var m mappings
	for entry := range strings.SplitSeq(text, ",") {
		if network, bridge, ok := strings.Cut(strings.TrimSpace(entry), ":"); ok {
			m = append(m, mapping{network, bridge})
		}
	}
	return m
}

func (m mappings) String() string {
	var texts []string
	for _, e := range m {
		texts = append(texts, e.network+":"+e.bridge)
	}
	return strings.Join(texts, ",")
}

// with maps a network to a bridge; an empty bridge removes the network.
func (m mappings) with(network, bridge string) mappings {
	var out mappings
	found := false
	for _, e := range m {
		switch {
		case e.network != network:
			out = append(out, e)
		case bridge != "" && !found:
			out, found = append(out, mapping{network, bridge}), true
		}
	}
	if bridge != "" && !found {
		out = append(out, mapping{network, bridge})
	}
	return out
}
