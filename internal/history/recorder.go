package history

import (
	"context"
	"sync"
	"time"

	"github.com/tandem-go/tandem/internal/metrics"
)

const (
	second = time.Second
	// patience bounds one look at the service; what takes longer leaves a gap.
	patience = 5 * time.Second
	// room is how many ticks a watcher may be behind.
	room = 32
)

// MaxRate is how many ticks there are in a second at most.
const MaxRate = 10

// Options are what a Recorder needs.
type Options struct {
	// Source gives what a scrape shows. It must return when its ctx ends. An error
	// leaves a gap.
	Source func(context.Context) (metrics.Snapshot, error)
	// Was is the history of the program before, and Ago how long ago it was saved.
	// What cannot be read of it is left.
	Was State
	Ago time.Duration
}

// Recorder looks at the service once a second, and more often while somebody
// wants that. Its methods may be called from any goroutine.
type Recorder struct {
	source func(context.Context) (metrics.Snapshot, error)
	born   time.Time
	before int64 // milliseconds of the clock when this recorder was made
	faster chan struct{}

	mu       sync.Mutex
	ring     *ring
	watchers map[*Watch]struct{}
	ended    bool
}

// Tick is what a watcher is told. It is shared, and not to be changed.
type Tick struct {
	Wall  time.Time // when it is, by the time of day
	State string    // of the service
	// Live is the last second, up to this moment; longer where ticks have just become
	// more frequent.
	Live Sample
	// Whole is the next sample of the hour; nil between two of them.
	Whole *Sample
}

// Watch is a view of the history as it grows.
type Watch struct {
	// Past is what there was when it began, the oldest first.
	Past []Sample
	// C gives a tick for each sample that follows, and others up to the rate. It is
	// closed when the recorder ends, and when the watcher is too slow.
	C <-chan *Tick

	c        chan *Tick
	recorder *Recorder
	every    time.Duration
	last     time.Time
}

// New makes a recorder, which takes all its memory.
func New(o Options) *Recorder {
	r := &Recorder{
		source: o.Source, born: time.Now(), faster: make(chan struct{}, 1),
		ring: new(ring), watchers: map[*Watch]struct{}{},
	}
	was, err := decode(o.Was.Samples)
	if err != nil || len(was) == 0 || was[len(was)-1].At > o.Was.Now || o.Was.Now > maxClock {
		return r
	}
	r.before = o.Was.Now + max(0, o.Ago.Milliseconds())
	for _, s := range was {
		r.ring.add(s)
	}
	return r
}

// maxClock is a thousand years.
const maxClock = 1000 * 366 * 24 * 3600 * 1000

// Now is the clock of the history, in milliseconds: it only goes forward, whoever
// sets the time of day, and goes on over an upgrade.
func (r *Recorder) Now() int64 { return r.At(time.Now()) }

// At is where on that clock a moment of this process is.
func (r *Recorder) At(moment time.Time) int64 { return r.before + moment.Sub(r.born).Milliseconds() }

// State is the history for another program. It costs a millisecond or two.
func (r *Recorder) State() State {
	r.mu.Lock()
	samples := r.ring.all()
	r.mu.Unlock()
	return State{Now: r.Now(), Samples: encode(samples)}
}

// Run looks until ctx ends. It is called once.
func (r *Recorder) Run(ctx context.Context) {
	defer r.end()
	next := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	var seen readings
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.faster:
			if soon := time.Now().Add(r.interval()); soon.Before(next) {
				next = soon
			}
		case <-timer.C:
			if reading, ok := r.look(ctx); ok {
				r.tell(&seen, reading)
			}
			next = next.Add(r.interval())
			if now := time.Now(); next.Before(now) {
				next = now.Add(r.interval())
			}
		}
		timer.Reset(time.Until(next))
	}
}

func (r *Recorder) look(ctx context.Context) (Reading, bool) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	snap, err := r.source(ctx)
	if err != nil {
		return Reading{}, false
	}
	return Read(time.Now(), snap), true
}

// readings are those of the last second, and the one that the next sample of the
// hour begins with.
type readings struct {
	last []Reading // the oldest first
	hour Reading   // zero: there is none
}

// tell makes a tick of a reading, and keeps the sample when its second is over.
func (r *Recorder) tell(seen *readings, is Reading) {
	every := r.interval()
	defer func() { seen.last = append(seen.last, is) }()
	if seen.hour.At.IsZero() {
		seen.hour = is
		return
	}
	// The newest that is a second old, as far as ticks hit that.
	for len(seen.last) > 1 && is.At.Sub(seen.last[1].At) >= second-every/2 {
		seen.last = seen.last[1:]
	}
	tick := &Tick{Wall: is.At, State: is.State, Live: Between(seen.last[0], is)}
	tick.Live.At = r.At(is.At)
	if is.At.Sub(seen.hour.At) >= second-every/2 {
		whole := Between(seen.hour, is)
		whole.At = tick.Live.At
		tick.Whole, seen.hour = &whole, is
	}
	r.publish(tick, every)
}

func (r *Recorder) publish(tick *Tick, every time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if tick.Whole != nil {
		r.ring.add(*tick.Whole)
	}
	for w := range r.watchers {
		if tick.Whole == nil && tick.Wall.Sub(w.last) < w.every-every/2 {
			continue
		}
		w.last = tick.Wall
		select {
		case w.c <- tick:
		default:
			r.forget(w)
		}
	}
}

// interval is that of the fastest watcher.
func (r *Recorder) interval() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	every := second
	for w := range r.watchers {
		every = min(every, w.every)
	}
	return every
}

// Watch begins to watch, with so many ticks in a second: from 1 to [MaxRate].
func (r *Recorder) Watch(rate int) *Watch {
	c := make(chan *Tick, room)
	w := &Watch{C: c, c: c, recorder: r, last: time.Now(), every: second / time.Duration(min(max(rate, 1), MaxRate))}
	r.mu.Lock()
	defer r.mu.Unlock()
	w.Past = r.ring.all()
	if r.ended {
		close(c)
		return w
	}
	r.watchers[w] = struct{}{}
	select {
	case r.faster <- struct{}{}:
	default:
	}
	return w
}

// End ends it. A second time it does nothing.
func (w *Watch) End() {
	w.recorder.mu.Lock()
	defer w.recorder.mu.Unlock()
	w.recorder.forget(w)
}

// forget is called with the lock.
func (r *Recorder) forget(w *Watch) {
	if _, watches := r.watchers[w]; watches {
		delete(r.watchers, w)
		close(w.c)
	}
}

func (r *Recorder) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
	for w := range r.watchers {
		r.forget(w)
	}
}
