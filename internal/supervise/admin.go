package supervise

import (
	"context"

	"github.com/tandem-go/tandem/internal/admin"
	"github.com/tandem-go/tandem/internal/arbiter"
	"github.com/tandem-go/tandem/internal/control"
	"github.com/tandem-go/tandem/internal/metrics"
	"github.com/tandem-go/tandem/internal/timeline"
)

// Watcher is the Supervisor as the admin listener asks it. Anybody who reaches
// that listener can ask, as often as he likes, so questions are shared.
//
// It may be asked from any goroutine until Run has returned, and then says that
// the supervisor is stopping.
type Watcher struct {
	health  shared[admin.Health]
	status  shared[control.Status]
	metrics shared[metrics.Snapshot]
	pulse   shared[metrics.Snapshot]

	timeline *timeline.Store
}

var (
	_ admin.Backend = (*Watcher)(nil)
	_ admin.Events  = (*Watcher)(nil)
)

// Watcher gives what the admin listener asks. It is called once.
func (s *Supervisor) Watcher() *Watcher {
	w := &Watcher{timeline: s.opt.Timeline}
	w.health.ask = func() (admin.Health, error) {
		return ask(context.Background(), s, func(answer chan<- admin.Health) message { return healthWanted{answer} })
	}
	w.status.ask = func() (control.Status, error) { return s.Status(context.Background()) }
	w.metrics.ask = s.metrics
	w.pulse.ask = s.pulse
	return w
}

// Health asks the loop how it is.
func (w *Watcher) Health(ctx context.Context) (admin.Health, error) { return w.health.get(ctx) }

// Status asks the loop for a snapshot.
func (w *Watcher) Status(ctx context.Context) (control.Status, error) { return w.status.get(ctx) }

// Metrics asks the loop for what a scrape shows.
func (w *Watcher) Metrics(ctx context.Context) (metrics.Snapshot, error) { return w.metrics.get(ctx) }

// Pulse asks the loop for what a history is made of: of the totals, requests alone.
func (w *Watcher) Pulse(ctx context.Context) (metrics.Snapshot, error) { return w.pulse.get(ctx) }

type healthWanted struct{ answer chan<- admin.Health }

func (m healthWanted) handle(s *Supervisor) {
	snap := s.core.Snapshot()
	h := admin.Health{State: snap.Phase.String(), Wanted: snap.Wanted}
	for _, w := range snap.Workers {
		if w.State == arbiter.Ready && !w.Stopped {
			h.Ready++
		}
	}
	m.answer <- h
}
