package storage

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/northbound-ovn/northbound/pkg/storage/ovsdb"
)

// This file is all that knows where and how documents are stored: rows of the stock table Copp, which is a root table with
// a unique name, acted on only when a switch or router refers to it (docs/adr/0002-carrier-table.md).
//
//	name          "subnets/net1", or "subnets/net1@57" for a tombstone of revision 57
//	external_ids  rev, create: decimal revisions; doc: the document; deleted, expires: where they apply
//
// One more row holds the revision token. All rows are addressed by UUID: any other condition makes the server scan the table.
const (
	carrierTable = "Copp"

	columnName = "name"
	columnIDs  = "external_ids"

	keyRev     = "kubeovn.io/rev"
	keyCreate  = "kubeovn.io/create"
	keyDoc     = "kubeovn.io/doc"
	keyDeleted = "kubeovn.io/deleted"
	keyExpires = "kubeovn.io/expires"

	// The token row: "<rev>.<nonce>.<batch>" of the last transaction; the compaction horizon; and for each process that ever
	// wrote "<batch>.<rev>" of its last transaction, which tells whether a transaction whose reply was lost took place.
	tokenName    = "kubeovn.io/revision"
	keyToken     = "kubeovn.io/token"
	keyCompacted = "kubeovn.io/compacted"
	keyWriter    = "kubeovn.io/writer."
)

// tokenRow is the same for all processes, so that two that meet an empty database cannot both create one.
var tokenRow = ovsdb.DeriveUUID(ovsdb.UUID{}, tokenName)

// carrierColumns are what the replica needs of the carrier table.
var carrierColumns = []string{columnName, columnIDs}

// token identifies the transaction that made a state. A bare revision would not: of two processes that plan from the same
// revision, both arrive at the same next one (docs/adr/0001-revision-token.md).
type token struct {
	rev   uint64
	nonce string
	batch uint64
}

func (t token) String() string { return fmt.Sprintf("%d.%s.%d", t.rev, t.nonce, t.batch) }

func parseToken(s string) (token, error) {
	parts := strings.Split(s, ".")
	if len(parts) != 3 {
		return token{}, fmt.Errorf("malformed revision token %q", s)
	}
	rev, err := strconv.ParseUint(parts[0], 10, 64)
	if err != nil {
		return token{}, fmt.Errorf("malformed revision token %q: %w", s, err)
	}
	batch, err := strconv.ParseUint(parts[2], 10, 64)
	if err != nil {
		return token{}, fmt.Errorf("malformed revision token %q: %w", s, err)
	}
	return token{rev: rev, nonce: parts[1], batch: batch}, nil
}

// carrierName is the row's name: the key without its leading slash, made unique by the revision for a tombstone, so that a
// new object may take the name.
func carrierName(e *entry) string {
	name := strings.TrimPrefix(e.key, "/")
	if e.deleted {
		name += "@" + strconv.FormatUint(e.rev, 10)
	}
	return name
}

// carrierRow is the row of a document; raw is its stored form.
func carrierRow(e *entry, raw string) ovsdb.Row {
	ids := map[string]string{
		keyRev:    strconv.FormatUint(e.rev, 10),
		keyCreate: strconv.FormatUint(e.createRev, 10),
		keyDoc:    raw,
	}
	if e.expires != 0 {
		ids[keyExpires] = strconv.FormatInt(e.expires, 10)
	}
	if e.deleted {
		ids[keyDeleted] = "true"
	}
	return ovsdb.Row{columnName: ovsdb.String(carrierName(e)), columnIDs: ovsdb.Map(ids)}
}

// document is what a carrier row says, before its content is decoded.
type document struct {
	key            string
	rev, createRev uint64
	expires        int64
	deleted        bool
	raw            string
	hasRaw         bool // false in a change that leaves the document as it was
}

// parseDocument reads a carrier row. ok is false for a row that is none of ours.
func parseDocument(name string, ids map[string]string) (d document, ok bool, err error) {
	revText, ok := ids[keyRev]
	if !ok {
		return d, false, nil
	}
	if d.rev, err = strconv.ParseUint(revText, 10, 64); err != nil {
		return d, true, fmt.Errorf("document %s: revision: %w", name, err)
	}
	if text, ok := ids[keyCreate]; ok {
		if d.createRev, err = strconv.ParseUint(text, 10, 64); err != nil {
			return d, true, fmt.Errorf("document %s: creation revision: %w", name, err)
		}
	}
	if text, ok := ids[keyExpires]; ok {
		if d.expires, err = strconv.ParseInt(text, 10, 64); err != nil {
			return d, true, fmt.Errorf("document %s: expiry: %w", name, err)
		}
	}
	d.raw, d.hasRaw = ids[keyDoc]
	d.deleted = ids[keyDeleted] != ""
	if i := strings.LastIndexByte(name, '@'); d.deleted && i >= 0 {
		name = name[:i]
	}
	d.key = "/" + name
	return d, true, nil
}
