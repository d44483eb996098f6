package supervise

import (
	"context"
	"errors"
	"os"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tandem-go/tandem/internal/arbiter"
	"github.com/tandem-go/tandem/internal/control"
	"github.com/tandem-go/tandem/internal/timeline"
	"github.com/tandem-go/tandem/internal/upgrade"
)

const (
	// logFlush bounds how long an upgrade waits for the readers of the log; what
	// they have not taken by then goes over.
	logFlush = 250 * time.Millisecond
	// pauseLimit bounds how long the log may take to come to a halt, and haltLimit
	// each of the others.
	pauseLimit = 3 * time.Second
	haltLimit  = 500 * time.Millisecond
)

// upgrading is an upgrade in place under way. The loop owns it. It goes through
// these stages, and until the very exec each can fail and everything goes on:
//
//	checking  the new program looks at the state as it is now, as a child
//	pausing   the control socket, the log and others come to a halt, off the loop
//	freezing  the watchers of the workers end; what they had read is on its way
//	signals   the last are taken in; from now on TERM ends us
//
// From pausing on no worker is started, and from freezing on signals wait for
// the next program.
type upgrading struct {
	stage   stage
	callers []caller
	next    *upgrade.Program
	version string
	signals []os.Signal // for the next program
	cancel  context.CancelFunc
	since   int64 // of pausing, CLOCK_BOOTTIME
}

type stage uint8

const (
	checking stage = iota
	pausing
	freezing
	signals
)

// caller waits for the outcome. One whose connection can be handed on is
// answered by the new program.
type caller struct {
	refuse func(error)
	conn   *control.Caller
	by     string
}

// halt is what must stand still during the exec.
type halt struct {
	pause  func(context.Context)
	resume func()
}

// Halt adds what must come to a halt before an upgrade takes the state: pause is
// called off the loop, and returns at the latest when its ctx ends; resume when
// the upgrade came to nothing. It is called before Run only.
func (s *Supervisor) Halt(pause func(context.Context), resume func()) {
	s.halts = append(s.halts, halt{pause, resume})
}

// Upgrade replaces the program of this process. It returns only when that came
// to nothing; else the new program answers the caller.
func (s *Supervisor) Upgrade(ctx context.Context) (control.UpgradeResult, error) {
	conn, by := control.CallerOf(ctx), byPeer(ctx)
	err, asked := ask(ctx, s, func(answer chan<- error) message {
		return upgradeWanted{caller{refuse: func(err error) { answer <- err }, conn: conn, by: by}}
	})
	return control.UpgradeResult{}, errors.Join(asked, err)
}

type upgradeWanted struct{ caller }

func (m upgradeWanted) handle(s *Supervisor) {
	switch u := s.upgrading; {
	case s.core.Snapshot().Phase == arbiter.PhaseStopping:
		m.refused(s, errStopped)
	case s.opt.Program == nil || s.opt.Signals == nil:
		m.refused(s, errors.New("this supervisor cannot be upgraded: its own executable could not be kept open when it started; see the log of that time"))
	case u != nil:
		u.callers = append(u.callers, m.caller) // the same outcome
	default:
		s.beginUpgrade(m.caller)
	}
}

func (m upgradeWanted) refused(s *Supervisor, why error) {
	s.log.Error("no upgrade", "reason", why)
	s.note(timeline.Event{Kind: timeline.UpgradeFailed, Cause: why.Error(), Actor: m.by, Text: "no upgrade: " + why.Error()})
	m.refuse(why)
}

func (s *Supervisor) beginUpgrade(c caller) {
	ctx, cancel := context.WithCancel(context.Background())
	s.upgrading = &upgrading{callers: []caller{c}, cancel: cancel}
	s.log.Info("upgrade begins: the new program is checked", "executable", s.opt.Program.Path())
	s.by.Upgrade = c.by
	s.note(timeline.Event{Kind: timeline.UpgradeStarted, Actor: c.by, Text: "upgrade begins: the new program is checked"})
	sealed, err := s.seal(true)
	if err != nil {
		s.endUpgrade(err)
		return
	}
	program := s.opt.Program
	go func() {
		defer sealed.Close()
		var m checked
		if m.next, m.err = program.Next(); m.err == nil {
			m.answer, m.err = m.next.Check(ctx, sealed)
		}
		if !s.send(m) && m.next != nil {
			_ = m.next.Close()
		}
	}()
}

// seal writes the state as it is at this moment; with hold for a check, while
// everything goes on.
func (s *Supervisor) seal(hold bool) (*upgrade.Sealed, error) {
	saver := upgrade.NewSaver(s.opt.Program, s.opt.Version)
	if hold {
		saver.Hold()
	}
	parts := append([]carried{
		{PartName, s.save},
		{LogPart, func(keep upgrade.Keep) (any, error) { return s.opt.Logs.Save(keep) }},
	}, s.carried...)
	for _, p := range parts {
		if err := saver.Put(p.name, p.save); err != nil {
			saver.Drop()
			return nil, err
		}
	}
	return saver.Seal()
}

// checked is the outcome of the check.
type checked struct {
	next   *upgrade.Program
	answer upgrade.Answer
	err    error
}

func (m checked) handle(s *Supervisor) {
	u := s.upgrading
	u.next, u.version = m.next, m.answer.Version
	if err := m.err; err != nil {
		s.endUpgrade(err)
		return
	}
	if s.core.Snapshot().Phase == arbiter.PhaseStopping {
		s.endUpgrade(errStopped)
		return
	}
	u.stage, u.since = pausing, boottime()
	halts, logs := s.halts, s.opt.Logs
	go func() {
		for _, h := range halts {
			ctx, cancel := context.WithTimeout(context.Background(), haltLimit)
			h.pause(ctx)
			cancel()
		}
		ctx, cancel := context.WithTimeout(context.Background(), pauseLimit)
		defer cancel()
		s.send(paused{logs.Pause(ctx, logFlush)})
	}()
}

// paused says that everything stands still but the loop and its watchers.
type paused struct{ err error }

func (m paused) handle(s *Supervisor) {
	if m.err != nil {
		s.endUpgrade(m.err)
		return
	}
	if s.core.Snapshot().Phase == arbiter.PhaseStopping { // TERM wins
		s.endUpgrade(errStopped)
		return
	}
	s.upgrading.stage = freezing
	close(s.frozen)
	for _, w := range s.workers {
		w.process.Pause()
		w.notify.Pause()
		w.channel.Pause()
	}
	s.freezeSignals()
}

// watcherEnded says that a watcher of a worker has ended, after all it had to say.
type watcherEnded struct{}

func (watcherEnded) handle(s *Supervisor) {
	s.watchers--
	s.freezeSignals()
}

// freezeSignals takes in the last signals when no watcher has any more to say.
func (s *Supervisor) freezeSignals() {
	u := s.upgrading
	if u == nil || u.stage != freezing || s.watchers > 0 {
		return
	}
	u.stage = signals
	go func() { s.send(quiet{s.opt.Signals.Freeze()}) }()
}

// defers says whether a signal waits for the next program.
func (s *Supervisor) defers(sig os.Signal) bool {
	u := s.upgrading
	if u == nil || u.stage < freezing {
		return false
	}
	u.signals = append(u.signals, sig)
	return true
}

// quiet says that nothing comes any more but from the loop itself.
type quiet struct{ rest []os.Signal }

func (m quiet) handle(s *Supervisor) {
	u := s.upgrading
	for drained := false; !drained; {
		select {
		case other := <-s.inbox:
			other.handle(s)
		default:
			drained = true
		}
	}
	u.signals = append(u.signals, m.rest...)
	err := upgrade.Fault("freeze")
	var sealed *upgrade.Sealed
	if err == nil {
		sealed, err = s.seal(false)
	}
	if err == nil {
		err = s.opt.Program.Replace(u.next, sealed)
		_ = sealed.Close()
	}
	// We are still here.
	s.opt.Signals.Thaw()
	s.endUpgrade(err)
	for _, sig := range u.signals {
		signalled{sig}.handle(s)
	}
}

// endUpgrade goes on after an upgrade that came to nothing.
func (s *Supervisor) endUpgrade(why error) {
	u := s.upgrading
	s.upgrading = nil
	u.cancel()
	if u.next != nil {
		_ = u.next.Close()
	}
	if u.stage >= freezing {
		s.frozen = make(chan struct{})
		for _, w := range s.workers {
			w.process.Resume()
			w.notify.Resume()
			w.channel.Resume()
			s.watch(w)
		}
	}
	if u.stage >= pausing {
		s.opt.Logs.Resume()
		for _, h := range slices.Backward(s.halts) {
			h.resume()
		}
	}
	s.upgradeFailed(why.Error(), u.version)
	for _, c := range u.callers {
		c.refuse(why)
	}
}

func (s *Supervisor) upgradeFailed(reason, to string) {
	s.lastUpgrade = &control.LastUpgrade{Result: control.ResultFailed, From: s.opt.Version, To: to, Error: reason, Time: time.Now()}
	s.log.Error("upgrade failed; this supervisor goes on", "reason", reason)
	s.note(timeline.Event{Kind: timeline.UpgradeFailed, Cause: reason, Actor: s.by.Upgrade, Text: "upgrade failed, supervisor " + s.opt.Version + " goes on: " + reason})
}

// save adds what the new program needs to end the upgrade.
func (u *upgrading) save(st *saved, keep upgrade.Keep) {
	st.Unwatched = u.since
	for _, c := range u.callers {
		if c.conn == nil {
			continue
		}
		if fd, err := c.conn.Save(keep); err == nil { // else it has hung up
			st.Callers = append(st.Callers, fd)
		}
	}
	for _, sig := range u.signals {
		if n, ok := sig.(syscall.Signal); ok {
			st.Signals = append(st.Signals, int(n))
		}
	}
}

// boottime goes on through an exec and through a sleep of the machine.
func boottime() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		return 0
	}
	return t.Nano()
}
