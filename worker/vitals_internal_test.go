package worker

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/bridge"
)

func TestTheBoardIsToldOfAbandonedSyncCode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, end := bridge.NewLimiter(2), make(chan struct{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := bridge.RunSync(ctx, func() (int, error) { <-end; return 0, nil }, bridge.On(l), bridge.Abandonable())
		if !errors.Is(err, bridge.ErrAbandoned) {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if s := sample(l); s.InUse != 1 || s.Abandoned != 1 || s.AbandonedTotal != 1 || s.OldestAbandoned != 61*time.Second {
			t.Errorf("%+v", s)
		}
		close(end)
		if err := l.WaitAbandoned(t.Context()); err != nil {
			t.Error(err)
		}
		if s := sample(l); s.Abandoned != 0 || s.AbandonedTotal != 1 || s.OldestAbandoned != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// app has limiters of its own.
type app struct {
	http.Handler
	limits bridge.Limits
}

func (a app) Limits() bridge.Limits { return a.limits }

func TestTheLimitersThatAreShown(t *testing.T) {
	own := bridge.Limits{Blocking: bridge.NewLimiter(3), CPU: bridge.NewCPULimiter(1)}
	def := bridge.DefaultLimits()
	for name, c := range map[string]struct {
		h    http.Handler
		opts []Option
		want []*bridge.Limiter
	}{
		"of any handler":              {http.NotFoundHandler(), nil, []*bridge.Limiter{def.Blocking, def.CPU}},
		"of one that has some":        {app{limits: own}, nil, []*bridge.Limiter{own.Blocking, own.CPU}},
		"of one that has one":         {app{limits: bridge.Limits{CPU: own.CPU}}, nil, []*bridge.Limiter{own.CPU}},
		"those that the program says": {app{limits: own}, []Option{Permits(def.CPU)}, []*bridge.Limiter{def.CPU}},
	} {
		t.Run(name, func(t *testing.T) {
			r := &run{options: settings(c.opts), handler: c.h}
			if got := r.shown(); !slices.Equal(got, c.want) {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}
