package cniserver

import (
	"cmp"
	"context"
	"iter"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/generated/clientset/versioned"
	listers "github.com/northbound-ovn/northbound/pkg/generated/listers/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/podnet"
)

// objects are the API objects that decide which interfaces a pod gets.
type objects = podnet.Objects

// cached are the objects that informers know.
type cached struct {
	subnets listers.SubnetLister
	vpcs    listers.VpcLister
	vips    listers.VipLister
}

func (c *cached) Subnet(name string) (*v1.Subnet, bool) { return known(c.subnets.Get(name)) }
func (c *cached) Vpc(name string) (*v1.Vpc, bool)       { return known(c.vpcs.Get(name)) }
func (c *cached) Vip(name string) (*v1.Vip, bool)       { return known(c.vips.Get(name)) }

func (c *cached) Subnets() iter.Seq[*v1.Subnet] { return byName(c.subnets.List(labels.Everything())) }
func (c *cached) Vpcs() iter.Seq[*v1.Vpc]       { return byName(c.vpcs.List(labels.Everything())) }

// known drops the error of a lister, which is always that there is no such object.
func known[T any](o T, err error) (T, bool) { return o, err == nil }

func byName[T metav1.Object](list []T, _ error) iter.Seq[T] {
	slices.SortFunc(list, func(a, b T) int { return cmp.Compare(a.GetName(), b.GetName()) })
	return slices.Values(list)
}

// listed are the objects as the API has them now: for a pod that was made right behind the objects that it needs.
type listed struct {
	subnets []*v1.Subnet
	vpcs    []*v1.Vpc
	vips    []*v1.Vip
}

func list(ctx context.Context, client versioned.Interface) (*listed, error) {
	subnets, err := client.KubeovnV1().Subnets().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	vpcs, err := client.KubeovnV1().Vpcs().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	vips, err := client.KubeovnV1().Vips().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	return &listed{pointers(subnets.Items), pointers(vpcs.Items), pointers(vips.Items)}, nil
}

// pointers returns the elements of a list, which the API answers in the order of their names.
func pointers[T any](items []T) []*T {
	out := make([]*T, len(items))
	for i := range items {
		out[i] = &items[i]
	}
	return out
}

func (l *listed) Subnet(name string) (*v1.Subnet, bool) { return named(l.subnets, name) }
func (l *listed) Vpc(name string) (*v1.Vpc, bool)       { return named(l.vpcs, name) }
func (l *listed) Vip(name string) (*v1.Vip, bool)       { return named(l.vips, name) }

func (l *listed) Subnets() iter.Seq[*v1.Subnet] { return slices.Values(l.subnets) }
func (l *listed) Vpcs() iter.Seq[*v1.Vpc]       { return slices.Values(l.vpcs) }

func named[T metav1.Object](list []T, name string) (found T, ok bool) {
	for _, o := range list {
		if o.GetName() == name {
			return o, true
		}
	}
	return found, false
}
