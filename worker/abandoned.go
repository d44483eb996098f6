package worker

import (
	"context"
	"slices"

	"github.com/tandem-go/tandem/bridge"
)

// shown are the limiters whose permits the worker answers for.
func (r *run) shown() []*bridge.Limiter {
	if r.limiters != nil {
		return r.limiters
	}
	limits := bridge.DefaultLimits()
	if app, ok := r.handler.(interface{ Limits() bridge.Limits }); ok {
		limits = app.Limits()
	}
	return slices.DeleteFunc([]*bridge.Limiter{limits.Blocking, limits.CPU}, func(l *bridge.Limiter) bool { return l == nil })
}

// drain drains the server, and then waits, until ctx ends, for sync code that was
// abandoned at its request's deadline. That may be writing somewhere, but its
// request has been answered: to leave it behind is no failure of the drain.
func (r *run) drain(ctx context.Context) error {
	if err := r.server.drain(r.drainTimeout, r.linger); err != nil {
		return err
	}
	for _, l := range r.shown() {
		s := l.Stats()
		if s.Abandoned == 0 {
			continue
		}
		r.logger.Warn("waiting for abandoned sync code", "limiter", l.Name(), "abandoned", s.Abandoned, "oldest", s.OldestAbandoned)
		if l.WaitAbandoned(ctx) != nil {
			s = l.Stats()
			r.logger.Warn("leaving abandoned sync code behind", "limiter", l.Name(), "abandoned", s.Abandoned, "oldest", s.OldestAbandoned)
		}
	}
	return nil
}
