package worker

import (
	"context"

	"github.com/tandem-go/tandem/bridge"
)

// shown are the limiters whose permits the worker answers for.
func (o *options) shown() []*bridge.Limiter {
	if o.limiters != nil {
		return o.limiters
	}
	def := bridge.DefaultLimits()
	return []*bridge.Limiter{def.Blocking, def.CPU}
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
