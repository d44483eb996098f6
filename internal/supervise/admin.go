package supervise

import (
	"context"

	"github.com/tandem-go/tandem/internal/admin"
	"github.com/tandem-go/tandem/internal/arbiter"
	"github.com/tandem-go/tandem/internal/control"
)

// watcher is the Supervisor as the admin listener asks it. Anybody who reaches
// that listener can ask, as often as he likes, so questions are shared.
type watcher struct {
	health shared[admin.Health]
	status shared[control.Status]
}

var _ admin.Backend = (*watcher)(nil)

// Admin gives what the admin listener asks. It may be called from any goroutine,
// once; what it gives may be asked until Run has returned, and then says that the
// supervisor has stopped.
func (s *Supervisor) Admin() admin.Backend {
	w := new(watcher)
	w.health.ask = func() (admin.Health, error) {
		return ask(context.Background(), s, func(answer chan<- admin.Health) message { return healthWanted{answer} })
	}
	w.status.ask = func() (control.Status, error) { return s.Status(context.Background()) }
	return w
}

// Health asks the loop how it is.
func (w *watcher) Health(ctx context.Context) (admin.Health, error) { return w.health.get(ctx) }

// Status asks the loop for a snapshot.
func (w *watcher) Status(ctx context.Context) (control.Status, error) { return w.status.get(ctx) }

type healthWanted struct{ answer chan<- admin.Health }

func (m healthWanted) handle(s *Supervisor) {
	snap := s.core.Snapshot()
	h := admin.Health{State: snap.Phase.String(), Wanted: snap.Wanted}
	for _, w := range snap.Workers {
		if w.State == arbiter.Ready {
			h.Ready++
		}
	}
	m.answer <- h
}
