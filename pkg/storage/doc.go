// Package storage keeps API objects in an OVN Northbound database, and with them the rows that realize them.
//
// One write is one OVSDB transaction: the document of the object, all that it allocates, and every row that realizes it.
// The package knows kinds only through Resource; it implements k8s.io/apiserver/pkg/storage.Interface for each.
//
//	callers ──request──▶ queue ──▶ planner ──▶ batch ──▶ one OVSDB transaction
//	   ▲                             │ plans on the speculative state        │ reply
//	   │                             ▼                                       ▼
//	   └──result──────────────── published state ◀──────────── batch committed
//	                                 ▲  │ snapshots, events
//	ovsdb-server ──update3──▶ replica┘  └──▶ reads, lists, watches
//
// One goroutine, Engine.run, owns the session, the planner and the replica; it takes no locks for them. What others see is
// the published state: immutable, replaced by pointer.
//
// Guarantees:
//   - Writes are serializable over any number of processes: each transaction waits for the revision token that it was
//     planned on (carrier.go), and a verdict that was reached on uncommitted state is returned only if that state commits.
//   - Every changed object has a revision of its own; revisions only grow.
//   - A write that was acknowledged is on disk. A write whose outcome is unknown after a lost connection is resolved, not
//     repeated (recovery in session.go).
//   - A row that the package did not write is never touched.
package storage
