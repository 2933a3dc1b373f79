package storage

import (
	"context"

	"k8s.io/klog/v2"

	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// load takes the content of the database, or what has happened since the last session.
func (r *replica) load(ctx context.Context, initial ovsdb.Initial) error {
	if initial.Found && r.lastTxn != "" {
		return r.update(ctx, &initial.Update)
	}
	old := r.state()
	s := newState()
	s.schema, s.columns, s.hints, s.epoch = r.schema, r.columns, old.hints, old.epoch+1
	docs, known := r.docs, len(r.docs) > 0 || old.token != ""
	r.docs, r.rows, r.ttl = map[ovsdb.UUID]*entry{}, map[ovsdb.UUID]*realized{}, map[string]int64{}
	r.attachments.members = map[Parent]map[ovsdb.UUID]struct{}{}
	r.e.corrupt.Store(0)
	loaded := r.decodeAll(ctx, initial.Update.Tables[carrierTable])
	for _, e := range loaded {
		if before := docs[e.uuid]; before != nil && before.rev == e.rev && before.err == nil {
			e = before // the same pointer: watchers and lists share it
		}
		r.docs[e.uuid] = e
		s.rev = max(s.rev, e.rev) // should the token row be gone
		insert(s, e)
		r.expire(e)
		r.countCorrupt(nil, e)
	}
	r.token(s, initial.Update.Tables[carrierTable])
	r.attach(&initial.Update, nil)
	for table, updates := range initial.Update.Tables {
		if table != carrierTable {
			r.applyRows(updates, table, target{state: s})
		}
	}
	r.lastTxn = initial.TxnID
	clear(r.drifted)
	clear(r.gone)
	clear(r.untagged)
	if known {
		r.reload(ctx, old, s)
	} else {
		r.e.hist.publish(s, nil)
	}
	r.removeOrphans(ctx)
	r.startAudit()
	return nil
}

// reload publishes a state that was loaded anew, with the events that lead to it.
func (r *replica) reload(ctx context.Context, old, s *state) {
	if s.rev < old.rev {
		klog.FromContext(ctx).Info("The database has gone back in time: watches begin anew", "revision", s.rev, "was", old.rev)
		r.e.hist.reset(s)
		return
	}
	var events []event
	s.objects.Ascend(func(e *entry) bool {
		before := old.get(e.key)
		if before != nil && before.uuid != e.uuid {
			before = nil // an earlier object of this name, whose tombstone tells its own end
		}
		if before == nil || before.rev != e.rev {
			events = append(events, event{rev: e.rev, prev: before, cur: e})
		}
		return true
	})
	s.tombs.Ascend(func(e *entry) bool {
		if before := old.get(e.key); before != nil && before.uuid == e.uuid {
			events = append(events, event{rev: e.rev, prev: before, cur: e})
		}
		return true
	})
	sortEvents(events)
	if s.compacted > old.rev {
		r.e.hist.reset(s) // tombstones that were not seen are gone
		return
	}
	r.e.hist.publish(s, events)
}

func insert(s *state, e *entry) {
	if e.deleted {
		s.tombs.ReplaceOrInsert(e)
		return
	}
	s.objects.ReplaceOrInsert(e)
	replaceIndex(s, nil, nil, e, e.indexKeys())
}
