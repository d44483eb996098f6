// Package logpipe gathers what workers print and what the supervisor itself has
// to say, and writes it out through one writer for each place it goes to.
//
// Invariant: every line that a worker wrote completely comes out whole, once
// and in the order of its stream; or it is counted, and a record says how many
// are missing. What one worker prints can neither mix with, nor pass for, a
// record of another.
//
// The smallest use:
//
//	f, err := logpipe.New(logpipe.Options{})
//	// ...
//	log := slog.New(f.Handler())
//	r, w, err := logpipe.NewPipe()
//	// ... start a worker with w as its stdout, and close w
//	p := f.Attach(logpipe.Source{Worker: 1, PID: pid, Generation: 1}, logpipe.Stdout, r)
//	// ... the worker is dead
//	p.Finish()
//	<-p.Done()
//	err = f.Close(ctx)
//
// # Formats
//
// Text is for people, one record per line in columns: time, worker, pid,
// generation, stream and, after a bar, the line. Lines that belong to the record
// before them have the bar only. Control characters other than tab, and bytes
// that are not UTF-8, are shown as \x1b.
//
// JSON is for machines, one object per line with time, stream, worker, pid,
// generation and msg. A line that is itself a JSON object is kept as it is and
// gets ours as its last member, "tandem":{"time":…,"stream":…,…}; an object that
// has a member "tandem" already is not believed, but put in msg like any other
// text. Bytes that are not UTF-8 become U+FFFD.
//
// "partial":true marks a record whose line had no newline: it goes on in the
// stream's next record, or it was the last before the pipe ended. Lines beyond
// 1 MiB are split so; their records also have "part":1, 2 and so on. In text the
// marks are "[part 1] " before and " [no newline]" behind. A carriage return
// before the newline is taken off.
//
// A Go panic, fatal error or goroutine dump on stderr is one record, with
// "kind":"panic". It is held until the pipe ends, a line that cannot belong to
// it comes, or nothing has come for two seconds.
//
// # Sinks
//
// A sink that fails (the reader of our stdout is gone, the disk is full) never
// stops the service: lines are counted as lost, which is said on stderr when it
// begins (unless stderr is what fails) and when it is over. The program must
// ignore SIGPIPE (signal.Ignore), or Go ends it at the first write to a broken
// stdout or stderr.
//
// Stdout and stderr are lanes of their own: one that nobody reads does not hold
// up the other. If both are one file, pipe or terminal there is one lane.
//
// # Memory
//
// A lane buffers [Options.BufferBytes] and at most as much again while it is
// being written; of it a worker may hold as much as is free. A worker's tail
// takes less than half a MiB; a stream's reader 64 KiB when quiet, and while it
// has lines of the longest kind some MiB. Eight tails of workers that have ended
// are kept, and with Block 32 of their pipes may still wait for a sink. A
// subscriber has 1 MiB and, at its beginning, 16 MiB of history.
package logpipe
