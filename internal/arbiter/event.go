package arbiter

import "time"

// WorkerID names one worker. It is the arbiter's own, counts from 1 and is
// never used again; it is not a pid.
type WorkerID uint64

// Generation numbers what workers are started from: executable, arguments,
// environment and directory. It counts from 1 and is never used again.
type Generation int

// Settings are what a configuration says about the life of workers.
//
// Values that would leave a phase without a bound are replaced: Workers and
// Surge are at least 1, a BootTimeout of 0 means 30 s, a ReloadTimeout of 0
// means BootTimeout + Bake + 30 s, a GracefulTimeout is at least 1 ms.
type Settings struct {
	Workers         int           // wanted number of workers
	Surge           int           // extra workers during a roll
	BootTimeout     time.Duration // from spawn to ready
	Timeout         time.Duration // silence after which a worker that has beaten is hung; 0: never
	GracefulTimeout time.Duration // bound on draining one worker
	LameDuck        time.Duration // a graceful stop goes on serving for so long
	Bake            time.Duration // how long the first worker of a generation must stay healthy
	ReloadTimeout   time.Duration // bound on a whole reload
}

// normal returns s with every phase bounded.
func (s Settings) normal() Settings {
	s.Workers = max(s.Workers, 1)
	s.Surge = max(s.Surge, 1)
	if s.BootTimeout <= 0 {
		s.BootTimeout = 30 * time.Second
	}
	s.GracefulTimeout = max(s.GracefulTimeout, time.Millisecond)
	s.Timeout, s.LameDuck, s.Bake = max(s.Timeout, 0), max(s.LameDuck, 0), max(s.Bake, 0)
	if s.ReloadTimeout <= 0 {
		s.ReloadTimeout = s.BootTimeout + s.Bake + 30*time.Second
	}
	return s
}

// Event is something that has happened. One that names a worker or a
// generation which the arbiter does not know, or that repeats what it knows,
// does nothing.
type Event interface{ event() }

type (
	// Start begins the life of the service: generation 1 is resolved and its
	// workers may be started.
	Start struct{}

	// SpawnFailed says that a Spawn came to nothing; there is no process.
	SpawnFailed struct {
		ID      WorkerID
		Reason  string
		Missing bool // the executable is absent or cannot be executed
	}

	// WorkerReady says that a worker serves.
	WorkerReady struct{ ID WorkerID }

	// Spoke says that a worker speaks Tandem's channel: it can dump its
	// goroutines when it is aborted.
	Spoke struct{ ID WorkerID }

	// Beat is a sign of life. A worker that has never given one is not judged
	// by its silence.
	Beat struct{ ID WorkerID }

	// WorkerStopping says that a worker announced, without having been asked,
	// that it stops serving.
	WorkerStopping struct{ ID WorkerID }

	// Exited says that a worker's process is gone. Reason is its cause, for
	// people, Cause the same for the budgets.
	Exited struct {
		ID     WorkerID
		Reason string
		Cause  Cause
	}

	// Suspended says that a worker's process is stopped (SIGSTOP) or traced: it
	// is not ready, and neither its silence nor a bound is held against it until
	// it is Resumed, unless the service stops.
	Suspended struct{ ID WorkerID }

	// Resumed says that a worker's process runs again. What was counted starts
	// afresh.
	Resumed struct{ ID WorkerID }

	// Stalled says that a worker has held all its permits for longer than it
	// may (On), which is to be hung, or that it no longer does. It means something
	// for a ready worker that has a Timeout.
	Stalled struct {
		ID WorkerID
		On bool
	}

	// ExtendTimeout says that a worker which starts or drains needs more time:
	// By from now on, in all no more than three times the bound.
	ExtendTimeout struct {
		ID WorkerID
		By time.Duration
	}

	// Recycle asks for a worker to be replaced: first the replacement becomes
	// ready, then the worker drains. Reason is for people.
	Recycle struct {
		ID     WorkerID
		Reason string
	}

	// Reload asks for a new generation. Each Ticket other than 0 is answered
	// by exactly one ReloadDone; 0 means that nobody waits.
	Reload struct{ Ticket uint64 }

	// Prepared answers Prepare: the generation can be started.
	Prepared struct {
		Generation Generation
		Settings   Settings // its Workers is not looked at
		Workers    int      // newly configured number; 0 keeps the present one
	}

	// PrepareFailed answers Prepare: the generation cannot be started.
	PrepareFailed struct {
		Generation Generation
		Reason     string
	}

	// Scale sets the wanted number of workers. N below 1 does nothing; an
	// upper bound is the caller's to set. It overrides a number that a running
	// reload has brought.
	Scale struct{ N int }

	// ScaleBy changes the wanted number of workers, never to less than 1.
	ScaleBy struct{ Delta int }

	// Stop ends the service: gracefully, or at once when Quick or when a stop
	// was already asked for.
	Stop struct{ Quick bool }

	// Tick says only that time has passed. It is due at NextDeadline.
	Tick struct{}
)

func (Start) event()          {}
func (SpawnFailed) event()    {}
func (WorkerReady) event()    {}
func (Spoke) event()          {}
func (Beat) event()           {}
func (WorkerStopping) event() {}
func (Exited) event()         {}
func (Suspended) event()      {}
func (Resumed) event()        {}
func (Stalled) event()        {}
func (ExtendTimeout) event()  {}
func (Recycle) event()        {}
func (Reload) event()         {}
func (Prepared) event()       {}
func (PrepareFailed) event()  {}
func (Scale) event()          {}
func (ScaleBy) event()        {}
func (Stop) event()           {}
func (Tick) event()           {}
