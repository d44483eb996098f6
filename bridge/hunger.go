package bridge

import (
	"slices"
	"sync/atomic"
	"time"
)

// hunger is for how long a limiter has given nothing to those who wanted. That
// all permits are taken is load. That none is given back, while there is somebody
// who wants one, is a deadlock if it goes on for long enough, and what "long
// enough" is whoever watches the process decides.
//
// It costs a frame that finds a permit one read, of a word that nobody writes
// meanwhile.
type hunger struct {
	since atomic.Int64 // when somebody first found no permit; 0: since then one was given back
	last  atomic.Int64 // when somebody last did, or ceased to wait
}

// missLocked takes note of somebody who has found no permit.
func (l *Limiter) missLocked() {
	now := sinceEpoch()
	l.hunger.last.Store(now)
	if l.hunger.since.Load() == 0 {
		l.hunger.since.Store(now)
		if inUse(l.state.Load()) < l.permits.Load() { // given back since, by one who did not see it
			l.hunger.since.Store(0)
		}
	}
}

// fedLocked takes note of a permit that was given back. For those who wait on, it
// begins anew.
func (l *Limiter) fedLocked() {
	if len(l.queue) == 0 {
		l.hunger.since.Store(0)
		return
	}
	l.hunger.since.Store(sinceEpoch())
}

func (l *Limiter) starving(state int64) time.Duration {
	since := l.hunger.since.Load()
	if since == 0 || inUse(state) < l.permits.Load() {
		return 0
	}
	until := l.hunger.last.Load()
	if queued(state) > 0 {
		until = sinceEpoch()
	}
	return time.Duration(max(0, until-since))
}

// epoch is where sinceEpoch counts from, which is never 0.
var epoch = time.Now().Add(-time.Second)

func sinceEpoch() int64 { return int64(time.Since(epoch)) }

// WaitBuckets is how many buckets waits are counted in.
const WaitBuckets = 15

var waitBounds = [WaitBuckets - 1]time.Duration{
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond,
	50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second, 30 * time.Second,
}

// WaitBounds returns the upper bounds of the buckets that waits for a permit are
// counted in; the last bucket has none. The slice is the caller's.
func WaitBounds() []time.Duration { return slices.Clone(waitBounds[:]) }

func waitBucket(d time.Duration) int {
	i, _ := slices.BinarySearch(waitBounds[:], d)
	return i
}
