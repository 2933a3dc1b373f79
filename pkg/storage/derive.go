package storage

import (
	"maps"
	"slices"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
)

// derive brings status and rows of all that is dirty up to date. It ends the planning of the batch.
func (b *batch) derive() error {
	for _, key := range slices.Sorted(maps.Keys(b.dirty)) {
		e := b.work.get(key)
		if e == nil {
			if err := b.placeRows(key, nil, nil); err != nil {
				return err
			}
			continue
		}
		if e.obj == nil {
			continue // its rows stay as they are: nothing says what they should be
		}
		e = b.deriveStatus(e)
		desired, err := e.res.DesiredRows(b.work, e.obj)
		if err != nil {
			return err
		}
		if err := b.placeRows(key, e, desired); err != nil {
			return err
		}
	}
	return nil
}

// deriveStatus returns the entry with its status derived. What is derived changes no index and makes nothing else dirty.
func (b *batch) deriveStatus(e *entry) *entry {
	if e.res.derive == nil {
		return e
	}
	if b.docs[e.uuid] != nil {
		e.res.derive(b.work, e.obj) // still our own
		return e
	}
	obj := e.obj.DeepCopyObject().(Object)
	e.res.derive(b.work, obj)
	if apiequality.Semantic.DeepEqual(obj, e.obj) {
		return e
	}
	derived := *e
	derived.obj = obj
	derived.rev = b.nextRev()
	b.store(e, &derived)
	return &derived
}
