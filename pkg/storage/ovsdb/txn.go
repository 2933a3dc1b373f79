package ovsdb

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// Txn is a transaction in the notation of the wire, built operation by operation. It may be sent several times, but not
// changed once it was sent. Table, column and mutator names are the program's, not a user's: they are not checked.
type Txn struct {
	buf []byte
	ops int
	err error
}

// NewTxn returns a transaction without operations.
func NewTxn(database string) *Txn {
	return &Txn{buf: appendString([]byte("["), database)}
}

// Len is the number of operations so far.
func (t *Txn) Len() int { return t.ops }

// Size is the number of bytes so far.
func (t *Txn) Size() int { return len(t.buf) }

// Grow makes room for n more bytes.
func (t *Txn) Grow(n int) { t.buf = slices.Grow(t.buf, n) }

// Err returns the first error of building the transaction; it wraps ErrText when a text cannot be stored.
func (t *Txn) Err() error { return t.err }

// Wait makes the transaction fail unless the row's map column has the given pair at the moment of its execution
// (operation "wait" with timeout 0, error "timed out").
func (t *Txn) Wait(table string, uuid UUID, mapColumn, key, value string) {
	t.begin("wait", table)
	t.check(mapColumn, String(key))
	t.check(mapColumn, String(value))
	t.where(uuid)
	t.buf = t.buf[:len(t.buf)-1] // the second condition goes into the same list
	t.raw(`,[`)
	t.quoted(mapColumn)
	t.raw(`,"includes",["map",[[`)
	t.quoted(key)
	t.raw(`,`)
	t.quoted(value)
	t.raw(`]]]]],"timeout":0,"columns":["_uuid"],"until":"==","rows":[{"_uuid":`)
	t.buf = appendRef(t.buf, uuid)
	t.raw(`}]}`)
}

// Insert adds a row with the given UUID.
func (t *Txn) Insert(table string, uuid UUID, row Row) {
	t.begin("insert", table)
	t.raw(`,"uuid":"`)
	t.buf = uuid.append(t.buf)
	t.raw(`"`)
	t.row(row)
	t.raw(`}`)
}

// Update sets columns of a row. It changes nothing, without an error, when there is no such row: Result.Count tells.
func (t *Txn) Update(table string, uuid UUID, row Row) {
	t.begin("update", table)
	t.where(uuid)
	t.row(row)
	t.raw(`}`)
}

// Delete removes a row. It changes nothing, without an error, when there is no such row: Result.Count tells.
func (t *Txn) Delete(table string, uuid UUID) {
	t.begin("delete", table)
	t.where(uuid)
	t.raw(`}`)
}

// Mutate changes a column of a row: "insert" and "delete" for sets and maps, "+=" and the like for numbers.
func (t *Txn) Mutate(table string, uuid UUID, column, mutator string, v Value) {
	t.begin("mutate", table)
	t.check(column, v)
	t.where(uuid)
	t.raw(`,"mutations":[[`)
	t.quoted(column)
	t.raw(`,`)
	t.quoted(mutator)
	t.raw(`,`)
	t.raw(string(v))
	t.raw(`]]}`)
}

// Release takes a row out of a set column of all rows that hold it there. The server looks at each row of the table.
func (t *Txn) Release(table, column string, row UUID) {
	t.begin("mutate", table)
	t.raw(`,"where":[[`)
	t.quoted(column)
	t.raw(`,"includes",`)
	t.buf = appendRef(t.buf, row)
	t.raw(`]],"mutations":[[`)
	t.quoted(column)
	t.raw(`,"delete",`)
	t.buf = appendRef(t.buf, row)
	t.raw(`]]}`)
}

// Select reads columns (all of them if none is named) of a row; of all rows of the table if uuid is zero.
func (t *Txn) Select(table string, uuid UUID, columns ...string) {
	t.begin("select", table)
	if uuid.IsZero() {
		t.raw(`,"where":[]`)
	} else {
		t.where(uuid)
	}
	if len(columns) > 0 {
		t.raw(`,"columns":[`)
		for i, c := range columns {
			if i > 0 {
				t.raw(`,`)
			}
			t.quoted(c)
		}
		t.raw(`]`)
	}
	t.raw(`}`)
}

// CommitDurable makes the reply wait until the transaction is on disk. A clustered database does so by itself.
func (t *Txn) CommitDurable() {
	t.raw(`,{"op":"commit","durable":true}`)
	t.ops++
}

func (t *Txn) raw(s string)    { t.buf = append(t.buf, s...) }
func (t *Txn) quoted(s string) { t.buf = appendString(t.buf, s) }

func (t *Txn) begin(op, table string) {
	t.raw(`,{"op":"`)
	t.raw(op)
	t.raw(`","table":`)
	t.quoted(table)
	t.ops++
}

func (t *Txn) where(uuid UUID) {
	t.raw(`,"where":[["_uuid","==",`)
	t.buf = appendRef(t.buf, uuid)
	t.raw(`]]`)
}

func (t *Txn) row(row Row) {
	t.raw(`,"row":{`)
	for i, column := range slices.Sorted(maps.Keys(row)) {
		if i > 0 {
			t.raw(`,`)
		}
		t.check(column, row[column])
		t.quoted(column)
		t.raw(`:`)
		t.raw(string(row[column]))
	}
	t.raw(`}`)
}

// check records an error for a value that would make the server refuse the whole connection.
func (t *Txn) check(column string, v Value) {
	if t.err == nil && (!utf8.ValidString(string(v)) || holdsNUL(string(v))) {
		t.err = fmt.Errorf("operation %d, column %s: %w", t.ops-1, column, ErrText)
	}
}

// holdsNUL reports whether a text within a value has a NUL, which is \u0000 behind an even number of backslashes: what
// is behind an odd number is the text of a JSON document and harmless. A NUL byte is no JSON.
func holdsNUL(v string) bool {
	if strings.IndexByte(v, 0) >= 0 {
		return true
	}
	for from := 0; ; {
		i := strings.Index(v[from:], `\u0000`)
		if i < 0 {
			return false
		}
		i += from
		escapes := 0
		for i-escapes > 0 && v[i-escapes-1] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			return true
		}
		from = i + 1
	}
}
