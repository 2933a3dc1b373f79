package podinterfaces

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/rest"
	storeerrors "k8s.io/apiserver/pkg/storage/errors"
	"k8s.io/apiserver/pkg/util/dryrun"

	v1 "github.com/northbound-ovn/northbound/pkg/apis/kubeovn/v1"
	"github.com/northbound-ovn/northbound/pkg/podnet"
	"github.com/northbound-ovn/northbound/pkg/registry/kubeovn/ip"
	"github.com/northbound-ovn/northbound/pkg/storage"
)

// Batch is what the request needs of the engine.
type Batch interface {
	// CreateAll writes all objects or none, in one transaction, and returns them as they are stored. An object without a
	// resource version is created; one with a resource version replaces the stored object of that version. The refusal of one
	// of several objects is a *storage.BatchError. When it returns, View holds what it wrote, or what it met.
	CreateAll(ctx context.Context, objs []storage.Object, dryRun bool) ([]storage.Object, error)
	// View returns a snapshot.
	View() storage.View
}

// REST serves POST of PodInterfaces.
type REST struct {
	batch    Batch
	strategy ip.Strategy
}

var (
	_ rest.Storage              = (*REST)(nil)
	_ rest.Scoper               = (*REST)(nil)
	_ rest.Creater              = (*REST)(nil)
	_ rest.SingularNameProvider = (*REST)(nil)
)

// NewREST returns the handler; the typer knows the kind IP.
func NewREST(b Batch, typer runtime.ObjectTyper) *REST {
	return &REST{batch: b, strategy: ip.NewStrategy(typer)}
}

// New implements rest.Storage.
func (*REST) New() runtime.Object { return &v1.PodInterfaces{} }

// Destroy implements rest.Storage: there is nothing to release.
func (*REST) Destroy() {}

// NamespaceScoped implements rest.Scoper.
func (*REST) NamespaceScoped() bool { return false }

// GetSingularName implements rest.SingularNameProvider.
func (*REST) GetSingularName() string { return "podinterfaces" }

// attempts is how often a request is planned when others write the same IPs at the same time. Nobody but the repetition
// of the same request does, so that the second attempt finds the IPs as it wants them.
const attempts = 3

// Create implements rest.Creater. The answer is the request with its status; a request that was carried out before is
// answered alike.
func (r *REST) Create(ctx context.Context, obj runtime.Object, validateCreate rest.ValidateObjectFunc, options *metav1.CreateOptions) (runtime.Object, error) {
	req, ok := obj.(*v1.PodInterfaces)
	if !ok {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("not PodInterfaces: %T", obj))
	}
	req = req.DeepCopy()
	req.Status = v1.PodInterfacesStatus{}
	if errs := validate(&req.Spec); len(errs) > 0 {
		return nil, invalid(req, errs)
	}
	if validateCreate != nil {
		if err := validateCreate(ctx, req.DeepCopyObject()); err != nil {
			return nil, err
		}
	}
	dryRun := options != nil && dryrun.IsDryRun(options.DryRun)
	for attempt := 1; ; attempt++ {
		err := r.create(ctx, req, dryRun)
		if err == nil {
			return req, nil
		}
		raced, again := err.(*racedError)
		switch {
		case !again:
			return nil, err
		case attempt == attempts:
			return nil, raced.error
		}
	}
}

// racedError is a refusal that says no more than that the snapshot of the attempt was old.
type racedError struct{ error }

// refusal is the error about a write as one about the interface that it was for; places are the writes' indexes in ips.
func refusal(err error, places []int, ips []*v1.IP) error {
	place := places[0]
	var batch *storage.BatchError
	switch {
	case errors.As(err, &batch):
		place, err = places[batch.Index], batch.Err
	case len(places) > 1:
		return err // of the database, not of an object
	}
	err = storeerrors.InterpretCreateError(err, v1.Resource("ips"), ips[place].Name)
	if apierrors.IsAlreadyExists(err) || apierrors.IsConflict(err) {
		return &racedError{at(place, err)}
	}
	return at(place, err)
}

func (r *REST) create(ctx context.Context, req *v1.PodInterfaces, dryRun bool) error {
	v := r.batch.View()
	ips, errs := wantedIPs(v, req)
	if len(errs) > 0 {
		return invalid(req, errs)
	}
	var writes []storage.Object
	var places []int // of writes, in ips
	for i, wanted := range ips {
		write, done, err := r.prepare(ctx, v, wanted)
		if err != nil {
			return at(i, err)
		}
		if done != nil {
			ips[i] = done
			continue
		}
		writes, places = append(writes, write), append(places, i)
	}
	if len(writes) > 0 {
		stored, err := r.batch.CreateAll(ctx, writes, dryRun)
		if err != nil {
			return withHolders(r.batch.View(), refusal(err, places, ips), ips)
		}
		for i, place := range places {
			ips[place] = stored[i].(*v1.IP)
		}
	}
	req.Status.Interfaces = statusOf(v, ips)
	return nil
}

// statusOf adds what a node needs to know of the Subnets.
func statusOf(v storage.View, ips []*v1.IP) []v1.PodInterfaceStatus {
	out := make([]v1.PodInterfaceStatus, len(ips))
	for i, ip := range ips {
		out[i] = v1.PodInterfaceStatus{Name: ip.Name, Spec: *ip.Spec.DeepCopy()}
		if s, ok := storage.Get[*v1.Subnet](v, "subnets", ip.Spec.Subnet); ok {
			out[i].Provider, out[i].CIDRBlock, out[i].Mtu = s.Spec.Provider, s.Spec.CIDRBlock, s.Spec.Mtu
			routers, err := podnet.Routers(s)
			if err != nil {
				continue // what is stored has been validated
			}
			out[i].Gateway = routers.String()
		}
	}
	return out
}
