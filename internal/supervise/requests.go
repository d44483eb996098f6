package supervise

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/tandem-go/tandem/internal/arbiter"
	"github.com/tandem-go/tandem/internal/config"
	"github.com/tandem-go/tandem/internal/control"
	"github.com/tandem-go/tandem/internal/timeline"
)

// errStopped answers who asks after the end.
var errStopped = errors.New("the supervisor is stopping; start it again when it has ended")

// The Supervisor is what the control socket asks. Requests enter by the same
// door as everything else: as messages to the loop.
var _ control.Backend = (*Supervisor)(nil)

// ask sends a question to the loop and waits for its answer.
func ask[T any](ctx context.Context, s *Supervisor, question func(answer chan<- T) message) (T, error) {
	var none T
	answer := make(chan T, 1)
	if !s.send(question(answer)) {
		return none, errStopped
	}
	select {
	case a := <-answer:
		return a, nil
	case <-ctx.Done():
		return none, context.Cause(ctx)
	case <-s.done:
		select { // the end may have answered
		case a := <-answer:
			return a, nil
		default:
			return none, errStopped
		}
	}
}

// Status gives a snapshot.
func (s *Supervisor) Status(ctx context.Context) (control.Status, error) {
	l, err := ask(ctx, s, func(answer chan<- snapshot) message { return statusWanted{answer} })
	if err != nil {
		return control.Status{}, err
	}
	return l.around(), nil
}

type statusWanted struct{ answer chan<- snapshot }

func (m statusWanted) handle(s *Supervisor) { m.answer <- s.status() }

// Reload asks for a new generation, and with wait for the outcome. Asked for
// during a reload it is remembered and run after it.
func (s *Supervisor) Reload(ctx context.Context, wait bool) (control.ReloadResult, error) {
	if !wait {
		return control.ReloadResult{Result: control.ResultAccepted}, s.request(ctx, arbiter.Reload{})
	}
	by := byPeer(ctx)
	return ask(ctx, s, func(answer chan<- control.ReloadResult) message {
		// It has room for one, and there is one.
		return reloadWanted{waiter{answer: func(r control.ReloadResult) { answer <- r }, caller: control.CallerOf(ctx)}, by}
	})
}

// waiter waits for the outcome of a reload. One whose connection can be handed on
// may be answered by the next program.
type waiter struct {
	answer func(control.ReloadResult)
	caller *control.Caller
}

type reloadWanted struct {
	waiter
	by string
}

func (m reloadWanted) handle(s *Supervisor) {
	s.ticket++
	s.waiters[s.ticket] = m.waiter
	s.as(m.by, func() { s.askReload(s.ticket) })
}

// Scale sets the number of workers.
func (s *Supervisor) Scale(ctx context.Context, n int) error {
	if n < 1 || n > config.MaxWorkers {
		return fmt.Errorf("cannot scale to %d workers: the number is from 1 to %d", n, config.MaxWorkers)
	}
	return s.request(ctx, arbiter.Scale{N: n})
}

// Stop asks for a graceful stop, or with now for a quick one.
func (s *Supervisor) Stop(ctx context.Context, now bool) error {
	if !s.send(stopWanted{now, byPeer(ctx)}) {
		return errStopped
	}
	return nil
}

type stopWanted struct {
	now bool
	by  string
}

func (m stopWanted) handle(s *Supervisor) { s.as(m.by, func() { s.askStop(m.now) }) }

// stop begins a graceful stop, once. That it is asked for in two ways, by a
// command and by the TERM that a service manager sends after it, does not make
// it a quick one; a second TERM does.
func (s *Supervisor) stop() { s.askStop(false) }

// request gives the arbiter an event that means nothing during a stop, which is
// an error then: who is told that it was accepted would wait for its effect.
func (s *Supervisor) request(ctx context.Context, ev arbiter.Event) error {
	by := byPeer(ctx)
	refusal, err := ask(ctx, s, func(answer chan<- error) message { return requested{ev, by, answer} })
	if err != nil {
		return err
	}
	return refusal
}

type requested struct {
	arbiter.Event
	by     string
	answer chan<- error
}

func (m requested) handle(s *Supervisor) {
	if s.core.Snapshot().Phase == arbiter.PhaseStopping {
		m.answer <- errStopped
		return
	}
	if scale, ok := m.Event.(arbiter.Scale); ok {
		if err := s.admits(scale.N); err != nil {
			m.answer <- err
			return
		}
	}
	m.answer <- nil // accepted: nobody waits for what comes of it
	s.as(m.by, func() {
		if _, ok := m.Event.(arbiter.Reload); ok {
			s.askReload(0)
			return
		}
		s.step(m.Event)
	})
}

// Signal takes in a signal that the supervisor was sent.
func (s *Supervisor) Signal(sig os.Signal) { s.send(signalled{sig}) }

type signalled struct{ sig os.Signal }

func (m signalled) handle(s *Supervisor) {
	if s.defers(m.sig) {
		return
	}
	s.as(bySignal(m.sig), func() { s.signalled(m.sig) })
}

func (s *Supervisor) signalled(sig os.Signal) {
	switch sig {
	case syscall.SIGTERM:
		if s.termed {
			s.log.Info("SIGTERM again: stop at once")
			s.askStop(true)
			return
		}
		s.termed = true
		s.log.Info("SIGTERM: stop, when requests in flight have been answered")
		s.stop()
	case syscall.SIGINT, syscall.SIGQUIT:
		s.log.Info("stop at once", "signal", sig.String())
		s.askStop(true)
	case syscall.SIGHUP:
		s.askReload(0)
	case syscall.SIGUSR1:
		if s.config.LogFile == "" {
			s.log.Info("SIGUSR1: there is no log file to open anew")
			return
		}
		if err := s.opt.Logs.Reopen(); err != nil {
			s.log.Error("SIGUSR1: the log file could not be opened anew; the old one is kept", "error", err)
			return
		}
		s.log.Info("SIGUSR1: log file opened anew")
		s.note(timeline.Event{Kind: timeline.LogsReopened, Text: "the log file was opened anew"})
	case syscall.SIGUSR2:
		upgradeWanted{caller{refuse: func(error) {}, by: s.actor}}.handle(s) // the log says it
	case syscall.SIGTTIN:
		s.scaleBy(+1)
	case syscall.SIGTTOU:
		s.scaleBy(-1)
	}
}

// admits says why there cannot be more workers, n in all.
func (s *Supervisor) admits(n int) error {
	snap := s.core.Snapshot()
	if n <= snap.Wanted {
		return nil
	}
	c := s.connections(snap)
	c.Workers = n
	if c.Fits() {
		return nil
	}
	return fmt.Errorf("cannot scale to %d workers: with a surge of %d there are more processes than --db-connections %d; ask for fewer, or start it with more (supervisor check prints the arithmetic)", n, c.Surge, c.Limit)
}

func (s *Supervisor) scaleBy(delta int) {
	if s.core.Snapshot().Phase == arbiter.PhaseStopping {
		return
	}
	wanted := s.core.Snapshot().Wanted + delta
	if wanted > config.MaxWorkers {
		s.log.Warn("not scaled: there are as many workers as there may be", "workers", config.MaxWorkers)
		return
	}
	if err := s.admits(wanted); err != nil {
		s.log.Warn("not scaled", "error", err)
		return
	}
	s.step(arbiter.ScaleBy{Delta: delta})
	s.log.Info("scaled", "workers", s.core.Snapshot().Wanted)
}
