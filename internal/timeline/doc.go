// Package timeline is a bounded record of the changes of a service: what, when,
// why, and who asked for it.
//
// Invariant: who adds an event never waits, for a disk or for a reader. What is
// kept is bounded, in memory and on disk, and where events are missing that is an
// event itself. Numbers are given once and only rise, also over a restart and an
// upgrade in place, as long as the disk answers. Events from before it did are
// numbered anew behind what is there, in their order.
//
// The smallest use:
//
//	store := timeline.New(dir, timeline.Options{Log: log}) // dir: see Directory
//	store.Start()
//	defer store.Close(ctx)
//	store.Add(timeline.Event{Kind: timeline.WorkerExited, Worker: 7, Cause: "killed by SIGSEGV", Text: "worker 7 exited: killed by SIGSEGV"})
//	events, err := store.List(ctx, timeline.Query{Limit: 20})
//	events, skipped, err := timeline.Read(dir) // later, by another process
//
// An event says nothing that may be secret: no environment, no arguments, no line
// that a worker wrote.
package timeline
