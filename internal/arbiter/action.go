package arbiter

import "time"

// Action is something that must be done now, in the order given. Those from
// Degraded on are notices for the log and need nothing else.
type Action interface{ action() }

type (
	// Spawn starts a worker. It is answered by SpawnFailed, or in the end by
	// Exited. A caller that spawns in the background must be ready for
	// Interrupt, Abort or Kill of a worker whose process is not there yet, and
	// for Release of its generation.
	Spawn struct {
		ID         WorkerID
		Generation Generation
	}

	// Drain sends the stop signal: finish what you have and exit.
	Drain struct{ ID WorkerID }

	// Interrupt asks a worker to end at once.
	Interrupt struct{ ID WorkerID }

	// Wake lets a stopped worker run (SIGCONT), so that it can obey. It comes
	// once for each worker, in a stop only, after its Drain or Interrupt.
	Wake struct{ ID WorkerID }

	// Abort asks a worker for a goroutine dump, of which it dies. A Kill
	// follows if it does not.
	Abort struct {
		ID     WorkerID
		Reason string
	}

	// Kill ends a worker that cannot refuse. It may be repeated.
	Kill struct {
		ID     WorkerID
		Reason string
	}

	// Prepare resolves a generation: executable, environment, settings. It is
	// answered by Prepared or PrepareFailed, and must not hold up other events.
	Prepare struct{ Generation Generation }

	// Release says that no worker of a generation will be started any more, so
	// its executable can be closed. It comes once for each generation but the
	// wanted one, and never before its Prepare was answered.
	Release struct{ Generation Generation }

	// ReloadDone ends a reload. Generation is 0 if the reload was asked for
	// but never began. Reason is empty if it succeeded; Worker is the worker
	// that failed, 0 if no worker did.
	ReloadDone struct {
		Generation Generation
		Tickets    []uint64 // the caller's to keep
		Reason     string
		Worker     WorkerID
	}

	// Refuse lets no new connection begin. It comes once, in a stop, before
	// the first worker is asked to go.
	Refuse struct{}

	// Exit ends the service; no worker is left. It comes once.
	Exit struct {
		Code   int
		Reason string
	}

	// Degraded says that failures have become too many (On), and of which kind,
	// or that they are few again.
	Degraded struct {
		On  bool
		Why string
	}

	// Backoff says that replacements of workers that failed early wait.
	Backoff struct {
		Until    time.Time
		Failures int // waves of early failures in a row
	}

	// Stuck says, once for each worker, that it was killed and is still there.
	Stuck struct {
		ID    WorkerID
		Since time.Duration // since the first Kill
	}

	// ClockJump says that the arbiter was driven so late that the silence of
	// workers meant nothing and is counted afresh.
	ClockJump struct{ Late time.Duration }
)

func (Spawn) action()      {}
func (Drain) action()      {}
func (Interrupt) action()  {}
func (Wake) action()       {}
func (Abort) action()      {}
func (Kill) action()       {}
func (Prepare) action()    {}
func (Release) action()    {}
func (ReloadDone) action() {}
func (Refuse) action()     {}
func (Exit) action()       {}
func (Degraded) action()   {}
func (Backoff) action()    {}
func (Stuck) action()      {}
func (ClockJump) action()  {}
