package main

// meant are mutants written by hand: faults that somebody could make, each with
// the invariant of the simulation that is there against it. The old text must be
// in the file once.
var meant = []struct{ name, file, old, new, wants string }{
	{
		"a reload is prepared before the workers that are too many drain", "settle.go",
		"\t\t\tc.trim()\n\t\t\tc.begin()", "\t\t\tc.begin()\n\t\t\tc.trim()", "I0",
	},
	{
		"workers drain before the deadlines have been looked at", "settle.go",
		"\tc.judge()\n\tc.firstStart()\n\tc.advance()\n\tc.calm()\n\tc.leave()", "\tc.leave()\n\tc.judge()\n\tc.firstStart()\n\tc.advance()\n\tc.calm()", "I0",
	},
	{
		"a worker that has drained is remembered", "core.go",
		"\tc.forget(id)\n", "\tif w.state != Draining {\n\t\tc.forget(id)\n\t}\n", "I1",
	},
	{
		"who is beyond the wanted number drains one too early", "settle.go",
		"c.retire(committed, t.committed.ready-c.n)", "c.retire(committed, t.committed.ready-c.n+1)", "I2",
	},
	{
		"a stopped worker counts as ready", "settle.go",
		"case w.serves():", "case w.state == Ready:", "I2",
	},
	{
		"a candidate counts before it has baked", "settle.go",
		"if c.roll == nil || c.roll.stage < rolling {", "if c.roll == nil || c.roll.stage < baking {", "I2",
	},
	{
		"a dead beat is not forgiven after the machine slept", "core.go",
		"w.lastBeat, jumped = c.now, true", "jumped = true", "I2",
	},
	{
		"one worker more than the surge", "settle.go",
		"room := c.wanted() + c.settings().Surge - t.active()", "room := c.wanted() + c.settings().Surge - t.active() + 1", "I3",
	},
	{
		"the boot timeout has no wake-up", "snapshot.go",
		"\t\tsoonest(w.deadline)\n", "", "I4",
	},
	{
		"a worker can extend its time for ever", "clock.go",
		"w.deadline, w.latest = c.now.Add(w.bound), c.now.Add(extendFactor*w.bound)", "w.deadline, w.latest = c.now.Add(w.bound), c.now.Add(24*time.Hour)", "I4",
	},
	{
		"permits held too long are nobody's business", "settle.go",
		"case w.stalled && w.serves() && w.timeout != 0:", "case w.stalled && w.serves() && w.timeout != 0 && false:", "I4",
	},
	{
		"exits while workers are left", "settle.go",
		"if c.refused && len(c.workers) == 0 {", "if c.refused {", "I5",
	},
	{
		"gives up the service after a good start", "settle.go",
		"case !c.everReady && c.bootFails >= bootTries*c.n:", "case c.bootFails >= bootTries*c.n:", "I5",
	},
	{
		"interrupts again at whatever happens", "settle.go",
		"if c.quick && !w.interrupted && w.state != Killed {", "if c.quick && w.state != Killed {", "I6",
	},
	{
		"commits when one worker is ready", "reload.go",
		"case r.stage == rolling && c.census().candidate.ready >= c.wanted():", "case r.stage == rolling && c.census().candidate.ready >= 1:", "I7",
	},
	{
		"a candidate that fails after the roll has begun is forgiven", "reload.go",
		"case r.failure != \"\":", "case r.failure != \"\" && r.stage < rolling:", "I7",
	},
	{
		"respawns during a roll are of the candidate", "settle.go",
		"\t\tc.spawn(c.gen)\n", "\t\tc.spawn(c.lastGen)\n", "I7",
	},
	{
		"the clock of a stopped worker runs", "clock.go",
		"if w.stopped && w.killedAt.IsZero() && !c.leaving() {", "if false {", "I8",
	},
	{
		"a stopped worker is not woken in a stop", "settle.go",
		"\t\t\tc.emit(Wake{w.id})\n", "", "I8",
	},
	{
		"recycles while a worker is missing", "recycle.go",
		"c.pending || c.census().committed.ready < c.n {", "c.pending {", "I9",
	},
	{
		"recycles though a reload is asked for", "recycle.go",
		"c.roll != nil || c.pending || c.census()", "c.roll != nil || c.census()", "I9",
	},
	{
		"recycles any worker but the one that was meant", "settle.go",
		"which(w) && (w.recycle != \"\") == recycled {", "which(w) && (w.recycle == \"\") == recycled {", "I9",
	},
	{
		"one death more for want of memory is forgiven", "backoff.go",
		"return 5 * c.n", "return 5*c.n + 1", "I10",
	},
	{
		"a new generation pays for the old one", "reload.go",
		"\tc.backoff = backoff{degraded: c.backoff.degraded}", "\t_ = backoff{degraded: c.backoff.degraded}", "I10",
	},
	{
		"the wave of early failures is not carried over", "restore.go",
		"waves: b.Waves, mark: b.Mark,", "waves: b.Waves,", "I11",
	},
	{
		"chance is not carried over", "restore.go",
		"random: rand.New(source)", "random: rand.New(rand.NewPCG(1, 2))", "I11",
	},
	{
		"after the first worker has baked no other is started", "settle.go",
		"for range min(c.wanted()-t.candidate.active(), room) {", "for range min(c.wanted()-t.candidate.active(), room, 0) {", "I12",
	},
	{
		"nobody makes room for the first worker of the new generation", "settle.go",
		"return t.committed.active() + t.stray.ready + 1 - c.wanted() - c.settings().Surge", "return 0", "I3",
	},
	{
		"the first worker of the new generation waits for those of the old one", "settle.go",
		"r.stage == first && t.candidate.active() == 0 {", "r.stage == first && t.candidate.active() == 0 && t.committed.starting == 0 {", "I12",
	},
	{
		"whoever waited for one reload waits for the next as well", "reload.go",
		"\tc.pending, c.tickets = false, nil\n\tc.emit(Prepare", "\tc.pending = false\n\tc.emit(Prepare", "I13",
	},
	{
		"a generation is let go while it is being prepared", "reload.go",
		"if wanted || !g.answered ||", "if wanted ||", "I14",
	},
	{
		"after a failed reload it looks for ever as if one were under way", "snapshot.go",
		"case c.roll != nil || c.pending || ", "case c.roll != nil || c.pending || c.last.Reason != \"\" || ", "L1",
	},
}
