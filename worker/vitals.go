package worker

import (
	"time"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/internal/scoreboard"
)

// vitalsEvery is how often a worker writes down that it is alive, and how its
// permits are.
const vitalsEvery = 500 * time.Millisecond

// Permits names the limiters whose permits the supervisor is shown, at most
// four: in its status and metrics, and to judge by. A worker all of whose permits
// of one limiter are held for --timeout, with none given back and somebody
// waiting, is as stuck as one that does not run at all, and is replaced. Without
// this option they are those that the handler's method Limits names, which a view.App
// has, and else those of [bridge.DefaultLimits]. A drain waits, within
// DrainTimeout, for what was abandoned in one of them, see [bridge.Abandonable].
func Permits(limiters ...*bridge.Limiter) Option {
	return func(o *options) { o.limiters = append([]*bridge.Limiter{}, limiters...) }
}

// vitals writes to the board, until the end, what can only be told by a process
// whose scheduler runs. Notifications go another way, see beat: they may have to
// wait for a supervisor that does not read.
func (r *run) vitals(ended <-chan struct{}) {
	limiters := r.shown()
	if n := len(limiters); n > scoreboard.MaxLimiters {
		r.logger.Warn("the supervisor is not shown the permits of all limiters", "limiters", n, "shown", scoreboard.MaxLimiters)
		limiters = limiters[:scoreboard.MaxLimiters]
	}
	every := vitalsEvery
	if r.watchdog > 0 {
		every = min(every, r.watchdog/3)
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		for i, l := range limiters {
			r.server.board.SetPermits(i, sample(l))
		}
		r.server.board.SetResources(r.server.lot.size(), pools.stats())
		r.server.said.rest(r.logger, false)
		r.server.board.Beat() // after the sample: who reads a beat reads figures as young
		select {
		case <-ticker.C:
		case <-ended:
			return
		}
	}
}

func sample(l *bridge.Limiter) scoreboard.Sample {
	s := l.Stats()
	return scoreboard.Sample{
		Name: l.Name(), Limit: s.Permits, InUse: s.InUse, Queue: s.Queued, Starving: s.Starving,
		Rejected: s.Rejected, Waited: s.Waited, Waits: s.WaitCounts,
		Abandoned: s.Abandoned, AbandonedTotal: s.AbandonedTotal, OldestAbandoned: s.OldestAbandoned,
	}
}

// Both sides of the board count waits in the same buckets.
var _ [bridge.WaitBuckets]uint64 = scoreboard.Sample{}.Waits

// beat tells the supervisor, three times in the interval after which a silent
// worker counts as hung, that the scheduler of this process still runs
// goroutines. Without such an interval there is nobody to tell.
func (r *run) beat(ended <-chan struct{}) {
	if r.watchdog <= 0 {
		return
	}
	ticker := time.NewTicker(r.watchdog / 3)
	defer ticker.Stop()
	for {
		r.notify("WATCHDOG=1")
		select {
		case <-ticker.C:
		case <-ended:
			return
		}
	}
}
