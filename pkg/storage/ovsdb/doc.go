// Package ovsdb is a lean session with an OVSDB server (RFC 7047 and its extensions in ovsdb-server(7)): one connection
// that carries a monitor and transactions, with everything the server says delivered in the order of its arrival.
//
// There is no cache, no reconnecting and no reflection: a session lives until its connection, its server's role or one of
// its deadlines fails, and then says why. Whoever needs the state after that dials again and monitors from the last
// transaction it saw.
//
//	     Send, Echo                             Events
//	         │                                    ▲
//	         ▼                                    │ updates and replies, in order of arrival
//	queue ─► writer ──► connection ──► framer ──► reader ──► answers to Dial and Monitor
//	         ▲                                    │
//	         └───────── answers to echo ──────────┘
//	keeper: counts the time that calls and the connection are silent, probes, ends the session
package ovsdb
