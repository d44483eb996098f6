// Package arbiter decides, and does nothing else: happenings go in as events,
// what must be done comes out as actions.
//
// The invariant: an event changes only facts; then one function, settle,
// compares what is wanted (N workers of one generation) with what is there and
// emits the actions that close the gap, always in the same order. It is
// level-triggered, so a lost, late or repeated event heals instead of
// derailing, and every state that could last for ever has a deadline.
//
// The smallest use:
//
//	core := arbiter.New(arbiter.Settings{Workers: 4, BootTimeout: 30 * time.Second}, seed)
//	for ev := range events { // the caller sends Tick at core.NextDeadline()
//		for _, a := range core.Step(time.Now(), ev) {
//			perform(a)
//		}
//	}
//
// The package knows no process, no clock and no log. The same events at the
// same times with the same seed give the same actions, so a recorded run can
// be replayed.
//
// # Order of actions
//
// Within one Step: ClockJump; Stuck, Kill and Abort, worker by worker, of the
// deadlines that passed; ReloadDone; Degraded; Backoff; Refuse; Interrupt;
// Drain; Wake; Prepare; Spawn; Release; Exit. Three of these are promises that a caller may build on:
// Refuse comes before the first Drain or Interrupt of a stop, Release comes
// after everything that could still need the generation, Exit is the last
// action there ever is (but for the answer to a Reload that came too late).
//
// # Decisions
//
// Which worker goes: a worker that is not ready yet goes before one that is, the
// newest first. It is drained and not interrupted, because it accepts before
// its word that it is ready has reached us. Of those that are ready, one of an undone
// generation goes first, then one of the generation that is being replaced,
// then the oldest.
//
// What counts as a failure: an exit that nobody asked for, a worker that was
// not ready in time, a worker that fell silent, and a worker that announced by
// itself that it stops. It is counted once for each worker, at the moment that
// it must be replaced. A failure of a candidate generation is answered by
// undoing the reload and counts for nothing else: it neither holds back the
// respawns of the committed generation nor makes the state degraded.
//
// Back-off: early failures of workers that were started before the last
// doubling belong to the same wave and do not double it again, so that eight
// workers that die together of one cause wait 100 ms and not 10 s. Only the
// replacements of early failures wait; a worker that had proved itself is
// replaced at once meanwhile, unless the budget of that kind of failure is
// exceeded. Workers that Scale adds never wait, nor do those of a candidate
// generation: the reload may be the cure.
//
// Whose settings: the boot timeout and the silence that means hung are those
// of a worker's own generation, because it was told them when it was started;
// all other settings are the candidate's from Prepared on, and the old ones
// again if the reload is undone.
//
// During a reload the committed generation is kept at full strength by itself
// until the first worker has baked; from then on ready workers of the
// candidate count as well. After an undo the next reload waits until the old
// generation is at full strength again, but no longer than ReloadTimeout.
// Before the first start has succeeded a reload waits for N ready workers; a
// start that has had some ready worker but not N of them counts as over after
// ReloadTimeout, so that a reload can cure it.
//
// A worker that is stopped (SIGSTOP, a debugger) keeps its place and does not
// serve: it is not counted as ready, nothing is started in its stead, nothing is
// held against it, and what counts time for it starts afresh when it is resumed.
// When workers go that are too many, or old, it goes before one that serves; it
// is asked, and obeys when it is resumed. A stop waits for it no longer than for
// any other, and wakes it, so that it can obey.
//
// A worker that is to be recycled is replaced when N workers serve, one at a
// time: the number that is wanted is one higher until the replacement serves.
// A reload that is asked for goes first, and makes it moot.
//
// During a lame duck crashed workers are replaced, but nothing is rolled.
package arbiter
