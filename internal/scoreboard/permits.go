package scoreboard

import (
	"runtime"
	"time"
)

// Permits is what a worker says of one of its limiters of sync code. It says so
// several times a second, not at every change.
type Permits struct {
	Name     string    // as the limiter is called: blocking, cpu
	Limit    int64     // permits that there are
	InUse    int64     // permits that are taken; may exceed Limit for a moment
	Queue    int64     // who waits for one
	Waits    Histogram // of who had to wait, whatever came of it
	Rejected uint64    // who was turned away: queue full, or waited too long

	// Starving is for how long, when the worker last said so, nobody had given a
	// permit back although all were taken and somebody wanted one; 0 where that was
	// not so.
	Starving time.Duration

	Abandoned       int64         // sync code that goes on past its request's deadline, in its permit unless it awaits
	AbandonedTotal  uint64        // since the worker started
	OldestAbandoned time.Duration // for how long the oldest of those had run when the worker last said so
}

// Sample is what a worker writes of a limiter.
type Sample struct {
	Name                string
	Limit, InUse, Queue int
	Starving            time.Duration // 0: it is not
	Rejected            uint64
	Waited              time.Duration
	Waits               [len(WaitBounds) + 1]uint64
	Abandoned           int
	AbandonedTotal      uint64
	OldestAbandoned     time.Duration
}

// SetPermits writes what a limiter says, as number i of [MaxLimiters]; beyond
// that it does nothing. One goroutine at a time calls it.
func (b *Board) SetPermits(i int, s Sample) {
	if b.page == nil || i < 0 || i >= MaxLimiters {
		return
	}
	l := &b.page.limiters[i]
	var name [nameRoom]byte
	copy(name[:], s.Name)
	put(l.name[:], string(name[:]))
	l.inUse.Store(int64(s.InUse))
	l.queue.Store(int64(s.Queue))
	l.starving.Store(int64(s.Starving))
	l.rejected.Store(s.Rejected)
	l.nanos.Store(uint64(max(0, s.Waited)))
	for j := range s.Waits {
		l.counts[j].Store(s.Waits[j])
	}
	l.abandoned.Store(int64(s.Abandoned))
	l.oldest.Store(int64(s.OldestAbandoned))
	l.abandonedTotal.Store(s.AbandonedTotal)
	l.limit.Store(int64(s.Limit)) // last: it says that there is a limiter
	runtime.KeepAlive(b)
}

// Permits returns what the worker last said of its limiters.
func (b *Board) Permits() []Permits {
	defer runtime.KeepAlive(b)
	if !b.detailed() {
		return nil
	}
	var out []Permits
	for i := range b.page.limiters {
		l := &b.page.limiters[i]
		limit := l.limit.Load()
		if limit <= 0 {
			continue
		}
		p := Permits{
			Name:     l.nameText(),
			Limit:    exactly(limit),
			InUse:    exactly(l.inUse.Load()),
			Queue:    exactly(l.queue.Load()),
			Waits:    newHistogram(WaitBounds[:]),
			Rejected: l.rejected.Load(),
			Starving: max(0, time.Duration(l.starving.Load())),

			Abandoned:       exactly(l.abandoned.Load()),
			AbandonedTotal:  l.abandonedTotal.Load(),
			OldestAbandoned: max(0, time.Duration(l.oldest.Load())),
		}
		p.Waits.read(l.counts[:], &l.nanos)
		out = append(out, p)
	}
	return out
}

// Starving is the longest time for which a limiter has been starving; 0: none is.
func (b *Board) Starving() (longest time.Duration) {
	defer runtime.KeepAlive(b)
	if !b.detailed() {
		return 0
	}
	for i := range b.page.limiters {
		l := &b.page.limiters[i]
		if l.limit.Load() > 0 {
			longest = max(longest, time.Duration(l.starving.Load()))
		}
	}
	return longest
}

func (l *limiter) nameText() string {
	raw := make([]byte, 0, nameRoom)
	for i := range l.name {
		w := l.name[i].load()
		for j := range 8 {
			c := byte(w >> (8 * j))
			if c == 0 {
				return printable(string(raw))
			}
			raw = append(raw, c)
		}
	}
	return printable(string(raw))
}
