package bridge

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Defaults of a limiter made without options, and of [DefaultLimits].
const (
	DefaultBlocking     = 40               // permits of the Blocking limiter
	DefaultQueue        = 1024             // waiters a limiter admits
	DefaultQueueTimeout = 10 * time.Second // how long one may wait
)

// Auto, as the permits of [NewCPULimiter], makes them follow the process's share
// of CPUs.
const Auto = 0

// Limiter bounds how many sync frames run at a time. Who finds no permit waits
// in a bounded queue, first come first served, until a permit, the end of its
// context or the queue deadline. All methods are safe for concurrent use.
type Limiter struct {
	name     string
	permits  atomic.Int64
	refusal  atomic.Pointer[refusal]
	queueMax int
	queueFor time.Duration // 0: no deadline
	cpu      bool

	// state holds permits in use in its low half and waiters in its high half,
	// so that both paths that find nobody waiting are one compare-and-swap.
	state atomic.Int64

	mu    sync.Mutex // guards what follows; taken only when somebody waits
	queue []*ticket

	waits    atomic.Uint64
	waited   atomic.Int64
	spans    [WaitBuckets]atomic.Uint64
	rejected atomic.Uint64

	hunger    hunger
	abandoned abandoned

	computing computing
	threads   threads
}

// refusal is what those are told who get no permit; it names their number.
type refusal struct{ full, late error }

// ticket is one waiter of a limiter's queue. granted is guarded by Limiter.mu.
type ticket struct {
	ready   chan struct{}
	granted bool
}

const waiter = int64(1) << 32

// maxPermits keeps permits, and what rule 3 adds to them, in their half of state.
const maxPermits = 1 << 30

func inUse(state int64) int64  { return int64(int32(state)) }
func queued(state int64) int64 { return state >> 32 }

// LimiterOption configures a [Limiter].
type LimiterOption func(*Limiter)

// Named names the limiter in errors, plans and metrics.
func Named(name string) LimiterOption { return func(l *Limiter) { l.name = name } }

// Queue sets how many may wait for a permit; 0 refuses at once when none is free.
func Queue(n int) LimiterOption { return func(l *Limiter) { l.queueMax = max(0, n) } }

// QueueTimeout sets how long one may wait for a permit; 0 means without a bound
// of the limiter's own.
func QueueTimeout(d time.Duration) LimiterOption {
	return func(l *Limiter) { l.queueFor = max(0, d) }
}

// NewLimiter makes a limiter for code that blocks: it waits for something and
// uses little CPU. It panics if permits is less than one.
func NewLimiter(permits int, opts ...LimiterOption) *Limiter {
	mustBePermits("NewLimiter", permits)
	l := &Limiter{name: "blocking", queueMax: DefaultQueue, queueFor: DefaultQueueTimeout}
	for _, o := range opts {
		o(l)
	}
	l.allow(permits)
	return l
}

func mustBePermits(where string, n int) {
	if n < 1 || n > maxPermits {
		panic(fmt.Sprintf("bridge.%s: %d permits: a limiter has from 1 to %d", where, n, maxPermits))
	}
}

// NewCPULimiter makes a limiter for code that computes, so that light work beside
// it goes on as if alone. Its frames run on as many OS threads as there are permits.
// While any runs, and for 5 s after, GOMAXPROCS is raised by the permits; nobody
// else in the process may set it meanwhile (if somebody does, that value stays).
// With [Auto] the permits are [CPUPermits], now and whenever the share changes. It
// panics if permits is less than that.
func NewCPULimiter(permits int, opts ...LimiterOption) *Limiter {
	follows := permits == Auto
	if follows {
		permits = CPUPermits()
	}
	l := NewLimiter(permits, append([]LimiterOption{Named("cpu")}, opts...)...)
	l.cpu = true
	if follows {
		procs.follow(l)
	}
	return l
}

// SetPermits changes how many permits there are. More go to those who wait, at
// once. Fewer take none away: what is in use beyond them is a debt as that of rule
// 3, and newcomers wait until frames have ended. A limiter of [Auto] permits
// follows the share no longer. It panics if n is less than one.
func (l *Limiter) SetPermits(n int) {
	mustBePermits("Limiter.SetPermits", n)
	if !l.cpu {
		l.allow(n)
		return
	}
	procs.mu.Lock()
	defer procs.mu.Unlock()
	procs.unfollow(l)
	if procs.extra == 0 {
		procs.allow(l, n)
		return
	}
	set := procs.set()
	procs.allow(l, n)
	set()
}

// allow sets the number of permits.
func (l *Limiter) allow(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.permits.Store(int64(n))
	l.refusal.Store(&refusal{
		full: fmt.Errorf("%w: limiter %q has its %d permits in use and its queue of %d full", ErrSaturated, l.name, n, l.queueMax),
		late: fmt.Errorf("%w after %v at limiter %q of %d permits", ErrQueueTimeout, l.queueFor, l.name, n),
	})
	if l.grantLocked() {
		l.fedLocked()
	}
}

// Limits are the limiters that sync work takes its permits from.
type Limits struct {
	Blocking *Limiter // the default of sync frames
	CPU      *Limiter // for sync frames that compute
}

var defaultLimits = sync.OnceValue(func() Limits {
	return Limits{
		Blocking: NewLimiter(DefaultBlocking),
		CPU:      NewCPULimiter(Auto),
	}
})

// DefaultLimits returns the process's own limits: 40 permits for blocking code,
// [Auto] for computing code. Each call returns the same limiters.
func DefaultLimits() Limits { return defaultLimits() }

// orDefault fills in what is nil.
func (l Limits) orDefault() Limits {
	if l.Blocking == nil {
		l.Blocking = DefaultLimits().Blocking
	}
	if l.CPU == nil {
		l.CPU = DefaultLimits().CPU
	}
	return l
}

// Stats is what a limiter counts. Totals count from the limiter's making.
type Stats struct {
	Permits  int           // the limit
	InUse    int           // permits taken; may exceed Permits for a moment (rule 3)
	Queued   int           // waiting now
	Waits    uint64        // total that had to wait, whatever came of it
	Waited   time.Duration // total time that those waited
	Rejected uint64        // total refused: queue full or queue deadline

	// WaitCounts counts the waits that have ended by how long they were: number i
	// those of at most WaitBounds()[i], the last one all that were longer.
	WaitCounts [WaitBuckets]uint64

	// Starving is for how long who wanted a permit has found them all taken while
	// none was given back: from the first such moment to the last. Whoever waits
	// now makes now the last; it is 0 from the next permit given back on.
	Starving time.Duration

	// Abandoned is how many frames go on although nobody waits for them any more
	// ([Abandonable]). They hold permits unless they await. OldestAbandoned is for
	// how long the oldest of them has run, from its beginning; 0 without any.
	Abandoned       int
	OldestAbandoned time.Duration
	AbandonedTotal  uint64 // total of those, whether they have returned since or not
}

// Stats returns the counters as they are now; the fields are read one by one.
func (l *Limiter) Stats() Stats {
	st := l.state.Load()
	s := Stats{
		Permits:  int(l.permits.Load()),
		InUse:    int(inUse(st)),
		Queued:   int(queued(st)),
		Waits:    l.waits.Load(),
		Waited:   time.Duration(l.waited.Load()),
		Rejected: l.rejected.Load(),
		Starving: l.starving(st),
	}
	s.Abandoned, s.OldestAbandoned = l.abandoned.count()
	s.AbandonedTotal = l.abandoned.total.Load()
	for i := range l.spans {
		s.WaitCounts[i] = l.spans[i].Load()
	}
	return s
}

// Name is the limiter's name.
func (l *Limiter) Name() string { return l.name }

// tryAcquire takes a permit if one is free and nobody waits.
func (l *Limiter) tryAcquire() bool {
	for {
		st := l.state.Load()
		if st >= l.permits.Load() { // a waiter makes st larger than any limit
			return false
		}
		if l.state.CompareAndSwap(st, st+1) {
			return true
		}
	}
}

// resume takes a permit without asking: rule 3.
func (l *Limiter) resume() { l.state.Add(1) }

// acquire takes a permit, waiting in the queue if it must.
func (l *Limiter) acquire(ctx context.Context) error {
	if l.tryAcquire() {
		return nil
	}
	inside := l.queueMax > 0 && insideFrame() // where nobody waits: whose permit would it be?
	l.mu.Lock()
	if l.tryAcquire() { // given back since
		l.mu.Unlock()
		return nil
	}
	l.missLocked()
	if len(l.queue) >= l.queueMax {
		l.mu.Unlock()
		l.rejected.Add(1)
		return l.refusal.Load().full
	}
	if inside {
		l.mu.Unlock()
		return ErrWouldDeadlock
	}
	t := &ticket{ready: make(chan struct{})}
	l.queue = append(l.queue, t)
	l.state.Add(waiter)
	l.grantLocked() // a permit may have been given back between the two lines above
	l.mu.Unlock()
	l.waits.Add(1)
	return l.wait(ctx, t)
}

func (l *Limiter) wait(ctx context.Context, t *ticket) error {
	start := time.Now()
	defer func() {
		took := time.Since(start)
		l.waited.Add(int64(took))
		l.spans[waitBucket(took)].Add(1)
	}()
	var late <-chan time.Time
	if l.queueFor > 0 {
		timer := time.NewTimer(l.queueFor)
		defer timer.Stop()
		late = timer.C
	}
	var err error
	select {
	case <-t.ready:
		return nil
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-late:
		err = l.refusal.Load().late
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if t.granted { // at the same moment: a permit in the hand is worth having
		if ctx.Err() == nil {
			return nil
		}
		l.state.Add(-1)
		l.grantLocked()
		l.fedLocked()
		return err
	}
	for i, q := range l.queue {
		if q == t {
			l.queue = append(l.queue[:i], l.queue[i+1:]...)
			break
		}
	}
	l.state.Add(-waiter)
	l.hunger.last.Store(sinceEpoch())
	if ctx.Err() == nil {
		l.rejected.Add(1)
	}
	return err
}

// release gives a permit back.
func (l *Limiter) release() {
	if st := l.state.Add(-1); queued(st) == 0 && l.hunger.since.Load() == 0 {
		return
	}
	l.mu.Lock()
	l.grantLocked()
	l.fedLocked()
	l.mu.Unlock()
}

// grantLocked gives free permits to the waiters that came first. It reports
// whether there were any.
func (l *Limiter) grantLocked() (granted bool) {
	for len(l.queue) > 0 {
		st := l.state.Load()
		if inUse(st) >= l.permits.Load() {
			return granted
		}
		if !l.state.CompareAndSwap(st, st+1-waiter) {
			continue
		}
		t := l.queue[0]
		l.queue[0] = nil
		l.queue = l.queue[1:]
		t.granted, granted = true, true
		close(t.ready)
	}
	return granted
}
