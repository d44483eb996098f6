// Package upgrade carries the state of a supervisor over to the program that
// takes its place by exec.
//
// Invariant: until the new program has called [Taken.Commit] nothing is used up:
// the state is in a sealed memfd, every descriptor that it names is open under
// the same number, and the old program is kept open, so that it can be executed
// with the same state and go on. The check runs as a child with the same
// descriptors and takes nothing from them: it reads no socket and no pipe and
// accepts nothing. Its exit status proves nothing; it must echo the nonce that
// stands in the state, and the version of the format.
//
// Whoever has something that must survive an upgrade gives it a name and adds
// three lines:
//
//	// 1. Where it is made: taken is nil at an ordinary start, and Get then finds nothing.
//	var was metrics.State
//	_, err := taken.Get("metrics", &was)
//	totals := metrics.Restore(was)
//
//	// 2. There, too: what it is when an upgrade comes. Called on the supervise
//	// loop, so it must not block; v is encoded as JSON when save has returned.
//	sup.Carry("metrics", func(keep upgrade.Keep) (v any, err error) { return totals.State(), nil })
//
//	// 3. In parts of cmd/supervisor: how the check proves that it can be decoded.
//	"metrics": upgrade.Decodes[metrics.State],
//
// A descriptor goes over under its number: State has a field of type int, Save
// sets it to keep(fd), and the program that takes over calls taken.FD(state.N),
// which gives a duplicate of its own. It says so in part 3 with a check of its
// own, a func(*upgrade.Taken, string) error that calls FD for each.
//
// The format is JSON. Fields are only ever added: an older program ignores what
// it does not know, and a part whose name it does not know makes it refuse.
// Whatever else changes raises [Protocol].
package upgrade
