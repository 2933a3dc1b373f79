package storage

import (
	"context"
	"encoding/base64"
	"fmt"
	goruntime "runtime"
	"slices"
	"strconv"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/storage/value"

	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// decodeAll decodes carrier rows on all processors.
func (r *replica) decodeAll(ctx context.Context, updates []ovsdb.RowUpdate) []*entry {
	entries := make([]*entry, len(updates))
	var wg sync.WaitGroup
	workers := goruntime.GOMAXPROCS(0)
	for w := range workers {
		wg.Go(func() {
			for i := w; i < len(updates); i += workers {
				entries[i] = r.decodeRow(ctx, updates[i], nil)
			}
		})
	}
	wg.Wait()
	return slices.DeleteFunc(entries, func(e *entry) bool { return e == nil })
}

// decodeRow makes an entry of a carrier row, or of a change of one; nil for rows that hold no document of ours.
func (r *replica) decodeRow(ctx context.Context, u ovsdb.RowUpdate, before *entry) *entry {
	name := u.Row[columnName].AsString()
	if before != nil && name == "" {
		name = strings.TrimPrefix(before.key, "/")
	}
	d, ok, err := parseDocument(name, u.Row[columnIDs].AsMap())
	if !ok && err == nil {
		return nil
	}
	e := &entry{key: d.key, uuid: u.UUID, rev: d.rev, createRev: d.createRev, deleted: d.deleted, expires: d.expires, err: err}
	if before != nil {
		e.key = before.key
		if e.createRev == 0 {
			e.createRev = before.createRev
		}
		e.expires = changedExpiry(before.expires, d.expires)
	}
	if e.res = r.e.resourceOf(e.key); e.res == nil {
		return nil // a kind that another version of the program knows
	}
	switch {
	case err != nil:
	case d.hasRaw:
		r.decode(ctx, e, []byte(d.raw))
	case before != nil && before.obj != nil:
		e.obj, e.raw, e.size = before.obj.DeepCopyObject().(Object), before.raw, before.size
	case before != nil:
		r.decode(ctx, e, before.raw)
	default:
		e.err = fmt.Errorf("document %s is empty", name)
	}
	if e.obj != nil {
		e.obj.SetResourceVersion(strconv.FormatUint(e.rev, 10))
	}
	return e
}

// changedExpiry is what a change makes of an expiry: a difference of a map has the keys that changed, those that are gone with
// their old values.
func changedExpiry(before, diff int64) int64 {
	switch diff {
	case 0:
		return before
	case before:
		return 0
	}
	return diff
}

// decode fills an entry from the stored form.
func (r *replica) decode(ctx context.Context, e *entry, raw []byte) {
	e.size = len(raw)
	obj, _, err := r.e.decode(ctx, e.key, e.res, raw)
	if err != nil {
		e.err, e.raw = err, raw
		return
	}
	e.obj = obj
	if r.e.opts.Transformer != nil {
		e.raw = raw
	}
}

// decode turns a stored form into an object. stale says that the transformer wants it to be written anew.
func (e *Engine) decode(ctx context.Context, key string, res *Resource, raw []byte) (obj Object, stale bool, err error) {
	if e.opts.Transformer != nil {
		if raw, stale, err = e.fromStorage(ctx, key, raw); err != nil {
			return nil, false, err
		}
	}
	out, _, err := e.opts.Codec.Decode(raw, nil, res.New())
	if err != nil {
		return nil, false, &CorruptError{Key: key, Err: err}
	}
	// The kind goes without saying, and is not known of every object that is written: no two processes should differ in it.
	out.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{})
	return out.(Object), stale, nil
}

// fromStorage applies the transformer.
func (e *Engine) fromStorage(ctx context.Context, key string, raw []byte) ([]byte, bool, error) {
	plain, err := decodeText(raw)
	if err != nil {
		return nil, false, &CorruptError{Key: key, Err: err}
	}
	data, stale, err := e.opts.Transformer.TransformFromStorage(ctx, plain, value.DefaultContext(key))
	if err != nil {
		return nil, false, fmt.Errorf("document %s: %w", key, err)
	}
	return data, stale, nil
}

// usualSize is room for the documents of most objects, with their managed fields.
const usualSize = 2048

// encode returns the stored form of an entry and completes the entry: nobody else has seen it yet.
func (r *replica) encode(ctx context.Context, e *entry) (string, error) {
	if e.obj == nil {
		return string(e.raw), nil
	}
	e.obj.SetResourceVersion("")
	var text strings.Builder
	text.Grow(usualSize)
	if err := r.e.opts.Codec.Encode(e.obj, &text); err != nil {
		return "", fmt.Errorf("document %s: %w", e.key, err)
	}
	e.obj.SetResourceVersion(strconv.FormatUint(e.rev, 10))
	e.obj.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{}) // as when it is read
	raw := text.String()
	e.size = len(raw)
	if t := r.e.opts.Transformer; t != nil {
		data, err := t.TransformToStorage(ctx, []byte(raw), value.DefaultContext(e.key))
		if err != nil {
			return "", fmt.Errorf("document %s: %w", e.key, err)
		}
		e.raw = encodeText(data)
		e.size, raw = len(data), string(e.raw)
	}
	if err := ovsdb.CheckText(raw); err != nil {
		return "", apierrors.NewBadRequest(fmt.Sprintf("%s cannot be stored: %v", e.key, err))
	}
	return raw, nil
}

// A transformer's output is any bytes, a column's text is not.
func encodeText(data []byte) []byte { return base64.StdEncoding.AppendEncode(nil, data) }

func decodeText(raw []byte) ([]byte, error) { return base64.StdEncoding.AppendDecode(nil, raw) }
