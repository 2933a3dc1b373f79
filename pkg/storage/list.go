package storage

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/features"
	"k8s.io/apiserver/pkg/storage"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/utils/third_party/forked/golang/btree"
)

// The texts are part of the API: clients and the upstream test suite compare them.
const (
	listExpired     = "The resourceVersion for the provided list is too old."
	continueExpired = "The provided continue parameter is too old to display a consistent list result. You can start a new list without " +
		"the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided " +
		"token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned " +
		"and now may show up in the list."
)

// GetList implements storage.Interface.
func (s *store) GetList(ctx context.Context, key string, opts storage.ListOptions, list runtime.Object) error {
	prefix, err := s.prepare(key, opts.Recursive)
	if err != nil {
		return err
	}
	items, err := listItems(list)
	if err != nil {
		return err
	}
	exact, from, err := storage.ValidateListOptions(prefix, s.versioner, opts)
	if err != nil {
		return err
	}
	objects, rev, err := s.listState(ctx, exact, from, prefix, opts)
	if err != nil {
		return err
	}
	if from == "" {
		from = prefix
	}
	page := &page{s: s, pred: opts.Predicate, items: items, exactKey: !opts.Recursive}
	if err := page.read(ctx, objects, from, prefix); err != nil {
		return err
	}
	if items.IsNil() {
		items.Set(reflect.MakeSlice(items.Type(), 0, 0))
	}
	token, remaining, err := storage.PrepareContinueToken(page.last, prefix, int64(rev), page.count, page.more, opts)
	if err != nil {
		return err
	}
	if err := s.versioner.UpdateList(list, rev, token, remaining); err != nil {
		return err
	}
	opts.Predicate.SetShardInfoOnList(list)
	return nil
}

// listState returns the objects at the revision that a list asks for.
func (s *store) listState(ctx context.Context, exact int64, from, prefix string, opts storage.ListOptions) (*btree.BTree[*entry], uint64, error) {
	if exact == 0 {
		now, err := s.notOlderThan(ctx, opts.ResourceVersion)
		if err != nil {
			return nil, 0, err
		}
		return now.objects, now.rev, nil
	}
	rev := uint64(exact)
	now, err := s.snapshot()
	if err != nil {
		return nil, 0, err
	}
	if rev > now.rev {
		if now, err = s.latest(ctx); err != nil {
			return nil, 0, err
		}
		if rev > now.rev {
			return nil, 0, storage.NewTooLargeResourceVersionError(rev, now.rev, 0)
		}
	}
	if objects, ok := s.e.hist.at(rev); ok && rev >= now.compacted {
		return objects, rev, nil
	}
	if opts.Predicate.Continue == "" {
		return nil, 0, apierrors.NewResourceExpired(listExpired)
	}
	// Revision -1 lets the client go on from the same key at the latest revision.
	token, err := storage.EncodeContinue(from, prefix, -1)
	if err != nil {
		return nil, 0, apierrors.NewResourceExpired(listExpired)
	}
	expired := apierrors.NewResourceExpired(continueExpired)
	expired.ErrStatus.ListMeta.Continue = token
	return nil, 0, expired
}

// page collects what a list returns.
type page struct {
	s        *store
	pred     storage.SelectionPredicate
	items    reflect.Value
	exactKey bool

	last  string // key of the last object that was looked at
	more  bool   // there are objects behind it
	count int64  // objects from the beginning of the page on; only counted for an unfiltered page

	corrupt []error
}

const maxCorrupt = 100 // corrupt objects that a list names before it gives up

var errTooManyCorrupt = errors.New("too many errors, the list is truncated")

func (p *page) read(ctx context.Context, objects *btree.BTree[*entry], from, prefix string) error {
	all := p.pred.Empty()
	limit := p.pred.Limit
	if p.exactKey {
		if e, ok := objects.Get(&entry{key: prefix}); ok {
			p.count = 1
			if err := p.take(ctx, e, all); err != nil {
				return p.abort(err)
			}
		}
		return p.abort(nil)
	}
	if all && limit > 0 {
		p.items.Grow(int(min(limit, int64(objects.Len()))))
	}
	var failure error
	objects.AscendGreaterOrEqual(&entry{key: from}, func(e *entry) bool {
		if !strings.HasPrefix(e.key, prefix) {
			return false
		}
		p.count++
		if limit > 0 && int64(p.items.Len()) >= limit {
			p.more = true
			return all // only an unfiltered page tells how many remain
		}
		p.last = e.key
		if failure = p.take(ctx, e, all); failure != nil {
			return false
		}
		if failure = ctx.Err(); failure != nil {
			failure = storage.NewTimeoutError(e.key, "request did not complete within requested timeout")
			return false
		}
		return true
	})
	return p.abort(failure)
}

// take appends an object if it matches. Corrupt objects are remembered up to a limit; other errors end the list.
func (p *page) take(ctx context.Context, e *entry, all bool) error {
	obj, _, err := p.s.object(ctx, e)
	if err != nil {
		if !storage.IsCorruptObject(err) {
			return err
		}
		if p.corrupt = append(p.corrupt, err); len(p.corrupt) >= maxCorrupt {
			return errTooManyCorrupt
		}
		return nil
	}
	if !all {
		if ok, err := p.pred.Matches(obj); err != nil || !ok {
			return err
		}
	}
	p.items.Set(reflect.Append(p.items, reflect.ValueOf(obj).Elem()))
	return nil
}

// abort makes the error of a list that met corrupt objects: it names them all.
func (p *page) abort(reason error) error {
	if len(p.corrupt) == 0 {
		return reason
	}
	causes := make([]metav1.StatusCause, 0, len(p.corrupt)+1)
	for _, err := range p.corrupt {
		var failure *storage.StorageError
		if errors.As(err, &failure) {
			causes = append(causes, metav1.StatusCause{Type: metav1.CauseTypeUnexpectedServerResponse, Field: failure.Key, Message: err.Error()})
		}
	}
	switch {
	case errors.Is(reason, errTooManyCorrupt):
		causes = append(causes, metav1.StatusCause{Type: metav1.CauseTypeTooMany, Message: reason.Error()})
	case reason != nil:
		causes = append(causes, metav1.StatusCause{Type: metav1.CauseTypeUnexpectedServerResponse, Message: reason.Error()})
	}
	message := fmt.Sprintf("failed to read one or more %s from the storage: %v", p.s.res.Name, p.corrupt[0])
	if more := len(p.corrupt) - 1; more > 0 {
		message += fmt.Sprintf(" (and %d more)", more)
	}
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusInternalServerError, Reason: metav1.StatusReasonStoreReadError, Message: message,
		Details: &metav1.StatusDetails{Group: p.s.e.opts.Group, Kind: p.s.res.Name, Name: "list", Causes: causes},
	}}
}

// corrupt classifies why an object cannot be read: what is stored is wrong, which unsafe deletion can mend where it is enabled,
// or the attempt to read it failed.
func (s *store) corrupt(e *entry, err error) error {
	var corrupt *CorruptError
	if errors.As(err, &corrupt) && utilfeature.DefaultFeatureGate.Enabled(features.AllowUnsafeMalformedObjectDeletion) {
		return storage.NewCorruptObjError(e.key, err)
	}
	return storage.NewInternalError(fmt.Errorf("unable to transform key %q: %w", e.key, err))
}
