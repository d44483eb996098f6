package supervise

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/tandem-go/tandem/internal/arbiter"
	"github.com/tandem-go/tandem/internal/postmortem"
	"github.com/tandem-go/tandem/internal/process"
	"github.com/tandem-go/tandem/internal/timeline"
)

// accountable is who asked for what is under way, and why it is done. The loop owns
// it, and an upgrade carries it.
type accountable struct {
	Asked    []string  `json:"asked,omitempty"`  // for the reload that has not begun
	Reload   string    `json:"reload,omitempty"` // the one under way
	AskedAt  time.Time `json:"asked_at,omitzero"`
	Stop     string    `json:"stop,omitempty"` // the service to stop; "": nobody
	StopAt   time.Time `json:"stop_at,omitzero"`
	Quick    bool      `json:"quick,omitempty"`     // somebody asked for a quick one
	Scaled   string    `json:"scaled,omitempty"`    // last for another number of workers
	Upgrade  string    `json:"upgrade,omitempty"`   // the upgrade under way
	Degraded string    `json:"degraded,omitempty"`  // why the service is
	LastMode string    `json:"last_mode,omitempty"` // the state of the service, as the timeline has it
	Wanted   int       `json:"wanted,omitempty"`    // workers, as the timeline has it
	UndoneAt time.Time `json:"undone_at,omitzero"`  // the last reload that was

	Starts map[arbiter.WorkerID]string `json:"starts,omitempty"` // why those that wait for it are started
}

// namedAskers is how many of those who asked for one reload are named.
const namedAskers = 3

// note puts an event on the timeline. Without an actor it is whoever asked for
// what the loop is doing, else ourselves.
func (s *Supervisor) note(e timeline.Event) {
	e.Actor = cmp.Or(e.Actor, s.actor, byUs)
	s.opt.Timeline.Add(e)
}

// as does what actor has asked for.
func (s *Supervisor) as(actor string, do func()) {
	was := s.actor
	s.actor = actor
	do()
	s.actor = was
}

// Timeline gives emit the events that q wants, and with Follow what comes, until
// the supervisor has stopped. It does not go through the loop, as Logs does not.
func (s *Supervisor) Timeline(ctx context.Context, q timeline.Query, emit func([]timeline.Event) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	over := make(chan struct{})
	defer close(over)
	go func() {
		select {
		case <-s.done:
			cancel(timeline.ErrEnded)
		case <-over:
		}
	}()
	return s.opt.Timeline.Send(ctx, q, emit)
}

// noteStart says that we have started.
func (s *Supervisor) noteStart() {
	s.note(timeline.Event{
		Kind: timeline.SupervisorStarted, Generation: 1, Actor: s.byStart(),
		Text: fmt.Sprintf("supervisor %s started with %s, pid %d", s.opt.Version, count(s.core.Wanted(), "worker"), os.Getpid()),
	})
}

// noteEnd says that we end.
func (s *Supervisor) noteEnd() {
	if s.result == nil {
		return
	}
	e := timeline.Event{Kind: timeline.SupervisorStopped, Actor: s.by.Stop, Text: fmt.Sprintf("supervisor stopped, exit code %d", s.result.Code)}
	if s.result.Code != 0 {
		e.Cause = s.result.Reason
		e.Text += ": " + s.result.Reason
	}
	s.note(e)
}

// askReload asks the arbiter for a reload.
func (s *Supervisor) askReload(ticket uint64) {
	if len(s.by.Asked) == 0 {
		s.by.AskedAt = time.Now()
	}
	if !slices.Contains(s.by.Asked, s.actor) && len(s.by.Asked) <= namedAskers {
		s.by.Asked = append(s.by.Asked, s.actor)
	}
	s.step(arbiter.Reload{Ticket: ticket})
}

// askers names who asked for the reload that begins now, or does not.
func (s *Supervisor) askers() string {
	named := s.by.Asked
	s.by.Asked = nil
	if len(named) > namedAskers {
		named = append(slices.Clone(named[:namedAskers]), "others")
	}
	return strings.Join(named, " and ")
}

// askStop asks the arbiter for a stop. What is under way already is asked for
// once.
func (s *Supervisor) askStop(quick bool) {
	if s.core.Phase() == arbiter.PhaseStopping && (!quick || s.by.Quick) {
		if quick {
			s.step(arbiter.Stop{Quick: true})
		}
		return
	}
	text := "stop asked for, when requests have been answered"
	if quick {
		text = "stop asked for, at once"
	}
	s.note(timeline.Event{Kind: timeline.StopAsked, Text: text})
	if s.by.Stop, s.by.Quick = cmp.Or(s.by.Stop, s.actor), quick; s.by.StopAt.IsZero() {
		s.by.StopAt = time.Now()
	}
	s.step(arbiter.Stop{Quick: quick})
}

// noteAction says what is about to be done. It comes before noteEnding, which
// remembers what was done already.
func (s *Supervisor) noteAction(a arbiter.Action) {
	switch a := a.(type) {
	case arbiter.Drain:
		if w := s.workers[a.ID]; w != nil {
			cause := drainReason(a.ID, s.core.Snapshot())
			s.noteWorker(w, timeline.WorkerDraining, cause, s.drainer(cause), "drains")
		}
	case arbiter.Interrupt:
		if w := s.workers[a.ID]; w != nil {
			s.noteWorker(w, timeline.WorkerDraining, "a quick stop", s.by.Stop, "is asked to end at once")
		}
	case arbiter.Abort:
		s.notePutDown(s.workers[a.ID], a.Reason, "is put down, after a dump of its goroutines")
	case arbiter.Kill:
		if w := s.workers[a.ID]; w != nil && w.killed == "" {
			s.notePutDown(w, a.Reason, "is killed")
		}
	case arbiter.Prepare:
		s.by.Reload = s.askers()
		s.note(timeline.Event{
			Kind: timeline.ReloadStarted, Generation: int(a.Generation), Actor: s.by.Reload,
			Text: fmt.Sprintf("reload to generation %d begins", a.Generation),
		})
	case arbiter.ReloadDone:
		s.noteReload(a)
	case arbiter.Degraded:
		s.by.Degraded = a.Why
	}
}

// drainer is who is behind a drain.
func (s *Supervisor) drainer(cause string) string {
	scaled := ""
	if strings.HasSuffix(cause, " wanted") { // once enough others are ready
		scaled = s.by.Scaled
	}
	return cmp.Or(s.by.Stop, s.actor, scaled, byUs)
}

// noteLeaving says that a worker stops serving, without having been asked.
func (s *Supervisor) noteLeaving(w *worker) {
	for _, known := range s.core.Snapshot().Workers {
		if known.ID == w.id && (known.State == arbiter.Starting || known.State == arbiter.Ready) {
			s.noteWorker(w, timeline.WorkerDraining, "it announced that it stops", byWorker(w), "drains")
			w.leave()
		}
	}
}

// notePutDown says that a worker is killed, and before that, once, that it is hung.
func (s *Supervisor) notePutDown(w *worker, reason, how string) {
	if w == nil {
		return
	}
	for _, known := range s.core.Snapshot().Workers {
		if known.ID == w.id && known.Liveness == "hung" && w.aborted == "" {
			s.noteWorker(w, timeline.WorkerHung, reason, byUs, "hangs")
		}
	}
	s.noteWorker(w, timeline.WorkerKilled, reason, byUs, how)
}

func (s *Supervisor) noteReload(a arbiter.ReloadDone) {
	e := timeline.Event{Kind: timeline.ReloadDone, Generation: int(a.Generation), Actor: s.by.Reload, Text: fmt.Sprintf("reload done: generation %d serves", a.Generation)}
	switch {
	case a.Generation == 0:
		e.Kind, e.Cause, e.Actor = timeline.ReloadUndone, a.Reason, s.askers()
		e.Text = "a reload that was asked for did not begin: " + a.Reason
	case a.Reason != "":
		e.Kind, e.Cause, e.Worker = timeline.ReloadUndone, a.Reason, uint64(a.Worker)
		e.Text = fmt.Sprintf("reload to generation %d undone, the old one goes on: %s", a.Generation, a.Reason)
		s.by.UndoneAt = time.Now()
	}
	s.note(e)
}

// noteWorker says what happens to a worker: how, because of cause.
func (s *Supervisor) noteWorker(w *worker, kind timeline.Kind, cause, actor, how string) {
	text := fmt.Sprintf("worker %d %s", w.id, how)
	if cause != "" {
		text += ": " + cause
	}
	s.note(timeline.Event{Kind: kind, Worker: uint64(w.id), Generation: int(w.generation), Cause: cause, Actor: actor, Text: text})
}

// noteExit says how a worker has ended.
func (s *Supervisor) noteExit(w *worker, r *postmortem.Record, e process.Exit) {
	cause, actor := endReason(w, r, e)
	kind, how := timeline.WorkerExited, fmt.Sprintf("(pid %d) exited", w.process.PID())
	if e.Exec != nil {
		kind, how = timeline.WorkerFailed, "could not be started"
	}
	s.noteWorker(w, kind, cause, actor, how)
}

// noteScale says that another number of workers is wanted.
func (s *Supervisor) noteScale() {
	n := s.core.Wanted()
	if n == s.by.Wanted {
		return
	}
	e := timeline.Event{Kind: timeline.Scaled, Text: fmt.Sprintf("scaled from %s to %d", count(s.by.Wanted, "worker"), n)}
	if s.actor == "" { // nobody asked for that by itself
		e.Cause, e.Actor = "a reload with another setting, or its undoing", s.by.Reload
	}
	if s.by.Wanted != 0 {
		s.note(e)
	}
	s.by.Wanted, s.by.Scaled = n, cmp.Or(s.actor, s.by.Reload)
}

// noteState says that the state of the service has changed.
func (s *Supervisor) noteState() {
	phase := s.core.Phase()
	if phase.String() == s.by.LastMode {
		return
	}
	e := timeline.Event{Kind: timeline.State, Generation: int(s.core.Snapshot().Generation)}
	switch phase {
	case arbiter.PhaseStarting:
		e.Cause, e.Actor = "the first start", s.byStart()
	case arbiter.PhaseRunning:
		if s.by.LastMode == arbiter.PhaseStarting.String() {
			e.Cause = "the workers are ready"
		}
	case arbiter.PhaseReloading:
		e.Cause, e.Actor = "a reload", cmp.Or(s.actor, s.by.Reload)
	case arbiter.PhaseDegraded:
		e.Cause = s.by.Degraded
	case arbiter.PhaseStopping:
		e.Cause, e.Actor = "a stop was asked for", s.by.Stop
		if s.by.Stop == "" {
			e.Cause = "the first start cannot succeed"
		}
	}
	e.Text = "the service is " + phase.String()
	if e.Cause != "" {
		e.Text += ": " + e.Cause
	}
	s.by.LastMode = phase.String()
	s.note(e)
}

// leave takes note that a worker is on its way out.
func (w *worker) leave() {
	if w.leaving.IsZero() {
		w.leaving = time.Now()
	}
}

func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
