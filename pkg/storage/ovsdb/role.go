package ovsdb

import (
	"context"
	"fmt"
	"maps"
	"slices"
)

// Where a server says what it is to its databases, see ovsdb-server(7) section "_Server".
const (
	roleDatabase = "_Server"
	roleTable    = "Database"
)

// role is what the server is to the database.
type role struct {
	row               UUID // zero until the server has said it
	leader, connected bool
	model             string
}

// apply takes an update of the server's database table, and returns an error when the session cannot go on.
func (r *role) apply(rows []RowUpdate, o Options) error {
	for _, u := range rows {
		if u.Type == Insert && u.Row["name"].AsString() == o.Database {
			r.row = u.UUID
		}
		if r.row.IsZero() || u.UUID != r.row {
			continue
		}
		if u.Type == Delete {
			return fmt.Errorf("server does not serve database %s any more", o.Database)
		}
		if v, ok := u.Row["model"]; ok {
			r.model = v.AsString()
		}
		if v, ok := u.Row["leader"]; ok {
			r.leader = v.AsBool()
		}
		if v, ok := u.Row["connected"]; ok {
			r.connected = v.AsBool()
		}
	}
	switch {
	case r.row.IsZero():
		return nil
	case r.model != "standalone" && !r.connected:
		return ErrNotConnected
	case r.model == "clustered" && o.LeaderOnly && !r.leader:
		return ErrNotLeader
	}
	return nil
}

// takeRole is called by the reader for each update of the server's database table.
func (s *Session) takeRole(rows []RowUpdate) error {
	known := !s.role.row.IsZero()
	if err := s.role.apply(rows, s.o); err != nil {
		return err
	}
	if !known && !s.role.row.IsZero() {
		s.clustered = s.role.model == "clustered"
		close(s.ready)
	}
	return nil
}

// greet learns the role of the server and the schema of the database.
func (s *Session) greet(ctx context.Context) error {
	columns := map[string][]string{roleTable: {"name", "model", "leader", "connected"}}
	err := s.ask(ctx, &call{
		method: "monitor_cond_since",
		limit:  s.o.DialTimeout,
		decode: func(result []byte) error {
			d := decoder{scanner: scanner{b: result}}
			initial := d.initial()
			if d.err != nil {
				return d.err
			}
			return s.takeRole(initial.Update.Tables[roleTable])
		},
	}, monitorParams(roleDatabase, roleMonitor, columns, zeroTxnID))
	if err != nil {
		return err
	}
	// A server does not have what it does not serve; one that has just started does not know its role at once.
	err = s.ask(ctx, &call{
		method: "get_schema",
		limit:  s.o.DialTimeout,
		decode: func(result []byte) (err error) {
			// In the reader, which uses both, before anything else may ask for them.
			s.schema, err = parseSchema(result)
			s.names = newNames(s.schema)
			return err
		},
	}, append(appendString([]byte("["), s.o.Database), ']'))
	if err != nil {
		return err
	}
	select {
	case <-s.ready:
		return nil
	case <-s.done:
		return s.reason()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// monitorParams are the parameters of monitor_cond_since.
func monitorParams(database, monitor string, tables map[string][]string, lastTxnID string) []byte {
	b := appendString([]byte("["), database)
	b = appendString(append(b, ','), monitor)
	b = append(b, `,{`...)
	for i, table := range slices.Sorted(maps.Keys(tables)) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, table), `:[{`...)
		if columns := tables[table]; len(columns) > 0 {
			b = append(b, `"columns":[`...)
			for j, c := range columns {
				if j > 0 {
					b = append(b, ',')
				}
				b = appendString(b, c)
			}
			b = append(b, ']')
		}
		b = append(b, `}]`...)
	}
	b = append(b, `},`...)
	return append(appendString(b, lastTxnID), ']')
}
