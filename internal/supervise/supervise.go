package supervise

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"time"

	"github.com/tandem-go/tandem/internal/arbiter"
	"github.com/tandem-go/tandem/internal/budget"
	"github.com/tandem-go/tandem/internal/caught"
	"github.com/tandem-go/tandem/internal/config"
	"github.com/tandem-go/tandem/internal/control"
	"github.com/tandem-go/tandem/internal/logpipe"
	"github.com/tandem-go/tandem/internal/metrics"
	"github.com/tandem-go/tandem/internal/postmortem"
	"github.com/tandem-go/tandem/internal/socket"
	"github.com/tandem-go/tandem/internal/timeline"
	"github.com/tandem-go/tandem/internal/upgrade"
)

// Options is what a supervisor is made of. Listeners pass into its ownership:
// it closes them when it stops. Everything else stays the caller's.
type Options struct {
	Config    *config.Loaded
	Limits    budget.Limits
	Listeners []*socket.Listener
	Logs      *logpipe.Fanin
	Log       *slog.Logger
	SetLevel  func(slog.Level) // the log level at a reload; nil: it stays
	Notify    string           // the service manager's notify socket; empty: none
	Watchdog  time.Duration    // within which the service manager wants a sign of life; 0: never
	Version   string
	Totals    *metrics.Totals // of the program before, in an upgrade; nil: they begin at zero. Ours from then on
	Siblings  *Siblings       // around a queue that is kept; nil: made anew. Passes into its ownership

	// Postmortem keeps what is known of workers that ended abnormally; nil:
	// nobody does.
	Postmortem *postmortem.Store
	// Timeline keeps what has changed, and who asked for it; nil: it is kept in
	// memory.
	Timeline *timeline.Store

	// Program is our own executable, and Signals are what Signal is called with.
	// Without both there is no upgrade in place.
	Program *upgrade.Program
	Signals *caught.Signals
	// Taken is the state of the program whose place this one has taken; nil at an
	// ordinary start. Listeners are then in it, Logs must have been made of it,
	// and Config be what [Config] says.
	Taken *upgrade.Taken
}

// Supervisor keeps the workers. All methods but Run may be called from any
// goroutine.
type Supervisor struct {
	opt     Options
	log     *slog.Logger
	started time.Time
	inbox   chan message
	done    chan struct{} // closed when Run has ended: nobody reads the inbox

	news     chan string   // for the service manager
	newsTold chan struct{} // closed when nothing is sent to it any more
	newsLate chan struct{} // closed when it has been waited for long enough

	oom *postmortem.OOM

	// Below: owned by the goroutine of Run.
	core        *arbiter.Core
	workers     map[arbiter.WorkerID]*worker
	generations map[arbiter.Generation]*generation
	config      *config.Loaded // of the generation that was committed last
	waiters     map[uint64]waiter
	ticket      uint64
	lastWords   []string        // of the worker that failed the last reload
	spawns      []arbiter.Spawn // workers to be started, in this order
	events      []arbiter.Event // the one being carried out, and those that came of it
	refused     bool
	termed      bool // TERM has been received
	result      *Result
	told        upward
	totals      *metrics.Totals
	carried     []carried // parts of the state that others own
	halts       []halt
	watchers    int           // of workers, that have not ended
	frozen      chan struct{} // closed when they are to end
	upgrading   *upgrading    // nil: no upgrade is under way
	lastUpgrade *control.LastUpgrade
	taken       *takenOver // nil: an ordinary start
	unprepared  []arbiter.Generation
	poison      postmortem.Poison
	lookout     lookout
	uncounted   bool // it was said that --max-requests has no effect
	tickets     tickets
	actor       string // who asked for what is being done; "": nobody
	by          accountable
	waiting     waiting
}

// Result is how a supervisor ended: the exit code of the contract, and why when
// it is not 0.
type Result struct {
	Code   int
	Reason string
}

// atOnce is always ready to be received from.
var atOnce = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// message is anything that is sent to the loop.
type message interface{ handle(*Supervisor) }

// New resolves the first generation, or goes on with the state that was taken
// over. Its error says why there can be no worker at all, and nothing has been
// started then.
func New(o Options) (*Supervisor, error) {
	if o.Taken != nil {
		return restore(o)
	}
	s := blank(o)
	s.lookout.print = printOf(o.Config)
	s.tickets.rotate(s.started)
	first, err := resolve(1, o.Config)
	if err != nil {
		return nil, err
	}
	if s.opt.Siblings == nil {
		s.opt.Siblings = mustSiblings(o.Log)
	}
	s.core = arbiter.New(arbiterSettings(o.Config, o.Limits), uint64(time.Now().UnixNano()))
	s.generations[1] = first
	return s, nil
}

func blank(o Options) *Supervisor {
	s := &Supervisor{
		opt:         o,
		log:         o.Log,
		started:     time.Now(),
		inbox:       make(chan message, 64),
		done:        make(chan struct{}),
		news:        make(chan string, newsAhead),
		newsTold:    make(chan struct{}),
		newsLate:    make(chan struct{}),
		oom:         postmortem.NewOOM(os.DirFS("/"), time.Now),
		workers:     map[arbiter.WorkerID]*worker{},
		generations: map[arbiter.Generation]*generation{},
		config:      o.Config,
		waiters:     map[uint64]waiter{},
		frozen:      make(chan struct{}),
		totals:      o.Totals,
		by:          accountable{Starts: map[arbiter.WorkerID]string{}},
	}
	if s.totals == nil {
		s.totals = metrics.NewTotals()
	}
	if s.opt.Timeline == nil {
		s.opt.Timeline = timeline.New("", timeline.Options{Log: o.Log})
	}
	s.Carry(MetricsPart, func(upgrade.Keep) (any, error) { return s.totals.State(), nil })
	return s
}

func arbiterSettings(l *config.Loaded, limits budget.Limits) arbiter.Settings {
	return arbiter.Settings{
		Workers:         l.Workers.Resolve(limits.CPUs),
		Surge:           int(l.Surge),
		BootTimeout:     time.Duration(l.BootTimeout),
		Timeout:         time.Duration(l.Timeout),
		GracefulTimeout: time.Duration(l.GracefulTimeout),
		LameDuck:        time.Duration(l.LameDuck),
		Bake:            time.Duration(l.Bake),
		ReloadTimeout:   time.Duration(l.ReloadTimeout),
	}
}

// Run starts the workers and keeps them until it is told to stop, or until the
// first start has failed. A ctx that ends asks for a graceful stop, once.
func (s *Supervisor) Run(ctx context.Context) Result {
	defer s.cleanUp()
	go s.tellNews()
	go s.lookAround()
	go s.watchRecycling()
	s.watchFiles()
	stop := ctx.Done()
	timer := time.NewTimer(0)
	defer timer.Stop()
	looks := time.NewTimer(0)
	defer looks.Stop()
	rotation := time.NewTimer(s.tickets.due(time.Now()))
	defer rotation.Stop()
	beats, stopBeats := s.watchdogBeats()
	defer stopBeats()
	if s.taken != nil {
		s.resume()
		if beats != nil { // the time since the last one counts on in the service manager
			s.beat()
		}
	} else {
		s.noteStart()
		s.step(arbiter.Start{})
	}
	for s.result == nil {
		var deadline <-chan time.Time
		if next := s.core.NextDeadline(); !next.IsZero() {
			timer.Reset(max(0, time.Until(next)))
			deadline = timer.C
		}
		var spawn <-chan struct{}
		if u := s.upgrading; len(s.spawns) > 0 && (u == nil || u.stage < pausing) {
			spawn = atOnce
		}
		select {
		case m := <-s.inbox:
			m.handle(s)
		case <-deadline:
			s.step(arbiter.Tick{})
		case <-spawn:
			s.spawn()
		case <-looks.C:
			s.look()
			s.tellProgress()
			looks.Reset(s.looksIn())
		case <-rotation.C:
			s.rotateTickets()
			rotation.Reset(s.tickets.due(time.Now()))
		case <-beats:
			s.beat()
		case <-stop:
			stop = nil
			s.as(byUs, s.stop)
		}
	}
	return *s.result
}

// step gives the arbiter one event and carries out what it answers. An event
// that comes of carrying that out (a spawn that fails) waits for its turn, so
// the actions of one event are never mixed with those of another.
func (s *Supervisor) step(ev arbiter.Event) {
	s.events = append(s.events, ev)
	if len(s.events) > 1 {
		return
	}
	for ; len(s.events) > 0; s.events = s.events[1:] {
		actions := s.core.Step(time.Now(), s.events[0])
		s.noteScale() // what follows comes of it
		for _, a := range actions {
			s.act(a)
		}
	}
	s.events = nil
	s.noteState()
	s.divide()
	s.tellTickets()
	s.report()
}

// send gives m to the loop, and reports whether the loop was still there.
func (s *Supervisor) send(m message) bool {
	select {
	case s.inbox <- m:
		return true
	case <-s.done:
		return false
	}
}

func (s *Supervisor) cleanUp() {
	if u := s.upgrading; u != nil {
		s.endUpgrade(errStopped)
	}
	s.noteEnd()
	close(s.done)
	s.tickets.keep(0)
	s.endNews()
	for _, l := range s.opt.Listeners {
		if !s.refused {
			s.logError("close a listener", l.Close())
		}
	}
	if b := s.opt.Siblings; b != nil {
		s.logError("close what workers share", b.close())
	}
	for _, g := range s.generations {
		s.logError("close an executable", g.exe.Close())
	}
	for ticket := range s.waiters {
		s.answer(ticket, control.ReloadResult{Result: control.ResultFailed, Error: "the supervisor has stopped"})
	}
}

// logError is for what can be said and not helped.
func (s *Supervisor) logError(doing string, err error) {
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.log.Error(doing, "error", err)
	}
}
