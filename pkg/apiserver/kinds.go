package apiserver

import (
	"context"
	"fmt"
	"reflect"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/registry/rest"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/chassis"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/ip"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/natgateway"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/nb"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/ovneip"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/ovnnat"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/podinterfaces"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/providernetwork"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/subnet"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/switchlbrule"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/vip"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/vlan"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/vpc"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/vpcdns"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// kinds is all that is served. A new kind is a new entry.
//
// Short names are Kube-OVN's. "ip" is also the short name of networking.k8s.io's ipaddresses: where both are served, kubectl
// takes the group that the cluster prefers and says so; "ips" always means ours.
var kinds = []*kind{
	define(&kind{resource: "vpcs", singular: "vpc", shortNames: []string{"vpc"},
		engine:  vpc.NewResource,
		newList: func() runtime.Object { return &v1.VpcList{} },
		strategy: func(t runtime.ObjectTyper, env environment) strategy {
			s := vpc.NewStrategy(t)
			// For warnings about what other objects make of it.
			s.View, s.External = env.view, env.config.ExternalGatewaySwitch
			return s
		},
		status: func(t runtime.ObjectTyper) updateStrategy { return kubeovn.NewStatusStrategy(t) },
		table:  vpc.Table,
	}, vpc.SelectableFields),
	define(&kind{resource: "subnets", singular: "subnet", shortNames: []string{"subnet"},
		engine:   subnet.NewResource,
		newList:  func() runtime.Object { return &v1.SubnetList{} },
		strategy: func(t runtime.ObjectTyper, _ environment) strategy { return subnet.NewStrategy(t) },
		status:   func(t runtime.ObjectTyper) updateStrategy { return kubeovn.NewStatusStrategy(t) },
		table:    subnet.Table,
	}, subnet.SelectableFields),
	define(&kind{resource: "ips", singular: "ip", shortNames: []string{"ip"},
		engine:   ip.NewResource,
		newList:  func() runtime.Object { return &v1.IPList{} },
		strategy: func(t runtime.ObjectTyper, _ environment) strategy { return ip.NewStrategy(t) },
		table:    ip.Table,
	}, ip.SelectableFields),
	define(&kind{resource: "vips", singular: "vip", shortNames: []string{"vip"},
		engine:   vip.NewResource,
		newList:  func() runtime.Object { return &v1.VipList{} },
		strategy: func(t runtime.ObjectTyper, _ environment) strategy { return vip.NewStrategy(t) },
		table:    vip.Table,
	}, vip.SelectableFields),
	define(&kind{resource: nb.ProviderNetworks, singular: "provider-network", shortNames: []string{"pn"},
		engine:   providernetwork.NewResource,
		newList:  func() runtime.Object { return &v1.ProviderNetworkList{} },
		strategy: func(t runtime.ObjectTyper, _ environment) strategy { return providernetwork.Shape.Strategy(t) },
		status:   func(t runtime.ObjectTyper) updateStrategy { return providernetwork.Shape.StatusStrategy(t) },
		table:    providernetwork.Shape.Table,
	}, providernetwork.Shape.SelectableFields),
	define(&kind{resource: nb.Vlans, singular: "vlan", shortNames: []string{"vlan"},
		engine:   vlan.NewResource,
		newList:  func() runtime.Object { return &v1.VlanList{} },
		strategy: func(t runtime.ObjectTyper, _ environment) strategy { return vlan.Shape.Strategy(t) },
		status:   func(t runtime.ObjectTyper) updateStrategy { return vlan.Shape.StatusStrategy(t) },
		table:    vlan.Shape.Table,
	}, vlan.Shape.SelectableFields),
	define(&kind{resource: nb.Chassis, singular: "chassis",
		engine:   chassis.NewResource,
		newList:  func() runtime.Object { return &v1.ChassisList{} },
		strategy: func(t runtime.ObjectTyper, _ environment) strategy { return chassis.Shape.Strategy(t) },
		status:   func(t runtime.ObjectTyper) updateStrategy { return chassis.Shape.StatusStrategy(t) },
		table:    chassis.Shape.Table,
	}, chassis.Shape.SelectableFields),
	define(&kind{resource: ovneip.Resource, singular: "ovn-eip", shortNames: []string{"oeip"},
		engine:   ovneip.NewResource,
		newList:  func() runtime.Object { return &v1.OvnEipList{} },
		strategy: func(t runtime.ObjectTyper, _ environment) strategy { return ovneip.Shape.Strategy(t) },
		status:   func(t runtime.ObjectTyper) updateStrategy { return ovneip.Shape.StatusStrategy(t) },
		table:    ovneip.Shape.Table,
	}, ovneip.Shape.SelectableFields),
	define(&kind{resource: ovnnat.FipResource, singular: "ovn-fip", shortNames: []string{"ofip"},
		engine:   ovnnat.NewFipResource,
		newList:  func() runtime.Object { return &v1.OvnFipList{} },
		strategy: func(t runtime.ObjectTyper, _ environment) strategy { return ovnnat.Fip.Strategy(t) },
		status:   func(t runtime.ObjectTyper) updateStrategy { return ovnnat.Fip.StatusStrategy(t) },
		table:    ovnnat.Fip.Table,
	}, ovnnat.Fip.SelectableFields),
	define(&kind{resource: ovnnat.SnatResource, singular: "ovn-snat-rule", shortNames: []string{"osnat"},
		engine:   ovnnat.NewSnatResource,
		newList:  func() runtime.Object { return &v1.OvnSnatRuleList{} },
		strategy: func(t runtime.ObjectTyper, _ environment) strategy { return ovnnat.Snat.Strategy(t) },
		status:   func(t runtime.ObjectTyper) updateStrategy { return ovnnat.Snat.StatusStrategy(t) },
		table:    ovnnat.Snat.Table,
	}, ovnnat.Snat.SelectableFields),
	define(&kind{resource: ovnnat.DnatResource, singular: "ovn-dnat-rule", shortNames: []string{"odnat"},
		engine:   ovnnat.NewDnatResource,
		newList:  func() runtime.Object { return &v1.OvnDnatRuleList{} },
		strategy: func(t runtime.ObjectTyper, _ environment) strategy { return ovnnat.Dnat.Strategy(t) },
		status:   func(t runtime.ObjectTyper) updateStrategy { return ovnnat.Dnat.StatusStrategy(t) },
		table:    ovnnat.Dnat.Table,
	}, ovnnat.Dnat.SelectableFields),
	define(&kind{resource: switchlbrule.Resource, singular: "switch-lb-rule", shortNames: []string{"slr"},
		engine:   switchlbrule.NewResource,
		newList:  func() runtime.Object { return &v1.SwitchLBRuleList{} },
		strategy: func(t runtime.ObjectTyper, _ environment) strategy { return switchlbrule.Shape.Strategy(t) },
		status:   func(t runtime.ObjectTyper) updateStrategy { return switchlbrule.Shape.StatusStrategy(t) },
		table:    switchlbrule.Shape.Table,
	}, switchlbrule.Shape.SelectableFields),
	define(&kind{resource: vpcdns.Resource, singular: "vpc-dns", shortNames: []string{"vpc-dns"},
		engine:   vpcdns.NewResource,
		newList:  func() runtime.Object { return &v1.VpcDnsList{} },
		strategy: func(t runtime.ObjectTyper, _ environment) strategy { return vpcdns.Shape.Strategy(t) },
		status:   func(t runtime.ObjectTyper) updateStrategy { return vpcdns.Shape.StatusStrategy(t) },
		table:    vpcdns.Shape.Table,
	}, vpcdns.Shape.SelectableFields),
	define(&kind{resource: natgateway.GatewayResource, singular: "vpc-nat-gateway", shortNames: []string{"vpc-nat-gw"},
		engine:   natgateway.NewGatewayResource,
		newList:  func() runtime.Object { return &v1.VpcNatGatewayList{} },
		strategy: func(t runtime.ObjectTyper, _ environment) strategy { return natgateway.Gateway.Strategy(t) },
		status:   func(t runtime.ObjectTyper) updateStrategy { return natgateway.Gateway.StatusStrategy(t) },
		table:    natgateway.Gateway.Table,
	}, natgateway.Gateway.SelectableFields),
	define(&kind{resource: natgateway.EIPResource, singular: "iptables-eip", shortNames: []string{"eip"},
		engine:   natgateway.NewEIPResource,
		newList:  func() runtime.Object { return &v1.IptablesEIPList{} },
		strategy: func(t runtime.ObjectTyper, _ environment) strategy { return natgateway.EIP.Strategy(t) },
		status:   func(t runtime.ObjectTyper) updateStrategy { return natgateway.EIP.StatusStrategy(t) },
		table:    natgateway.EIP.Table,
	}, natgateway.EIP.SelectableFields),
	define(&kind{resource: natgateway.FIPResource, singular: "iptables-fip-rule", shortNames: []string{"fip"},
		engine:   natgateway.NewFIPResource,
		newList:  func() runtime.Object { return &v1.IptablesFIPRuleList{} },
		strategy: func(t runtime.ObjectTyper, _ environment) strategy { return natgateway.FIP.Strategy(t) },
		status:   func(t runtime.ObjectTyper) updateStrategy { return natgateway.FIP.StatusStrategy(t) },
		table:    natgateway.FIP.Table,
	}, natgateway.FIP.SelectableFields),
	define(&kind{resource: natgateway.SnatResource, singular: "iptables-snat-rule", shortNames: []string{"snat"},
		engine:   natgateway.NewSnatResource,
		newList:  func() runtime.Object { return &v1.IptablesSnatRuleList{} },
		strategy: func(t runtime.ObjectTyper, _ environment) strategy { return natgateway.Snat.Strategy(t) },
		status:   func(t runtime.ObjectTyper) updateStrategy { return natgateway.Snat.StatusStrategy(t) },
		table:    natgateway.Snat.Table,
	}, natgateway.Snat.SelectableFields),
	define(&kind{resource: natgateway.DnatResource, singular: "iptables-dnat-rule", shortNames: []string{"dnat"},
		engine:   natgateway.NewDnatResource,
		newList:  func() runtime.Object { return &v1.IptablesDnatRuleList{} },
		strategy: func(t runtime.ObjectTyper, _ environment) strategy { return natgateway.Dnat.Strategy(t) },
		status:   func(t runtime.ObjectTyper) updateStrategy { return natgateway.Dnat.StatusStrategy(t) },
		table:    natgateway.Dnat.Table,
	}, natgateway.Dnat.SelectableFields),
}

// strategy is what the registry asks a kind in the course of a request.
type strategy interface {
	rest.RESTCreateStrategy
	rest.RESTUpdateStrategy
	rest.RESTDeleteStrategy
	rest.ResetFieldsStrategy
}

// updateStrategy is a strategy of a subresource, which neither creates nor deletes.
type updateStrategy interface {
	rest.RESTUpdateStrategy
	rest.ResetFieldsStrategy
}

// environment is what strategies may know besides the objects of a request.
type environment struct {
	view   func() storage.View
	config kubeovn.Config
}

// kind is one entry of the table.
type kind struct {
	resource   string // plural, as in URLs
	singular   string
	shortNames []string

	engine   func(kubeovn.Config) *storage.Resource
	newList  func() runtime.Object
	strategy func(t runtime.ObjectTyper, env environment) strategy
	status   func(runtime.ObjectTyper) updateStrategy // nil: the kind has no status of its own
	table    func(view func() storage.View) rest.TableConvertor

	// Set by define.
	name       string // "Vpc"
	new        func() storage.Object
	selectable func(storage.Object) fields.Set
}

// define completes an entry with what depends on the Go type, T being the struct and P its pointer.
func define[P interface {
	*T
	storage.Object
}, T any](k *kind, selectable func(P) fields.Set) *kind {
	k.name = reflect.TypeFor[T]().Name()
	k.new = func() storage.Object { return P(new(T)) }
	k.selectable = func(o storage.Object) fields.Set { return selectable(o.(P)) }
	return k
}

// resourceOfKind is the plural name of a kind.
func resourceOfKind(name string) (string, bool) {
	for _, k := range kinds {
		if k.name == name {
			return k.resource, true
		}
	}
	return "", false
}

// engineResources are the kinds as the engine knows them.
func engineResources(config kubeovn.Config) []*storage.Resource {
	var resources []*storage.Resource
	for _, k := range kinds {
		resources = append(resources, k.engine(config))
	}
	return resources
}

// newStorage is what serves each resource and subresource of kubeovn.io/v1.
func newStorage(getter generic.RESTOptionsGetter, engine *storage.Engine, config kubeovn.Config) (map[string]rest.Storage, error) {
	served := map[string]rest.Storage{}
	for _, k := range kinds {
		main, err := newREST(k, getter, engine, config)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k.resource, err)
		}
		served[k.resource] = main
		if k.status != nil {
			served[k.resource+"/status"] = newStatusREST(main, k.status(Scheme))
		}
	}
	served["podinterfaces"] = podInterfaces{podinterfaces.NewREST(engine, Scheme), engine}
	return served, nil
}

// podInterfaces plans on a snapshot, which there is not before the database was loaded for the first time.
type podInterfaces struct {
	*podinterfaces.REST
	engine *storage.Engine
}

// Create implements rest.Creater.
func (r podInterfaces) Create(ctx context.Context, obj runtime.Object, validate rest.ValidateObjectFunc, options *metav1.CreateOptions) (runtime.Object, error) {
	if r.engine.View() == nil {
		err := apierrors.NewServiceUnavailable("the OVN Northbound database is not available")
		err.ErrStatus.Details = &metav1.StatusDetails{RetryAfterSeconds: 1}
		return nil, err
	}
	return r.REST.Create(ctx, obj, validate, options)
}
