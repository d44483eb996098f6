package supervise

import (
	"github.com/tandem-go/tandem/internal/arbiter"
	"github.com/tandem-go/tandem/internal/budget"
	"github.com/tandem-go/tandem/internal/channel"
)

// shareOf is what a worker of g is started with, without what the operator has
// set: that is the operator's decision, now and later.
func (s *Supervisor) shareOf(g *generation, snap arbiter.Snapshot) budget.Share {
	share := s.opt.Limits.Share(snap.Wanted)
	if g.config.DBConnections > 0 {
		share.Connections = s.connections(snap).First(len(snap.Workers))
	}
	return share.Without(has(g.env, "GOMAXPROCS"), has(g.env, "GOMEMLIMIT"))
}

// connections is how those to a database are divided now. During a reload that
// changes their number the smaller one holds for all.
func (s *Supervisor) connections(snap arbiter.Snapshot) budget.Connections {
	limit := int(s.config.DBConnections)
	for _, g := range s.generations {
		if n := int(g.config.DBConnections); n > 0 && (n < limit || limit == 0) {
			limit = n
		}
	}
	return budget.Connections{Limit: limit, Workers: snap.Wanted, Surge: int(s.config.Surge)}
}

// divide tells the workers their shares where these have changed, because there
// are to be more workers or fewer. A worker that cannot be told now is told after
// the next event. One that does not speak is not told: what it was started with
// stays, and what the others may have of the connections is less by that.
func (s *Supervisor) divide() {
	snap := s.core.Snapshot()
	if snap.Phase == arbiter.PhaseStopping {
		return
	}
	share := s.opt.Limits.Share(snap.Wanted)
	holders := make([]budget.Holder, len(snap.Workers))
	for i, known := range snap.Workers {
		w := s.workers[known.ID]
		if w == nil { // to be started
			if g := s.generations[known.Generation]; g != nil {
				holders[i].Has = s.shareOf(g, snap).Connections
			}
			continue
		}
		holders[i] = budget.Holder{Has: w.share.Connections, Hears: known.Speaks && known.State != arbiter.Killed}
	}
	s.connections(snap).Deal(holders, func(i, n int) bool {
		share.Connections = n
		return s.tell(s.workers[snap.Workers[i].ID], share)
	})
	for i, h := range holders {
		if h.Hears {
			w := s.workers[snap.Workers[i].ID]
			share.Connections = w.share.Connections
			s.tell(w, share)
		}
	}
}

// tell says a worker its share, unless it has it, and reports whether it has it
// then.
func (s *Supervisor) tell(w *worker, share budget.Share) bool {
	now := share.Without(w.share.CPUs == 0, w.share.Memory == 0)
	if now == w.share {
		return true
	}
	if err := w.channel.Send(channel.Message{
		Type: channel.Share, CPUs: now.CPUs, Memory: now.Memory, DatabaseConnections: now.Connections,
	}); err != nil {
		s.log.Debug("a worker was not told its share", "worker", w.id, "error", err)
		return false
	}
	w.share = now
	s.log.Debug("a worker was told another share", "worker", w.id, "cpus", now.CPUs, "memory_bytes", now.Memory, "db_connections", now.Connections)
	return true
}
