package storage

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

type verb uint8

const (
	create verb = iota
	update
	remove
	// refresh derives status and rows of an object again, and writes only what differs.
	refresh
	// rewrite writes an object again as it is known.
	rewrite
	// compact drops the tombstones up to the revision "expect".
	compact
)

// write is one change of one object. The caller decided it on a published state; the planner refuses it with errStale when the
// object has changed since.
type write struct {
	verb    verb
	res     *Resource
	key     string
	uuid    ovsdb.UUID // create: of the carrier row
	expect  uint64     // update, remove: the revision that the caller saw
	obj     Object     // create, update: what to store; the planner works on a copy
	expires int64

	// Results, valid when the request has succeeded.
	out     *entry // what is stored now; for a removal the tombstone, or the object that waits
	holders []Ref  // remove: why the object waits for its deletion
}

// request is one or more writes that take place together or not at all.
type request struct {
	ctx    context.Context
	writes []*write
	// solo requests are planned alone, because a transaction that held them failed.
	solo bool
	// sweep: rows that the request deletes are held where nobody expects them; see batch.sweep.
	sweep bool
	// audit requests look for rows that somebody else changed.
	audit bool

	// refused: err is the planner's. confirmed: the state that the answer rests on was committed after the request had come.
	refused, confirmed bool

	waiting *atomic.Int64 // counts the request as long as it has no answer; nil for the engine's own

	err  error
	done chan struct{}
}

func newRequest(ctx context.Context, writes ...*write) *request {
	return &request{ctx: ctx, writes: writes, done: make(chan struct{})}
}

func (r *request) finish(err error) {
	r.err = err
	if r.waiting != nil {
		r.waiting.Add(-1)
	}
	close(r.done)
}

// errStale: the object has changed since the caller read it; the caller reads again and decides anew.
var errStale = errors.New("the object has changed")
