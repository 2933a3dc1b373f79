// Package vswitch is a node's Open vSwitch as the Open_vSwitch database describes it (ovs-vswitchd.conf.db(5)): what is in
// it as immutable snapshots, each change of it as an event, and changes as transactions.
//
//	Apply ──► one transaction ─────────────┐
//	                                       ▼
//	                              one OVSDB session ◄── ovsdb-server
//	                                       │ updates, in order
//	Snapshot, Wait ◄── Snapshot ◄── replica of the rows
//
// One goroutine owns the session and the replica. Changes say what shall be; they are planned on the newest snapshot, and
// planned again when somebody else was quicker or the connection was lost, so that a change is neither lost nor done twice.
package vswitch
