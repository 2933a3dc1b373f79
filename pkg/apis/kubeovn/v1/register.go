package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupName is the name of the API group.
const GroupName = "kubeovn.io"

var (
	// SchemeGroupVersion is the group and version of the types of this package.
	SchemeGroupVersion = schema.GroupVersion{Group: GroupName, Version: "v1"}

	// SchemeBuilder collects what AddToScheme adds.
	SchemeBuilder = runtime.NewSchemeBuilder(addKnownTypes, addDefaultingFuncs, addFieldLabels)

	// AddToScheme registers the types, their lists, defaults and selectable fields as kubeovn.io/v1.
	AddToScheme = SchemeBuilder.AddToScheme
)

// Kind returns the group-qualified kind.
func Kind(kind string) schema.GroupKind { return SchemeGroupVersion.WithKind(kind).GroupKind() }

// Resource returns the group-qualified resource.
func Resource(resource string) schema.GroupResource {
	return SchemeGroupVersion.WithResource(resource).GroupResource()
}

func addKnownTypes(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(SchemeGroupVersion, knownTypes()...)
	metav1.AddToGroupVersion(scheme, SchemeGroupVersion)
	return nil
}

// AddInternalToScheme registers the same Go types as the group's internal version, which the generic API server converts
// to and from: with one type there is nothing to convert. For servers only.
func AddInternalToScheme(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(schema.GroupVersion{Group: GroupName, Version: runtime.APIVersionInternal}, knownTypes()...)
	return nil
}

func knownTypes() []runtime.Object {
	return []runtime.Object{
		&Vpc{}, &VpcList{},
		&Subnet{}, &SubnetList{},
		&IP{}, &IPList{},
		&Vip{}, &VipList{},
		&OvnEip{}, &OvnEipList{},
		&OvnFip{}, &OvnFipList{},
		&OvnSnatRule{}, &OvnSnatRuleList{},
		&OvnDnatRule{}, &OvnDnatRuleList{},
		&IptablesEIP{}, &IptablesEIPList{},
		&IptablesFIPRule{}, &IptablesFIPRuleList{},
		&IptablesSnatRule{}, &IptablesSnatRuleList{},
		&IptablesDnatRule{}, &IptablesDnatRuleList{},
		&VpcNatGateway{}, &VpcNatGatewayList{},
		&SwitchLBRule{}, &SwitchLBRuleList{},
		&VpcDns{}, &VpcDnsList{},
		&ProviderNetwork{}, &ProviderNetworkList{},
		&Vlan{}, &VlanList{},
		&Chassis{}, &ChassisList{},
		&PodInterfaces{},
	}
}
