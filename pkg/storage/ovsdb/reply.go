package ovsdb

import "errors"

// Reply is the answer to a call.
type Reply struct {
	// ID is what Send or Echo returned.
	ID uint64
	// Results are those of the transaction's operations, up to the first that failed. One more than there are operations
	// is the failure of a check that the server makes at the end (unique indexes, references).
	Results []Result
	// Err is set when the server refused the call as a whole.
	Err error
}

// Result is the outcome of an operation.
type Result struct {
	Count   int  // rows that an update, mutation or deletion found
	UUID    UUID // the row that was inserted
	Error   string
	Details string
	Rows    []Row // what a selection found
}

// OpError is why an operation failed, as the server states it.
type OpError struct {
	// Error is one of a few fixed texts: "timed out" (of a wait), "constraint violation", "referential integrity violation",
	// "not owner", ...; see RFC 7047 section 3.1 and ovsdb-server(7).
	Error string
	// Details are for people.
	Details string
}

// Err returns the failure as an error.
func (e *OpError) Err() error { return errors.New(e.String()) }

// String is the form of messages.
func (e *OpError) String() string {
	if e.Details == "" {
		return e.Error
	}
	return e.Error + ": " + e.Details
}

// Failure returns the first operation that failed and why; the number of operations when it was a check at the end.
// It returns nil when the transaction is committed. It says nothing about a call that was refused as a whole, see Reply.Err.
func (r *Reply) Failure() (op int, err *OpError) {
	for i, result := range r.Results {
		if result.Error != "" {
			return i, &OpError{result.Error, result.Details}
		}
	}
	return 0, nil
}

// results reads the results of a transaction.
func (d *decoder) results() []Result {
	var out []Result
	for range d.elements() {
		var r Result
		if d.peek() == 'n' {
			d.skip() // an operation behind the one that failed
			continue
		}
		for name := range d.members() {
			switch string(name) {
			case "count":
				n, _ := Value(d.skip()).AsInt()
				r.Count = int(n)
			case "uuid":
				u, ok := d.value().AsRef()
				if !ok {
					d.fail("a UUID")
				}
				r.UUID = u
			case "error":
				r.Error = d.text()
			case "details":
				r.Details = d.text()
			case "rows":
				for range d.elements() {
					r.Rows = append(r.Rows, d.row())
				}
			default:
				d.skip()
			}
		}
		out = append(out, r)
	}
	return out
}

// refusal reads the error of a reply.
func refusal(raw []byte) error {
	d := decoder{scanner: scanner{b: raw}}
	if d.peek() != '{' {
		return errors.New(string(raw))
	}
	var e OpError
	for name := range d.members() {
		switch string(name) {
		case "error":
			e.Error = d.text()
		case "details":
			e.Details = d.text()
		default:
			d.skip()
		}
	}
	if e.Error == "" {
		return errors.New(string(raw))
	}
	return e.Err()
}
