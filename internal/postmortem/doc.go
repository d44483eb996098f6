// Package postmortem keeps what is known of workers that ended abnormally.
//
// Invariant: whatever a worker did, what is kept of its end is bounded, in
// memory and on disk, and what was left out is counted and said.
//
// The smallest use:
//
//	store := postmortem.New(dir, postmortem.Options{Log: log})
//	store.Start()
//	defer store.Close(ctx)
//	cause, abnormal := postmortem.Decode(facts)
//	if abnormal {
//		store.Add(postmortem.Record{Time: time.Now(), Worker: 7, Cause: cause})
//	}
//	records, err := postmortem.Read(dir) // later, by another process
//
// The decisions (what an end means, which goroutines are alike, which request
// is under suspicion) are pure; only [Store], [Read] and [Memory] touch the
// system.
package postmortem
