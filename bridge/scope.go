package bridge

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tandem-go/tandem/internal/oncpu"
)

// Scope is one request or one job: the unit whose sync frames run one at a time
// and whose context sync code may use, through [Await], without ever seeing it.
// It must not be copied. Its methods are safe for concurrent use.
//
// The scope that [RunSyncScoped] hands out stands for one frame of another.
type Scope struct {
	of  *frame // the one frame meant; nil in a scope of its own
	run uint64 // which run of it

	limits Limits
	watch  *oncpu.Watch // nil: its code is not sampled
	job    bool         // made by NewRoot: its creator is sync code without a frame
	waited atomic.Int64 // nanoseconds; see Waited

	ending ending

	mu    sync.Mutex
	root  lane
	last  *frame     // live frames on lanes, latest first
	queue []*pending // waiters of all lanes, first come first

	thread *thread // that of pinned frames, once there was one
	pins   int32   // live pinned frames
	awaits int32   // Awaits in progress of a job's own sync code
}

// Scoped is what sync code holds to be able to wait for async code: a *Scope, or
// the request it was given.
type Scoped interface{ Scope() *Scope }

// frame is one sync call. The record is used again for each call on its lane;
// run tells them apart.
type frame struct {
	lane      *lane
	ctx       context.Context // its caller's
	limiter   *Limiter
	run       uint64
	live      bool
	alone     bool // Parallel: on no lane of its own
	borrowed  bool // its permit is that of a frame above
	pinned    bool
	plain     bool // runs where it is called, with no name and not measured
	apart     bool // on a goroutine of its own
	told      bool // apart, and what it awaited saw its ctx end
	abandoned bool // nobody waits for it any more
	awaits    int  // Awaits in progress; the permit is held while there is none
	below     *lane
	prev      *frame
	next      *frame

	labels *labels      // if it is named
	sample *oncpu.Frame // if it is measured
}

// Open makes s a scope over ctx and returns the context that async code of the
// scope must be given. Nil limiters are those of [DefaultLimits]. Only the owner
// of the scope sees the context; sync code reaches it through [Await] alone.
// A scope is opened once; Close ends it.
func (s *Scope) Open(ctx context.Context, limits Limits) context.Context {
	s.limits = limits.orDefault()
	s.watch = oncpu.Of(ctx)
	s.root.Context = ctx
	s.root.scope = s
	s.root.frame.lane = &s.root
	return &s.root
}

// NewRoot returns a scope for a command or a job. The goroutine that holds it
// counts as sync code without a permit: it may call [Await] at once. Close it
// when the job ends. Inside a sync frame of another scope it leaves that frame's
// permit where it is, so what would have to wait there gets [ErrWouldDeadlock].
func NewRoot(ctx context.Context, limits Limits) *Scope {
	s := new(Scope)
	s.Open(ctx, limits)
	s.job = true
	return s
}

// Scope returns s.
func (s *Scope) Scope() *Scope { return s }

// base is the scope that all state is in.
func (s *Scope) base() *Scope {
	if s.of != nil {
		return s.of.lane.scope
	}
	return s
}

// Limits returns the limiters that frames of the scope take permits from.
func (s *Scope) Limits() Limits { return s.base().limits }

// Waited is how long frames of the scope have waited so far, for their turn and
// for permits, whatever came of it. Frames that waited beside each other each
// count. Coming back from [Await] is no wait.
func (s *Scope) Waited() time.Duration { return time.Duration(s.base().waited.Load()) }

// Close ends the scope: later calls, and those that wait for their turn, get
// [ErrScopeClosed], which is also the cause that the scope's context ends with if
// it has not ended before. Frames that run are left to return; Close does not wait. On a
// scope handed out for one frame it does nothing: that ends with its frame.
func (s *Scope) Close() {
	if s.of != nil {
		return
	}
	s.mu.Lock()
	s.ending.closed.Store(true)
	d := s.ending.derived.Load()
	for _, p := range s.queue {
		close(p.ready)
	}
	s.queue = nil
	s.unpin()
	s.mu.Unlock()
	if d != nil {
		d.cancel(ErrScopeClosed)
	}
}

// enter begins a frame on l, the lane that ctx belongs to.
func (l *lane) enter(ctx context.Context, o SyncOption) (*frame, error) {
	s := l.scope
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case o.parallel:
		return s.enterParallel(ctx, l, o)
	}
	var labels *labels
	if o.naming != nil {
		labels = o.naming.over(ctx)
	}
	s.mu.Lock()
	from := l
	lim, borrowed, pinned := o.limiter, false, o.pinned
	if l.above != nil || l.busy || s.ending.closed.Load() {
		var err error
		if l, err = s.take(ctx, l); err != nil {
			s.mu.Unlock()
			return nil, err
		}
		lim, borrowed, pinned = l.place(o)
	} else { // as take and place do, which most calls need not look further for
		l.busy = true
		if lim == nil {
			lim = s.limits.Blocking
		}
	}
	switch {
	case borrowed:
		lim.resume()
	case !lim.tryAcquire():
		s.mu.Unlock()
		err := s.queueFor(ctx, lim)
		s.mu.Lock()
		now, _ := l.nearest()
		if now != l && err == nil { // its Await is over: climb, and wait there
			lim.release()
			s.leaveLane(l)
			s.mu.Unlock()
			return from.enter(ctx, o)
		}
		if err == nil && s.ending.closed.Load() {
			lim.release()
			err = ErrScopeClosed
		}
		if err != nil {
			s.leaveLane(l)
			s.mu.Unlock()
			return nil, err
		}
	}
	fr := &l.frame
	fr.ctx, fr.limiter, fr.borrowed, fr.live, fr.awaits = ctx, lim, borrowed, true, 0
	fr.labels, fr.pinned = labels, pinned
	fr.plain = labels == nil && !pinned && !lim.cpu && s.watch == nil
	if pinned {
		s.pins++
	}
	s.link(fr)
	s.mu.Unlock()
	return fr, nil
}

// enterParallel begins a frame beside the others of the scope. It never borrows:
// a slot can be lent to one only.
func (s *Scope) enterParallel(ctx context.Context, l *lane, o SyncOption) (*frame, error) {
	s.mu.Lock()
	l, _ = l.nearest()
	lim, _, _ := l.place(o)
	closed := s.ending.closed.Load()
	s.mu.Unlock()
	if closed {
		return nil, ErrScopeClosed
	}
	if !lim.tryAcquire() {
		if err := s.queueFor(ctx, lim); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending.closed.Load() {
		lim.release()
		return nil, ErrScopeClosed
	}
	return &frame{
		lane: l, ctx: ctx, limiter: lim, live: true, alone: true,
		labels: o.naming.over(ctx), plain: o.naming == nil && !lim.cpu && s.watch == nil,
	}, nil
}

// queueFor takes a permit of l that was not there at once.
func (s *Scope) queueFor(ctx context.Context, l *Limiter) error {
	since := time.Now()
	err := l.acquire(ctx)
	s.waited.Add(int64(time.Since(since)))
	return err
}

// leave ends a frame and says whether it was abandoned. The permit is given back
// before the lane, so that the next frame of the request finds it. What each frame
// sets is left for the next to overwrite.
func (fr *frame) leave() (late bool) {
	s := fr.lane.scope
	s.mu.Lock()
	late = fr.abandoned
	if fr.awaits == 0 {
		fr.limiter.release()
	}
	if late { // whoever waits for that finds the permit
		fr.limiter.abandoned.remove(fr)
	}
	fr.apart, fr.told, fr.abandoned = false, false, false
	if fr.pinned {
		s.pins--
		s.unpin()
	}
	fr.live = false
	fr.run++
	if fr.below != nil {
		fr.below = nil
	}
	if fr.sample != nil {
		fr.sample = nil
	}
	if !fr.alone {
		s.unlink(fr)
		s.leaveLane(fr.lane)
	}
	s.mu.Unlock()
	return late
}

// link adds a frame that is in no list. Most are alone in it, and then nothing is
// written that is so already: to the garbage collector each pointer is work.
func (s *Scope) link(fr *frame) {
	if s.last != nil {
		fr.next = s.last
		s.last.prev = fr
	}
	s.last = fr
}

func (s *Scope) unlink(fr *frame) {
	prev, next := fr.prev, fr.next
	if prev != nil {
		prev.next, fr.prev = next, nil
	} else {
		s.last = next
	}
	if next != nil {
		next.prev, fr.next = prev, nil
	}
}
