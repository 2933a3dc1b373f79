package controller

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	applyappsv1 "k8s.io/client-go/applyconfigurations/apps/v1"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	applymetav1 "k8s.io/client-go/applyconfigurations/meta/v1"
	appslisters "k8s.io/client-go/listers/apps/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/events"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	applyv1 "github.com/northbound-ovn/northbound/pkg/generated/applyconfiguration/kubeovn/v1"
	listers "github.com/northbound-ovn/northbound/pkg/generated/listers/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/podnet"
)

// VpcDNSConfig is the ConfigMap without which no VpcDns has a server.
const VpcDNSConfig = "vpc-dns-config"

const (
	vpcDNSPrefix   = "vpc-dns-" // of the names of Deployments and rules
	vpcDNSReplicas = 2          // unless the VpcDns says otherwise
	vpcDNSAccount  = "vpc-dns"
	labelVpcDNS    = "k8s-app" // as kube-dns has it
)

// vpcDNS runs a server for the VpcDns of each Vpc that is active: a Deployment of CoreDNS with one interface in the Vpc, where it
// is asked, and one in the cluster's own network, where it asks; and the SwitchLBRule that is its address in the Vpc.
//
// The pods need no privilege: routes come with their interfaces. They have no probes, because kubelets do not reach into Vpcs
// unless agents are told to let them.
type vpcDNS struct {
	clients   Clients
	namespace string
	recorder  events.EventRecorder

	servers     listers.VpcDnsLister
	subnets     listers.SubnetLister
	rules       listers.SwitchLBRuleLister
	configMaps  corelisters.ConfigMapLister
	deployments appslisters.DeploymentLister
	services    corelisters.ServiceLister
}

func vpcDNSLoop(c *Controller) (*loop, error) {
	kinds := c.northbound.Kubeovn().V1()
	configMaps, deployments := c.configMaps.Core().V1().ConfigMaps(), c.configMaps.Apps().V1().Deployments()
	d := &vpcDNS{
		clients: c.clients, namespace: c.settings.ConfigNamespace, recorder: c.recorder,
		servers: kinds.VpcDnses().Lister(), subnets: kinds.Subnets().Lister(), rules: kinds.SwitchLBRules().Lister(),
		configMaps: configMaps.Lister(), deployments: deployments.Lister(), services: c.core.Core().V1().Services().Lister(),
	}
	l := newLoop("vpc-dns", d.sync)
	all := func() {
		for _, key := range kinds.VpcDnses().Informer().GetStore().ListKeys() {
			l.add(key)
		}
	}
	of := func(obj metav1.Object) {
		if name, ok := strings.CutPrefix(obj.GetName(), vpcDNSPrefix); ok && obj.GetLabels()[LabelManagedBy] == Manager {
			l.add(name)
		}
	}
	return l, firstError(
		watch(kinds.VpcDnses().Informer(), func(old, server *v1.VpcDns) { l.add(cmp.Or(server, old).Name) }),
		watch(configMaps.Informer(), func(old, cm *corev1.ConfigMap) {
			if cmp.Or(cm, old).Name == VpcDNSConfig {
				all()
			}
		}),
		watch(deployments.Informer(), func(old, deployment *appsv1.Deployment) {
			if old == nil || deployment == nil || old.Generation != deployment.Generation {
				of(cmp.Or(deployment, old))
			}
		}),
		watch(kinds.SwitchLBRules().Informer(), func(old, rule *v1.SwitchLBRule) {
			if old == nil || rule == nil || old.Generation != rule.Generation {
				of(cmp.Or(rule, old))
			}
		}))
}

func (d *vpcDNS) sync(ctx context.Context, name string) error {
	server, err := d.servers.Get(name)
	if err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	cm, err := d.configMaps.ConfigMaps(d.namespace).Get(VpcDNSConfig)
	if err != nil && !apierrors.IsNotFound(err) {
		return err
	}
	if server == nil || server.DeletionTimestamp != nil || !server.Status.Active || cm == nil || cmp.Or(cm.Data["enable-vpc-dns"], isTrue) != isTrue {
		return d.withdraw(ctx, vpcDNSPrefix+name)
	}
	config, err := d.read(ctx, cm)
	if err == nil {
		err = d.provide(ctx, server, config)
	}
	if err != nil && !apierrors.IsConflict(err) {
		d.recorder.Eventf(server, nil, corev1.EventTypeWarning, "NoServer", "Deploy", "%v", err)
	}
	return err
}

// withdraw removes the server of a VpcDns, if it is one of the controller's.
func (d *vpcDNS) withdraw(ctx context.Context, name string) error {
	if rule, err := d.rules.Get(name); err == nil && made(rule) {
		if err := gone(d.clients.Northbound.KubeovnV1().SwitchLBRules().Delete(ctx, name, metav1.DeleteOptions{})); err != nil {
			return err
		}
	}
	if deployment, err := d.deployments.Deployments(d.namespace).Get(name); err == nil && made(deployment) {
		options := metav1.DeleteOptions{PropagationPolicy: new(metav1.DeletePropagationBackground)}
		return gone(d.clients.Kubernetes.AppsV1().Deployments(d.namespace).Delete(ctx, name, options))
	}
	return nil
}

// dnsConfig is what all servers have in common.
type dnsConfig struct {
	vip, image    string
	network       string       // the NetworkAttachmentDefinition, "namespace/name"
	provider      string       // of the Subnet of the second interface
	subnet        *v1.Subnet   // of the second interface
	apiHost       string       // empty: what kubelets say
	apiPort       string       //
	upstream      []string     // name servers
	behindNetwork []netip.Addr // what is reached by the second interface
}

func (d *vpcDNS) read(ctx context.Context, cm *corev1.ConfigMap) (dnsConfig, error) {
	data := cm.Data
	c := dnsConfig{
		vip: data["coredns-vip"], image: data["coredns-image"], provider: data["nad-provider"],
		apiHost: data["k8s-service-host"], apiPort: data["k8s-service-port"],
	}
	var errs []error
	for _, key := range [...]string{"coredns-vip", "nad-name", "nad-provider"} {
		if data[key] == "" {
			errs = append(errs, fmt.Errorf("%s is missing", key))
		}
	}
	// "<name>.<namespace>.ovn"
	if parts := strings.Split(c.provider, "."); len(parts) == 3 {
		c.network = parts[1] + "/" + data["nad-name"]
	} else if c.provider != "" {
		errs = append(errs, fmt.Errorf(`nad-provider %q: must be "<name>.<namespace>.ovn"`, c.provider))
	}
	if c.subnet = d.subnetOf(c.provider); c.subnet == nil && c.provider != "" {
		errs = append(errs, fmt.Errorf("nad-provider %q: no Subnet has this provider", c.provider))
	}
	if c.image == "" {
		image, err := d.clusterImage(ctx)
		if err != nil {
			errs = append(errs, err)
		}
		c.image = image
	}
	if err := errors.Join(errs...); err != nil {
		return c, fmt.Errorf("ConfigMap %s: %w", VpcDNSConfig, err)
	}
	api := c.apiHost
	if service, err := d.services.Services(metav1.NamespaceDefault).Get("kubernetes"); api == "" && err == nil {
		api = service.Spec.ClusterIP
	}
	if service, err := d.services.Services(d.namespace).Get("kube-dns"); err == nil {
		c.upstream = service.Spec.ClusterIPs
	}
	for _, text := range append([]string{api}, c.upstream...) {
		if a, err := netip.ParseAddr(text); err == nil && !slices.Contains(c.behindNetwork, a) {
			c.behindNetwork = append(c.behindNetwork, a)
		}
	}
	return c, nil
}

// subnetOf is the Subnet of a provider, nil when there is none.
func (d *vpcDNS) subnetOf(provider string) *v1.Subnet {
	subnets, err := d.subnets.List(labels.Everything())
	if err != nil {
		return nil
	}
	var found *v1.Subnet
	for _, s := range subnets {
		if s.Spec.Provider == provider && s.DeletionTimestamp == nil && (found == nil || s.Name < found.Name) {
			found = s
		}
	}
	return found
}

// clusterImage is that of the cluster's own DNS server.
func (d *vpcDNS) clusterImage(ctx context.Context) (string, error) {
	deployment, err := d.clients.Kubernetes.AppsV1().Deployments(d.namespace).Get(ctx, "coredns", metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("coredns-image is missing, and there is no Deployment coredns in %s to take it from: %w", d.namespace, err)
	}
	return deployment.Spec.Template.Spec.Containers[0].Image, nil
}

func (d *vpcDNS) provide(ctx context.Context, server *v1.VpcDns, c dnsConfig) error {
	annotations, err := c.annotations(server)
	if err != nil {
		return err
	}
	options := metav1.ApplyOptions{FieldManager: Manager, Force: true}
	deployment := d.deployment(server, c, annotations)
	if _, err := d.clients.Kubernetes.AppsV1().Deployments(d.namespace).Apply(ctx, deployment, options); err != nil {
		return err
	}
	_, err = d.clients.Northbound.KubeovnV1().SwitchLBRules().Apply(ctx, d.rule(server, c), options)
	return err
}

// annotations are those of the pods: which interfaces they have, and what is behind the second one.
func (c dnsConfig) annotations(server *v1.VpcDns) (map[string]string, error) {
	gateways, err := podnet.Routers(c.subnet)
	if err != nil {
		return nil, err
	}
	type route struct {
		Dst string `json:"dst"`
		Gw  string `json:"gw"`
	}
	var routes []route
	for _, a := range c.behindNetwork {
		gateway := gateways.V4
		if a.Is6() {
			gateway = gateways.V6
		}
		if gateway.IsValid() {
			routes = append(routes, route{netip.PrefixFrom(a, a.BitLen()).String(), gateway.String()})
		}
	}
	text, err := json.Marshal(routes)
	if err != nil {
		return nil, err
	}
	return map[string]string{
		v1.AnnotationLogicalSwitch:                                    server.Spec.Subnet,
		"k8s.v1.cni.cncf.io/networks":                                 c.network,
		v1.ProviderAnnotation(c.provider, v1.AnnotationLogicalSwitch): c.subnet.Name,
		v1.ProviderAnnotation(c.provider, v1.AnnotationRoutes):        string(text),
	}, nil
}

func (d *vpcDNS) deployment(server *v1.VpcDns, c dnsConfig, annotations map[string]string) *applyappsv1.DeploymentApplyConfiguration {
	name := vpcDNSPrefix + server.Name
	selector := map[string]string{labelVpcDNS: name}
	container := applycorev1.Container().WithName("coredns").WithImage(c.image).WithArgs("-conf", "/etc/coredns/Corefile").
		WithPorts(
			applycorev1.ContainerPort().WithName("dns").WithContainerPort(53).WithProtocol(corev1.ProtocolUDP),
			applycorev1.ContainerPort().WithName("dns-tcp").WithContainerPort(53).WithProtocol(corev1.ProtocolTCP),
			applycorev1.ContainerPort().WithName("metrics").WithContainerPort(9153).WithProtocol(corev1.ProtocolTCP)).
		WithSecurityContext(applycorev1.SecurityContext().WithAllowPrivilegeEscalation(false).WithReadOnlyRootFilesystem(true).
			WithCapabilities(applycorev1.Capabilities().WithAdd("NET_BIND_SERVICE").WithDrop("ALL"))).
		WithVolumeMounts(applycorev1.VolumeMount().WithName("config").WithMountPath("/etc/coredns").WithReadOnly(true))
	if c.apiHost != "" {
		container.WithEnv(applycorev1.EnvVar().WithName("KUBERNETES_SERVICE_HOST").WithValue(c.apiHost),
			applycorev1.EnvVar().WithName("KUBERNETES_SERVICE_PORT").WithValue(cmp.Or(c.apiPort, "443")))
	}
	pod := applycorev1.PodSpec().WithServiceAccountName(vpcDNSAccount).WithPriorityClassName("system-cluster-critical").WithContainers(container).
		WithTolerations(applycorev1.Toleration().WithKey("node-role.kubernetes.io/control-plane").WithOperator(corev1.TolerationOpExists).WithEffect(corev1.TaintEffectNoSchedule)).
		WithVolumes(applycorev1.Volume().WithName("config").WithConfigMap(applycorev1.ConfigMapVolumeSource().WithName(cmp.Or(server.Spec.Corefile, v1.DefaultCorefile)).
			WithItems(applycorev1.KeyToPath().WithKey("Corefile").WithPath("Corefile"))))
	if len(c.upstream) > 0 {
		// What "forward . /etc/resolv.conf" asks is the cluster's own server, which the second interface reaches.
		pod.WithDNSPolicy(corev1.DNSNone).WithDNSConfig(applycorev1.PodDNSConfig().WithNameservers(c.upstream...))
	}
	return applyappsv1.Deployment(name, d.namespace).
		WithLabels(map[string]string{LabelManagedBy: Manager, labelVpcDNS: name}).
		WithOwnerReferences(applymetav1.OwnerReference().WithAPIVersion(v1.SchemeGroupVersion.String()).WithKind("VpcDns").WithName(server.Name).WithUID(server.UID).WithController(true)).
		WithSpec(applyappsv1.DeploymentSpec().
			WithReplicas(cmp.Or(server.Spec.Replicas, vpcDNSReplicas)).
			WithStrategy(applyappsv1.DeploymentStrategy().WithType(appsv1.RollingUpdateDeploymentStrategyType).
				WithRollingUpdate(applyappsv1.RollingUpdateDeployment().WithMaxUnavailable(intstr.FromInt32(1)))).
			WithSelector(applymetav1.LabelSelector().WithMatchLabels(selector)).
			WithTemplate(applycorev1.PodTemplateSpec().WithLabels(selector).WithAnnotations(annotations).WithSpec(pod)))
}

func (d *vpcDNS) rule(server *v1.VpcDns, c dnsConfig) *applyv1.SwitchLBRuleApplyConfiguration {
	name := vpcDNSPrefix + server.Name
	port := func(name string, number int32, protocol string) *applyv1.SwitchLBRulePortApplyConfiguration {
		return applyv1.SwitchLBRulePort().WithName(name).WithPort(number).WithTargetPort(number).WithProtocol(protocol)
	}
	return applyv1.SwitchLBRule(name).
		WithLabels(map[string]string{LabelManagedBy: Manager}).
		WithAnnotations(map[string]string{v1.AnnotationVpc: server.Spec.Vpc, healthCheckAnnotation: "false"}).
		WithSpec(applyv1.SwitchLBRuleSpec().WithVip(c.vip).WithNamespace(d.namespace).WithSelector(labelVpcDNS+":"+name).
			WithPorts(port("dns", 53, "UDP"), port("dns-tcp", 53, "TCP"), port("metrics", 9153, "TCP")))
}
