package storage

import (
	"iter"
	"maps"
	"strings"
	"sync"

	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

var _ View = (*state)(nil)

// Get implements View.
func (s *state) Get(resource, name string) Object {
	e := s.get("/" + resource + "/" + name)
	if e == nil || e.obj == nil {
		return nil
	}
	return e.obj
}

// List implements View.
func (s *state) List(resource string) iter.Seq[Object] {
	return func(yield func(Object) bool) {
		prefix := "/" + resource + "/"
		s.ascend(prefix, prefix, func(e *entry) bool { return e.obj == nil || yield(e.obj) })
	}
}

// Referrers implements View.
func (s *state) Referrers(resource, name string) iter.Seq[Object] {
	return func(yield func(Object) bool) {
		for e := range s.referrers(resource, name) {
			if !yield(e.obj) {
				return
			}
		}
	}
}

func (s *state) referrers(resource, name string) iter.Seq[*entry] {
	return func(yield func(*entry) bool) {
		prefix := referenceKey(resource, name)
		s.index.AscendGreaterOrEqual(indexItem{key: prefix}, func(i indexItem) bool {
			return strings.HasPrefix(i.key, prefix) && yield(i.entry)
		})
	}
}

// holders are the strong references to an object, as "resource/name" of the referrer and the referring field.
func (s *state) holders(resource, name string) []Ref {
	var out []Ref
	for e := range s.referrers(resource, name) {
		for _, r := range e.res.Refs(e.obj) {
			if r.Resource == resource && r.Name == name && !r.Weak {
				out = append(out, Ref{Resource: e.res.Name, Name: e.name(), Field: r.Field})
				break
			}
		}
	}
	return out
}

// held reports whether any strong reference to an object exists.
func (s *state) held(resource, name string) bool {
	for e := range s.referrers(resource, name) {
		for _, r := range e.res.Refs(e.obj) {
			if r.Resource == resource && r.Name == name && !r.Weak {
				return true
			}
		}
	}
	return false
}

// Scan implements View.
func (s *state) Scan(from, to string) iter.Seq2[string, Object] {
	return func(yield func(string, Object) bool) {
		s.index.AscendGreaterOrEqual(indexItem{key: domainKey(from)}, func(i indexItem) bool {
			// Items carry an entry key behind the index key: only the latter counts.
			return strings.HasPrefix(i.key, domainIndex) && i.domain() < to && yield(i.domain(), i.entry.obj)
		})
	}
}

// ScanDown implements View.
func (s *state) ScanDown(from, to string) iter.Seq2[string, Object] {
	return func(yield func(string, Object) bool) {
		end := domainKey(to)
		// Items of exactly the key "from" carry an entry key behind a NUL: start behind all of them.
		s.index.DescendLessOrEqual(indexItem{key: domainKey(from) + "\x01"}, func(i indexItem) bool {
			return i.key >= end && yield(i.domain(), i.entry.obj) // end is itself a prefix of its items
		})
	}
}

// domain is the key as the kind gave it.
func (i indexItem) domain() string {
	key := i.key[len(domainIndex):]
	return key[:strings.IndexByte(key, 0)]
}

// RowID implements View.
func (s *state) RowID(resource, name, rowKey string) ovsdb.UUID {
	e := s.get("/" + resource + "/" + name)
	if e == nil {
		return ovsdb.UUID{}
	}
	return rowUUID(e, rowKey)
}

// rowUUID is a function of the object's identity, so that a row keeps its UUID as long as its key, and a new object of an old
// name never gets an old one's rows.
func rowUUID(owner *entry, rowKey string) ovsdb.UUID { return ovsdb.DeriveUUID(owner.uuid, rowKey) }

// HasColumn implements View.
func (s *state) HasColumn(table, column string) bool { return s.schema.HasColumn(table, column) }

// hints are the soft values of View.Hint, shared by all states of an engine. A dry run reads them and leaves none.
type hints struct {
	mu     sync.Mutex
	values map[string]uint64
	frozen bool
}

// Hint implements View.
func (s *state) Hint(key string) uint64 {
	s.hints.mu.Lock()
	defer s.hints.mu.Unlock()
	return s.hints.values[key]
}

// SetHint implements View.
func (s *state) SetHint(key string, value uint64) {
	s.hints.mu.Lock()
	defer s.hints.mu.Unlock()
	if !s.hints.frozen {
		s.hints.values[key] = value
	}
}

// freeze returns a copy of the hints that does not change: what a dry run sees.
func (h *hints) freeze() *hints {
	h.mu.Lock()
	defer h.mu.Unlock()
	return &hints{values: maps.Clone(h.values), frozen: true}
}
