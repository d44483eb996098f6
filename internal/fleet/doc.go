// Package fleet is what the workers of one supervisor know of each other
// without asking: a slot each in memory that all of them map.
//
// Invariant: nobody waits for anybody. A slot is written by its worker with
// atomics, its owner is named by the supervisor alone, and what a worker reads of
// a sibling is a hint: a slot that is stale, torn or a lie makes the spread
// worse or a connection stay where it is, and nothing else.
//
// Smallest use:
//
//	fleet, err := fleet.Create()            // supervisor: hands fleet.FD() to every worker
//	fleet.Claim(id, alive); defer fleet.Release(id)
//
//	fleet, err := fleet.Open(fd)            // worker
//	me := fleet.Member(id)
//	me.Serve(kind)
//	me.Opened(); if me.Connections() > me.Peers().Mean() { … }
//
// The memory is a sealed memfd: no worker can change its size under the others.
// It survives an upgrade of the supervisor as its descriptor does: which slot is
// whose is written in it.
package fleet
