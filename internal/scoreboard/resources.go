package scoreboard

import (
	"runtime"
	"time"
)

// Pool is what a worker says of its pools of database connections, all of them
// together. Like permits, it is written several times a second.
type Pool struct {
	Pools  int64  // that are shown or were; 0: none, and the rest is zero
	Limit  int64  // connections that there may be; a pool without a bound adds none
	Open   int64  // that there are
	InUse  int64  // of these, those that somebody holds
	Waits  uint64 // who had to wait for one, since the start
	Waited time.Duration
}

// Refused counts a connection that was turned away because there are too many.
func (b *Board) Refused() {
	if b.page != nil {
		b.page.refused.Add(1)
	}
	runtime.KeepAlive(b)
}

// SetResources writes how many connections are parked, and how the pools of
// database connections are. One goroutine at a time calls it.
func (b *Board) SetResources(parked int, p Pool) {
	if b.page == nil {
		return
	}
	r := &b.page.resources
	r.parked.Store(int64(parked))
	r.limit.Store(p.Limit)
	r.open.Store(p.Open)
	r.inUse.Store(p.InUse)
	r.waits.Store(p.Waits)
	r.waited.Store(int64(p.Waited))
	r.pools.Store(p.Pools) // last: it says that there is one
	runtime.KeepAlive(b)
}

func (r *resources) read() (parked int64, p Pool) {
	parked = exactly(r.parked.Load())
	if p.Pools = exactly(r.pools.Load()); p.Pools == 0 {
		return parked, p
	}
	p.Limit, p.Open, p.InUse = exactly(r.limit.Load()), exactly(r.open.Load()), exactly(r.inUse.Load())
	p.Waits, p.Waited = r.waits.Load(), max(0, time.Duration(r.waited.Load()))
	return parked, p
}
