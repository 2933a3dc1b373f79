package storage

import (
	"bytes"
	"strings"

	"k8s.io/utils/third_party/forked/golang/btree"

	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// entry is one stored document at one revision. Entries are immutable once their state is published.
type entry struct {
	key  string // "/subnets/net1"
	res  *Resource
	uuid ovsdb.UUID // of the carrier row

	rev, createRev uint64
	deleted        bool // a tombstone: the last state of an object that is gone, at the revision of its deletion

	obj     Object // with its resource version; nil when it could not be decoded
	err     error  // why obj is nil
	raw     []byte // the stored form; kept only with a transformer, when each read decodes it, or when it could not be decoded
	size    int    // of the stored form in bytes
	expires int64  // Unix time in seconds after which the object is deleted; 0: never
}

// name is the key within the resource.
func (e *entry) name() string { return strings.TrimPrefix(e.key[len(e.res.Name)+1:], "/") }

// realized is a row of the Northbound database that carries our tags, as it stands there.
type realized struct {
	owner string // key of the owning entry
	key   string // Row.Key
	table string
	uuid  ovsdb.UUID
	cols  []ovsdb.Value // in the order of the table's monitored columns

	// parents are those of the epoch in which this process placed the row; 0: it never has. A row that was loaded from the database
	// does not tell who holds it, and neither does one that another process may have moved.
	parents []Parent
	epoch   uint64
}

// indexItem is an entry under one key of a domain index ("i/...") or of the index of references ("r/...").
type indexItem struct {
	key   string // index key, NUL, entry key
	entry *entry
}

const (
	domainIndex    = "i/"
	referenceIndex = "r/"
)

func domainKey(key string) string { return domainIndex + key }

// referenceKey starts all references to one object.
func referenceKey(resource, name string) string {
	return referenceIndex + resource + "/" + name + "\x00"
}

// state is all that is known at one revision. A published state is immutable: writers work on a clone.
// The trees are persistent B-trees: a clone shares all nodes and copies those that it changes.
type state struct {
	rev       uint64
	epoch     uint64 // begins anew, from 1 on, when another process has written
	token     string // as stored: see carrier.go
	compacted uint64

	objects *btree.BTree[*entry]    // live, by key
	tombs   *btree.BTree[*entry]    // tombstones, by revision
	index   *btree.BTree[indexItem] // by index key
	rows    *btree.BTree[*realized] // by owner, row key and UUID: see rowBefore
	hints   *hints
	schema  ovsdb.Schema
	columns map[string][]string // monitored, by table
}

const treeDegree = 32

func newState() *state {
	return &state{
		epoch:   1,
		objects: btree.New(treeDegree, func(a, b *entry) bool { return a.key < b.key }),
		tombs:   btree.New(treeDegree, func(a, b *entry) bool { return a.rev < b.rev }),
		index:   btree.New(treeDegree, func(a, b indexItem) bool { return a.key < b.key }),
		rows:    btree.New(treeDegree, rowBefore),
		hints:   &hints{values: map[string]uint64{}},
	}
}

// rowBefore orders rows by owner, row key and UUID. The UUID is part of the order because an owner that is deleted and created again
// under its name has other rows under the same keys: what happens to the old row must not touch the new one, whichever
// the database reports first, and a second row under one key must stay visible until it is removed.
func rowBefore(a, b *realized) bool {
	if a.owner != b.owner {
		return a.owner < b.owner
	}
	if a.key != b.key {
		return a.key < b.key
	}
	return bytes.Compare(a.uuid[:], b.uuid[:]) < 0
}

// clone returns a state that can be changed without changing s. Cloning writes to s's trees (not to what readers read), so
// two goroutines must not clone one state at a time: see Engine.cloneMu.
func (s *state) clone() *state {
	c := *s
	c.objects, c.tombs, c.index, c.rows = s.objects.Clone(), s.tombs.Clone(), s.index.Clone(), s.rows.Clone()
	return &c
}

func (s *state) get(key string) *entry {
	e, _ := s.objects.Get(&entry{key: key})
	return e
}

// ascend yields live entries with from <= key and the given prefix.
func (s *state) ascend(from, prefix string, yield func(*entry) bool) {
	s.objects.AscendGreaterOrEqual(&entry{key: from}, func(e *entry) bool {
		return strings.HasPrefix(e.key, prefix) && yield(e)
	})
}

// count is the number of live entries below a prefix.
func (s *state) count(prefix string) (n int) {
	s.ascend(prefix, prefix, func(*entry) bool { n++; return true })
	return n
}

// orphans returns the owners of realized rows that have no document, in order.
func (s *state) orphans() (owners []string) {
	last := ""
	s.rows.Ascend(func(r *realized) bool {
		if r.owner != last {
			last = r.owner
			if s.get(last) == nil {
				owners = append(owners, last)
			}
		}
		return true
	})
	return owners
}

// owns reports whether an entry, or a name that has none any more, has realized rows.
func (s *state) owns(owner string) (found bool) {
	s.rows.AscendGreaterOrEqual(&realized{owner: owner}, func(r *realized) bool {
		found = r.owner == owner
		return false
	})
	return found
}

// ownedRows returns the realized rows of an entry.
func (s *state) ownedRows(owner string) []*realized {
	var out []*realized
	s.rows.AscendGreaterOrEqual(&realized{owner: owner}, func(r *realized) bool {
		if r.owner != owner {
			return false
		}
		out = append(out, r)
		return true
	})
	return out
}

// indexKeys are all keys of the index tree under which an entry stands.
func (e *entry) indexKeys() []string {
	if e.obj == nil {
		return nil
	}
	var keys []string
	for _, k := range e.res.IndexKeys(e.obj) {
		keys = append(keys, domainKey(k)+"\x00"+e.key)
	}
	for _, r := range e.res.Refs(e.obj) {
		keys = append(keys, referenceKey(r.Resource, r.Name)+e.key)
	}
	return keys
}
