package bridge_test

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/bridge"
)

// history is one random course of a few requests over few permits: frames below
// awaits below frames, some with a deadline, some abandoned at it, some ended by a
// panic or by Goexit, while the requests are cancelled and closed at any moment.
type history struct {
	t         *testing.T
	limits    bridge.Limits
	slow      *bridge.Limiter
	abandoned atomic.Uint64
	running   atomic.Int64
}

var errKaboom = errors.New("kaboom")

func dice(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

// pause is a time in which others may come first.
func pause(d *rand.Rand) time.Duration { return time.Duration(d.IntN(8)) * time.Millisecond }

// outcome checks that an error is one of those that there may be.
func (h *history) outcome(err error) {
	for _, known := range []error{
		bridge.ErrAbandoned, bridge.ErrSaturated, bridge.ErrScopeClosed, errGoodbye, context.Canceled, context.DeadlineExceeded,
	} {
		if errors.Is(err, known) {
			return
		}
	}
	if err != nil {
		h.t.Errorf("err = %v", err)
	}
}

// async is code that can be cancelled: it has frames run, one after the other or
// two at once.
func (h *history) async(ctx context.Context, seed uint64, depth int) {
	d := dice(seed)
	serial := new(atomic.Int64) // frames that have a turn here
	for range 1 + d.IntN(3) {
		select {
		case <-time.After(pause(d)):
		case <-ctx.Done():
		}
		if depth == 0 {
			continue
		}
		one, two := d.Uint64(), d.Uint64()
		if d.IntN(3) > 0 {
			h.frame(ctx, serial, one, depth-1)
			continue
		}
		_, _, err := bridge.Gather2(ctx,
			waiting(func(ctx context.Context) { h.frame(ctx, serial, one, depth-1) }),
			waiting(func(ctx context.Context) { h.frame(ctx, serial, two, depth-1) }))
		h.outcome(err)
	}
}

func (h *history) frame(ctx context.Context, serial *atomic.Int64, seed uint64, depth int) {
	d := dice(seed)
	var opts []bridge.SyncOption
	if d.IntN(4) == 0 {
		opts = append(opts, bridge.Pinned())
	} else {
		if d.IntN(3) == 0 {
			opts, serial = append(opts, bridge.Parallel()), new(atomic.Int64)
		}
		switch d.IntN(6) {
		case 0, 1:
			opts = append(opts, bridge.On(h.slow))
		case 2:
			opts = append(opts, bridge.On(h.limits.CPU))
		}
	}
	if d.IntN(2) == 0 {
		opts = append(opts, bridge.Abandonable())
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, pause(d))
		defer cancel()
	}
	defer func() {
		if v := recover(); v != nil && !errors.Is(bridge.Caught(v), errKaboom) {
			panic(v)
		}
	}()
	ran := make(chan struct{})
	_, err := bridge.RunSyncScoped(ctx, func(s *bridge.Scope) (struct{}, error) {
		h.running.Add(1)
		defer h.running.Add(-1)
		if serial.Add(1) > 1 {
			h.t.Error("two frames have the same turn")
		}
		defer serial.Add(-1)
		defer close(ran)
		h.sync(s, d.Uint64(), depth)
		switch d.IntN(16) {
		case 0:
			panic(errKaboom)
		case 1:
			runtime.Goexit() // ends what is around it on the same goroutine, too
		}
		return struct{}{}, nil
	}, opts...)
	h.outcome(err)
	switch {
	case errors.Is(err, bridge.ErrAbandoned):
		h.abandoned.Add(1)
	case err == nil:
		select {
		case <-ran:
		default:
			h.t.Error("a frame returned before its function did")
		}
	}
}

// sync is code that cannot be cancelled.
func (h *history) sync(s *bridge.Scope, seed uint64, depth int) {
	d := dice(seed)
	for range 1 + d.IntN(3) {
		time.Sleep(pause(d))
		if depth == 0 || d.IntN(2) == 0 {
			continue
		}
		below := d.Uint64()
		_, err := bridge.Await(s, waiting(func(ctx context.Context) { h.async(ctx, below, depth-1) }))
		h.outcome(err)
	}
}

func (h *history) request(seed uint64) {
	d := dice(seed)
	s := new(bridge.Scope)
	ctx := s.Open(h.t.Context(), h.limits)
	defer s.Close()
	if d.IntN(2) == 0 {
		time.AfterFunc(pause(d)*2, func() { s.Cancel(errGoodbye) })
	}
	if d.IntN(3) == 0 {
		time.AfterFunc(pause(d)*2, s.Close)
	}
	h.async(ctx, d.Uint64(), 3)
}

func FuzzEveryHistoryEndsIdle(f *testing.F) {
	for seed := range uint64(60) {
		f.Add(seed, uint8(seed%3), uint8(seed%4))
	}
	before := slog.Default() // who hears of the panics of what was abandoned
	slog.SetDefault(slog.New(slog.DiscardHandler))
	f.Cleanup(func() { slog.SetDefault(before) })
	f.Fuzz(func(t *testing.T, seed uint64, permits, queue uint8) {
		synctest.Test(t, func(t *testing.T) {
			opts := []bridge.LimiterOption{bridge.Queue(int(queue % 8)), bridge.QueueTimeout(5 * time.Millisecond)}
			h := &history{t: t, slow: bridge.NewLimiter(1, opts...)}
			h.limits = bridge.Limits{Blocking: bridge.NewLimiter(1+int(permits%4), opts...), CPU: bridge.NewCPULimiter(1, opts...)}
			d := dice(seed)
			for range 5 {
				request := d.Uint64()
				go h.request(request)
			}
			synctest.Wait()
			time.Sleep(time.Hour) // all that can still move moves; the bubble's end proves that nothing is left
			synctest.Wait()
			var abandoned uint64
			for _, l := range []*bridge.Limiter{h.limits.Blocking, h.limits.CPU, h.slow} {
				st := l.Stats()
				if st.InUse != 0 || st.Queued != 0 || st.Abandoned != 0 || st.OldestAbandoned != 0 {
					t.Errorf("limiter %q is not idle afterwards: %+v", l.Name(), st)
				}
				if err := l.WaitAbandoned(t.Context()); err != nil {
					t.Error(err)
				}
				abandoned += st.AbandonedTotal
			}
			if abandoned != h.abandoned.Load() || h.running.Load() != 0 {
				t.Errorf("%d counted as abandoned, %d callers told so; %d frames run on", abandoned, h.abandoned.Load(), h.running.Load())
			}
		})
	})
}
