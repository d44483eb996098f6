package history

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/internal/metrics"
	"github.com/tandem-go/tandem/internal/scoreboard"
)

// service ends a request every ten milliseconds.
type service struct {
	born  time.Time
	looks atomic.Int64
	fails atomic.Bool
}

func (s *service) snapshot(context.Context) (metrics.Snapshot, error) {
	s.looks.Add(1)
	if s.fails.Load() {
		return metrics.Snapshot{}, errors.New("it does not answer")
	}
	n := uint64(time.Since(s.born) / (10 * time.Millisecond))
	snap := metrics.Snapshot{State: "running"}
	snap.Totals.Counted = true
	snap.Totals.Requests = []metrics.CodeTotal{{Code: metrics.Code{Method: "GET", Status: 200}, N: n}}
	snap.Totals.Duration.Counts = make([]uint64, len(scoreboard.DurationBounds)+1)
	snap.Totals.Duration.Counts[4] = n
	return snap, nil
}

// record runs a recorder for the test.
func record(t *testing.T, o Options) (*Recorder, *service) {
	t.Helper()
	s := &service{born: time.Now()}
	o.Source = s.snapshot
	r := New(o)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); r.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return r, s
}

func sum(samples []Sample) (n uint64) {
	for _, s := range samples {
		n += uint64(s.Ended[Successful])
	}
	return n
}

func TestASampleASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, s := record(t, Options{})
		time.Sleep(time.Minute + 500*time.Millisecond)
		w := r.Watch(1)
		defer w.End()
		if len(w.Past) != 60 || sum(w.Past) != 6000 {
			t.Fatalf("%d samples of %d requests after a minute, want 60 of 6000", len(w.Past), sum(w.Past))
		}
		if looks := s.looks.Load(); looks != 61 {
			t.Errorf("it has looked %d times", looks)
		}
		last := w.Past[59]
		if last.Span != 1000 || last.At != 60_000 || last.P50 < 5000 || last.P50 > 10_000 {
			t.Errorf("the last: %+v", last)
		}
		tick := <-w.C
		if tick.Whole == nil || tick.Whole.At != 61_000 || tick.State != "running" || tick.Live.Ended[Successful] != 100 {
			t.Errorf("then %+v", tick)
		}
	})
}

// Who wants more gets the last second, as often; the hour stays one sample a second
// and adds up.
func TestTenTicksASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, s := record(t, Options{})
		time.Sleep(2500 * time.Millisecond)
		slow, fast := r.Watch(1), r.Watch(10)
		defer slow.End()
		defer fast.End()
		past := slow.Past
		ticks := 0
		for deadline := time.After(10 * time.Second); ; {
			select {
			case tick := <-fast.C:
				ticks++
				if n := tick.Live.Ended[Successful]; n*10 != tick.Live.Span || tick.Live.Span < 900 || tick.Live.Span > 2000 {
					t.Errorf("a last second of %d ms and %d requests", tick.Live.Span, n)
				}
				continue
			case tick := <-slow.C:
				if tick.Whole == nil {
					t.Error("a tick between two samples for one who wants one a second")
					continue
				}
				past = append(past, *tick.Whole)
				continue
			case <-deadline:
			}
			break
		}
		if ticks < 98 || ticks > 102 {
			t.Errorf("%d ticks in 10 s", ticks)
		}
		if len(past) < 11 || len(past) > 13 {
			t.Errorf("%d samples after 12.5 s", len(past))
		}
		if n, until := sum(past), uint64(past[len(past)-1].At/10); n != until {
			t.Errorf("%d requests in the samples of the first %d ms", n, past[len(past)-1].At)
		}
		fast.End()
		fast.End()
		time.Sleep(2 * time.Second)
		looks := s.looks.Load()
		time.Sleep(20 * time.Second)
		if more := s.looks.Load() - looks; more > 21 {
			t.Errorf("%d looks in 20 s when nobody wants more than one a second", more)
		}
	})
}

func TestWhoIsTooSlowIsLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := record(t, Options{})
		w := r.Watch(10)
		defer w.End()
		time.Sleep(time.Minute)
		n := 0
		for range w.C {
			n++
		}
		if n != room {
			t.Errorf("it was told %d times, there is room for %d", n, room)
		}
		if again := r.Watch(1); len(again.Past) < 59 {
			t.Errorf("%d samples beside it", len(again.Past))
		}
	})
}

func TestAServiceThatDoesNotAnswerLeavesAGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, s := record(t, Options{})
		time.Sleep(5500 * time.Millisecond)
		s.fails.Store(true)
		time.Sleep(10 * time.Second)
		s.fails.Store(false)
		time.Sleep(5 * time.Second)
		past := r.Watch(1).Past
		if len(past) < 9 || len(past) > 11 {
			t.Errorf("%d samples", len(past))
		}
		if last := past[len(past)-1]; sum(past) != uint64(last.At/10) {
			t.Errorf("%d requests until %d ms", sum(past), last.At)
		}
	})
}

// The clock and the samples go on in the next program.
func TestAnUpgradeGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, _ := record(t, Options{})
		time.Sleep(30 * time.Second)
		was := first.State()
		second, _ := record(t, Options{Was: was, Ago: 700 * time.Millisecond})
		if now := second.Now(); now != 30_700 {
			t.Errorf("its clock says %d", now)
		}
		time.Sleep(10500 * time.Millisecond)
		past := second.Watch(1).Past
		if len(past) < 39 || len(past) > 41 || past[0].At != 1000 {
			t.Fatalf("%d samples from %d on", len(past), past[0].At)
		}
		for i := 1; i < len(past); i++ {
			if past[i].At <= past[i-1].At {
				t.Errorf("sample %d is of %d, after %d", i, past[i].At, past[i-1].At)
			}
		}
	})
}

// Its end ends who watches, and nobody begins after it.
func TestTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &service{born: time.Now()}
		r := New(Options{Source: s.snapshot})
		ctx, cancel := context.WithCancel(context.Background())
		w := r.Watch(1)
		cancel()
		r.Run(ctx)
		for range w.C {
		}
		for range r.Watch(1).C {
		}
		w.End()
	})
}

// Where a moment is does not depend on the time of day.
func TestWhereAMomentIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := record(t, Options{Was: State{Now: 50_000, Samples: encode([]Sample{{At: 1}})}})
		time.Sleep(3 * time.Second)
		if at := r.At(time.Now().Add(-2 * time.Second)); at != 51_000 {
			t.Errorf("two seconds ago is %d", at)
		}
		if at := r.At(time.Now().Add(-time.Minute)); at != -7000 {
			t.Errorf("a minute ago is %d", at)
		}
	})
}
