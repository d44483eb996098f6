package worker

import (
	"database/sql"
	"sync"

	"github.com/tandem-go/tandem/internal/scoreboard"
)

// poolSet is the pools of database connections that the supervisor is shown.
type poolSet struct {
	mu    sync.Mutex
	shown map[*func() sql.DBStats]struct{}
	gone  scoreboard.Pool // what those that are shown no more have counted: totals do not go back
}

// pools are the process's.
var pools = &poolSet{shown: map[*func() sql.DBStats]struct{}{}}

// ShowPool has the supervisor show, in its metrics, how many connections to its
// database a pool has open, how many are in use, and who had to wait for one:
//
//	stop := worker.ShowPool(db.Stats)
//
// Several pools are added up. stats is called several times a second, one call at a
// time; it must not call this function or stop. Call stop when the pool is closed; it
// asks stats for the last time.
func ShowPool(stats func() sql.DBStats) (stop func()) {
	key := &stats
	pools.mu.Lock()
	defer pools.mu.Unlock()
	pools.shown[key] = struct{}{}
	return func() {
		pools.mu.Lock()
		defer pools.mu.Unlock()
		if _, there := pools.shown[key]; there {
			count(&pools.gone, stats())
			pools.gone.Pools++
			delete(pools.shown, key)
		}
	}
}

func (p *poolSet) stats() (sum scoreboard.Pool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	sum = p.gone
	for stats := range p.shown {
		s := (*stats)()
		sum.Pools++
		sum.Limit += int64(s.MaxOpenConnections)
		sum.Open += int64(s.OpenConnections)
		sum.InUse += int64(s.InUse)
		count(&sum, s)
	}
	return sum
}

// count adds what only grows.
func count(to *scoreboard.Pool, s sql.DBStats) {
	to.Waits += uint64(max(0, s.WaitCount))
	to.Waited += s.WaitDuration
}
