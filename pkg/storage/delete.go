package storage

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/apiserver/pkg/warning"
)

// Delete implements storage.Interface. An object that others refer to is marked as being deleted instead, and the caller is
// warned; see the package's rules of deletion.
func (s *store) Delete(ctx context.Context, key string, out runtime.Object, preconditions *storage.Preconditions,
	validate storage.ValidateObjectFunc, _ runtime.Object, opts storage.DeleteOptions) error {
	key, err := s.prepare(key, false)
	if err != nil {
		return err
	}
	return s.decide(ctx, key, func(e *entry, current bool) (bool, error) {
		return s.tryDelete(ctx, e, key, out, preconditions, validate, opts, current)
	})
}

func (s *store) tryDelete(ctx context.Context, e *entry, key string, out runtime.Object, preconditions *storage.Preconditions,
	validate storage.ValidateObjectFunc, opts storage.DeleteOptions, current bool) (done bool, err error) {
	if e == nil {
		return current, storage.NewKeyNotFoundError(key, 0)
	}
	stored, _, err := s.object(ctx, e)
	switch {
	case opts.ExpectTransformOrDecodeError && err == nil:
		return true, storage.NewInvalidObjError(key, "the object can be read: it must not be deleted as a corrupt one")
	case opts.ExpectTransformOrDecodeError:
		stored = s.res.New()
	case err != nil:
		return true, err
	}
	if err := preconditions.Check(key, stored); err != nil {
		return current, err
	}
	if validate != nil {
		if err := validate(ctx, stored.DeepCopyObject()); err != nil {
			return current, err
		}
	}
	w := &write{verb: remove, res: s.res, key: key, expect: e.rev}
	err = s.e.submit(newRequest(ctx, w))
	if errors.Is(err, errStale) {
		return false, nil
	}
	if err != nil {
		return true, err
	}
	warnHolders(ctx, s.res, w)
	if opts.ExpectTransformOrDecodeError || w.out.obj == nil {
		return true, s.versioner.UpdateObject(out, w.out.rev)
	}
	return true, s.result(w.out, out)
}

const maxNamed = 5 // referrers named in a warning

// warnHolders tells the caller why an object is not gone yet.
func warnHolders(ctx context.Context, res *Resource, w *write) {
	if len(w.holders) == 0 || w.out.deleted {
		return
	}
	names := make([]string, 0, maxNamed)
	for _, h := range w.holders[:min(len(w.holders), maxNamed)] {
		names = append(names, h.String())
	}
	text := strings.Join(names, ", ")
	if more := len(w.holders) - maxNamed; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	warning.AddWarning(ctx, "", fmt.Sprintf("%s %s is in use and will be deleted together with the last object that refers to it: %s",
		res.Kind, w.out.name(), text))
}
