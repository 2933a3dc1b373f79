package controller

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/events"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	applyv1 "github.com/northbound-ovn/northbound/pkg/generated/applyconfiguration/kubeovn/v1"
	listers "github.com/northbound-ovn/northbound/pkg/generated/listers/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/ipam"
)

// ExternalGatewayConfig is the ConfigMap that connects the default Vpc with the default external Subnet.
const ExternalGatewayConfig = "ovn-external-gw-config"

// external turns the ConfigMap ovn-external-gw-config into objects:
//
//   - enable-external-gw "true": enableExternal of the default Vpc. Anything else, and a ConfigMap that is gone, takes back
//     whatever the controller did, and nothing that others did.
//   - type "centralized": the nodes of external-gw-nodes get the label ovn.kubernetes.io/external-gw, which makes gateways of
//     them; "distributed": all nodes do.
//   - external-gw-nic and external-gw-addr ("gateway address/prefix length") make the ProviderNetwork, the Vlan and the Subnet
//     that the flags --external-gateway-net, -vlanid and -switch name, when there is no such Subnet.
//   - nic-ip and nic-mac make the OvnEip (type lrp) of the router port.
type external struct {
	clients  Clients
	settings Settings
	recorder events.EventRecorder

	configMaps corelisters.ConfigMapLister
	nodes      corelisters.NodeLister
	vpcs       listers.VpcLister
	subnets    listers.SubnetLister
	vlans      listers.VlanLister
	networks   listers.ProviderNetworkLister
	eips       listers.OvnEipLister
}

func externalLoop(c *Controller) (*loop, error) {
	configMaps, nodes := c.configMaps.Core().V1().ConfigMaps(), c.core.Core().V1().Nodes()
	kinds := c.northbound.Kubeovn().V1()
	e := &external{
		clients: c.clients, settings: c.settings, recorder: c.recorder,
		configMaps: configMaps.Lister(), nodes: nodes.Lister(), vpcs: kinds.Vpcs().Lister(), subnets: kinds.Subnets().Lister(),
		vlans: kinds.Vlans().Lister(), networks: kinds.ProviderNetworks().Lister(), eips: kinds.OvnEips().Lister(),
	}
	l := newLoop("external", func(ctx context.Context, _ string) error { return e.sync(ctx) })
	again := func() { l.add(ExternalGatewayConfig) }
	again() // to take back what a ConfigMap asked for that went while nobody looked
	return l, firstError(
		watch(configMaps.Informer(), func(old, cm *corev1.ConfigMap) {
			if cmp.Or(cm, old).Name == ExternalGatewayConfig {
				again()
			}
		}),
		watch(nodes.Informer(), func(old, node *corev1.Node) {
			if old == nil || node != nil && old.Labels[v1.LabelExternalGateway] != node.Labels[v1.LabelExternalGateway] {
				again()
			}
		}),
		watch(kinds.Vpcs().Informer(), func(old, vpc *v1.Vpc) {
			if vpc != nil && vpc.Name == c.settings.DefaultVpc && (old == nil || old.Spec.EnableExternal != vpc.Spec.EnableExternal) {
				again()
			}
		}),
		watch(kinds.Subnets().Informer(), func(old, s *v1.Subnet) {
			if (old == nil || s == nil) && cmp.Or(s, old).Name == c.settings.ExternalGatewaySubnet {
				again()
			}
		}))
}

func (e *external) sync(ctx context.Context) error {
	cm, err := e.configMaps.ConfigMaps(e.settings.ConfigNamespace).Get(ExternalGatewayConfig)
	if err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	if cm == nil || cm.Data["enable-external-gw"] != isTrue {
		return e.withdraw(ctx)
	}
	wanted, err := readGateway(cm.Data)
	if err == nil {
		err = e.provide(ctx, wanted)
	}
	if err != nil && !apierrors.IsConflict(err) {
		e.recorder.Eventf(cm, nil, corev1.EventTypeWarning, "NoExternalGateway", "Connect", "%v", err)
	}
	return err
}

// gateway is what the ConfigMap says.
type gateway struct {
	distributed bool
	nodes       []string
	nic         string
	addr        ipam.Prefixes // with host bits: the physical gateway in its network
	nicIP       ipam.Addrs
	nicMAC      string
}

func readGateway(data map[string]string) (gateway, error) {
	g := gateway{nodes: splitList(data["external-gw-nodes"]), nic: data["external-gw-nic"], nicMAC: data["nic-mac"]}
	var errs []error
	switch kind := cmp.Or(data["type"], "centralized"); kind {
	case "centralized":
		if len(g.nodes) == 0 {
			errs = append(errs, errors.New(`external-gw-nodes: the names of the gateway nodes are needed for type "centralized"`))
		}
	case "distributed":
		g.distributed = true
	default:
		errs = append(errs, fmt.Errorf(`type %q: must be "centralized" or "distributed"`, kind))
	}
	var err error
	if g.addr, err = ipam.ParseInterfaces(data["external-gw-addr"]); err != nil {
		errs = append(errs, fmt.Errorf("external-gw-addr: %w", err))
	}
	// Kube-OVN's has the length of the prefix.
	parts := splitList(data["nic-ip"])
	for i, part := range parts {
		parts[i], _, _ = strings.Cut(part, "/")
	}
	if g.nicIP, err = ipam.ParseAddrs(strings.Join(parts, ",")); err != nil {
		errs = append(errs, fmt.Errorf("nic-ip: %w", err))
	}
	if err := errors.Join(errs...); err != nil {
		return gateway{}, fmt.Errorf("ConfigMap %s: %w", ExternalGatewayConfig, err)
	}
	return g, nil
}

// provide brings about what the ConfigMap asks for.
func (e *external) provide(ctx context.Context, g gateway) error {
	if err := e.labelNodes(ctx, func(node string) bool { return g.distributed || slices.Contains(g.nodes, node) }); err != nil {
		return err
	}
	if err := e.provideSubnet(ctx, g); err != nil {
		return err
	}
	if err := e.providePort(ctx, g); err != nil {
		return err
	}
	return e.enable(ctx, true)
}

// withdraw takes back what provide did.
func (e *external) withdraw(ctx context.Context) error {
	if err := e.enable(ctx, false); err != nil {
		return err
	}
	kinds := e.clients.Northbound.KubeovnV1()
	if eip, err := e.eips.Get(e.portName()); err == nil && made(eip) {
		if err := gone(kinds.OvnEips().Delete(ctx, eip.Name, metav1.DeleteOptions{})); err != nil {
			return err
		}
	}
	if s, err := e.subnets.Get(e.settings.ExternalGatewaySubnet); err == nil && made(s) {
		if err := gone(kinds.Subnets().Delete(ctx, s.Name, metav1.DeleteOptions{})); err != nil {
			return err
		}
	}
	if v, err := e.vlans.Get(e.vlanName()); err == nil && made(v) {
		if err := gone(kinds.Vlans().Delete(ctx, v.Name, metav1.DeleteOptions{})); err != nil {
			return err
		}
	}
	if n, err := e.networks.Get(e.settings.ExternalGatewayNet); err == nil && made(n) {
		if err := gone(kinds.ProviderNetworks().Delete(ctx, n.Name, metav1.DeleteOptions{})); err != nil {
			return err
		}
	}
	return e.labelNodes(ctx, func(string) bool { return false })
}

// made reports whether an object that is not on its way out is one of the controller's.
func made(obj metav1.Object) bool {
	return obj.GetLabels()[LabelManagedBy] == Manager && obj.GetDeletionTimestamp() == nil
}

// gone is the error of a deletion unless that is done already.
func gone(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// labelNodes labels the gateway nodes, and takes the label from the others that have it from here.
func (e *external) labelNodes(ctx context.Context, isGateway func(node string) bool) error {
	all, err := e.nodes.List(labels.Everything())
	if err != nil {
		return err
	}
	for _, node := range all {
		wanted, ours := isGateway(node.Name), owns(node, "f:"+v1.LabelExternalGateway)
		if wanted && node.Labels[v1.LabelExternalGateway] == isTrue || !wanted && !ours {
			continue
		}
		patch := applycorev1.Node(node.Name).WithUID(node.UID)
		if wanted {
			patch.WithLabels(map[string]string{v1.LabelExternalGateway: isTrue})
		}
		if _, err := e.clients.Kubernetes.CoreV1().Nodes().Apply(ctx, patch, metav1.ApplyOptions{FieldManager: Manager, Force: true}); gone(err) != nil {
			return fmt.Errorf("label node %s: %w", node.Name, err)
		}
	}
	return nil
}

// provideSubnet makes the default external Subnet when there is none, and what it needs.
func (e *external) provideSubnet(ctx context.Context, g gateway) error {
	if _, err := e.subnets.Get(e.settings.ExternalGatewaySubnet); !apierrors.IsNotFound(err) {
		return err
	}
	if g.nic == "" || g.addr == (ipam.Prefixes{}) {
		return fmt.Errorf("ConfigMap %s: there is no Subnet %s (--external-gateway-switch): create it with its Vlan and ProviderNetwork, "+
			"or set external-gw-nic and external-gw-addr", ExternalGatewayConfig, e.settings.ExternalGatewaySubnet)
	}
	kinds, options := e.clients.Northbound.KubeovnV1(), metav1.CreateOptions{FieldManager: Manager}
	network := &v1.ProviderNetwork{ObjectMeta: e.meta(e.settings.ExternalGatewayNet), Spec: v1.ProviderNetworkSpec{DefaultInterface: g.nic}}
	if !g.distributed {
		network.Spec.NodeSelector = &metav1.LabelSelector{MatchLabels: map[string]string{v1.LabelExternalGateway: isTrue}}
	}
	if _, err := kinds.ProviderNetworks().Create(ctx, network, options); err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	vlan, err := e.provideVlan(ctx)
	if err != nil {
		return err
	}
	subnet := &v1.Subnet{ObjectMeta: e.meta(e.settings.ExternalGatewaySubnet), Spec: v1.SubnetSpec{
		CIDRBlock: join(g.addr, func(p netip.Prefix) string { return p.Masked().String() }),
		Gateway:   join(g.addr, func(p netip.Prefix) string { return p.Addr().String() }),
		Vlan:      vlan,
	}}
	_, err = kinds.Subnets().Create(ctx, subnet, options)
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// provideVlan returns the name of the Vlan of the network with the identifier of the flag; it may have any name.
func (e *external) provideVlan(ctx context.Context) (string, error) {
	kinds := e.clients.Northbound.KubeovnV1()
	all, err := kinds.Vlans().List(ctx, metav1.ListOptions{FieldSelector: "spec.provider=" + e.settings.ExternalGatewayNet})
	if err != nil {
		return "", err
	}
	for _, v := range all.Items {
		if int(v.Spec.ID) == e.settings.ExternalGatewayVlanID {
			return v.Name, nil
		}
	}
	vlan := &v1.Vlan{ObjectMeta: e.meta(e.vlanName()), Spec: v1.VlanSpec{ID: int32(e.settings.ExternalGatewayVlanID), Provider: e.settings.ExternalGatewayNet}}
	created, err := kinds.Vlans().Create(ctx, vlan, metav1.CreateOptions{FieldManager: Manager})
	if err != nil {
		return "", err
	}
	return created.Name, nil
}

func (e *external) vlanName() string {
	return fmt.Sprintf("%s-vlan%d", e.settings.ExternalGatewayNet, e.settings.ExternalGatewayVlanID)
}

// portName is the name of the router port, and of the OvnEip that it has its address from.
func (e *external) portName() string {
	return e.settings.DefaultVpc + "-" + e.settings.ExternalGatewaySubnet
}

// providePort reserves the address of the router port, where the ConfigMap names one and the port does not have one yet.
func (e *external) providePort(ctx context.Context, g gateway) error {
	if g.nicIP == (ipam.Addrs{}) && g.nicMAC == "" {
		return nil
	}
	if _, err := e.eips.Get(e.portName()); !apierrors.IsNotFound(err) {
		return err
	}
	eip := &v1.OvnEip{ObjectMeta: e.meta(e.portName()), Spec: v1.OvnEipSpec{
		ExternalSubnet: e.settings.ExternalGatewaySubnet, Type: v1.OvnEipLrp, MacAddress: g.nicMAC,
	}}
	if g.nicIP.V4.IsValid() {
		eip.Spec.V4IP = g.nicIP.V4.String()
	}
	if g.nicIP.V6.IsValid() {
		eip.Spec.V6IP = g.nicIP.V6.String()
	}
	_, err := e.clients.Northbound.KubeovnV1().OvnEips().Create(ctx, eip, metav1.CreateOptions{FieldManager: Manager})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// enable connects the default Vpc, or takes that back; a connection that somebody else wants stays.
func (e *external) enable(ctx context.Context, wanted bool) error {
	vpc, err := e.vpcs.Get(e.settings.DefaultVpc)
	if apierrors.IsNotFound(err) {
		return nil // it comes back here
	}
	if err != nil {
		return err
	}
	if wanted && vpc.Spec.EnableExternal || !wanted && !owns(vpc, "f:enableExternal") {
		return nil
	}
	patch := applyv1.Vpc(vpc.Name).WithUID(vpc.UID)
	if wanted {
		patch.WithSpec(applyv1.VpcSpec().WithEnableExternal(true))
	}
	_, err = e.clients.Northbound.KubeovnV1().Vpcs().Apply(ctx, patch, metav1.ApplyOptions{FieldManager: Manager, Force: true})
	return err
}

func (e *external) meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Labels: map[string]string{LabelManagedBy: Manager}}
}

// join writes prefixes as the API does, the families separated by a comma.
func join(p ipam.Prefixes, text func(netip.Prefix) string) string {
	var out []string
	for _, prefix := range p.All() {
		out = append(out, text(prefix))
	}
	return strings.Join(out, ",")
}
