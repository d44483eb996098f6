package supervise

import (
	"github.com/tandem-go/tandem/internal/arbiter"
	"github.com/tandem-go/tandem/internal/budget"
	"github.com/tandem-go/tandem/internal/channel"
)

// shareOf is the part of the machine that a worker of g gets, without what the
// operator has set: that is the operator's decision, now and later.
func (s *Supervisor) shareOf(g *generation) budget.Share {
	share := s.opt.Limits.Share(s.core.Snapshot().Wanted)
	return share.Without(has(g.env, "GOMAXPROCS"), has(g.env, "GOMEMLIMIT"))
}

// divide tells the workers their shares where these have changed, because there
// are to be more workers or fewer. A worker that cannot be told now is told after
// the next event. One that does not speak is not told: what it was started with
// stays.
func (s *Supervisor) divide() {
	snap := s.core.Snapshot()
	if snap.Phase == arbiter.PhaseStopping {
		return
	}
	share := s.opt.Limits.Share(snap.Wanted)
	for _, known := range snap.Workers {
		w := s.workers[known.ID]
		if w == nil || !known.Speaks || known.State == arbiter.Killed {
			continue
		}
		now := share.Without(w.share.CPUs == 0, w.share.Memory == 0)
		if now == w.share {
			continue
		}
		if err := w.channel.Send(channel.Message{Type: channel.Share, CPUs: now.CPUs, Memory: now.Memory}); err != nil {
			s.log.Debug("a worker was not told its share", "worker", w.id, "error", err)
			continue
		}
		w.share = now
		s.log.Debug("a worker was told another share", "worker", w.id, "cpus", now.CPUs, "memory_bytes", now.Memory)
	}
}
