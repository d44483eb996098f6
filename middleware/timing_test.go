package middleware_test

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/middleware"
	"github.com/tandem-go/tandem/view"
)

func TestTimingTellsHowLongTheViewTook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const took = 12*time.Millisecond + 345*time.Microsecond
		inSync := view.Use(func(next view.SyncView) view.SyncView { return next })
		app := around(middleware.Timing(),
			view.Path("/async", func(context.Context, *view.Request) (view.Response, error) {
				time.Sleep(took)
				return view.NoContent(), nil
			}),
			view.Path("/sync", func(*view.Request) (view.Response, error) {
				time.Sleep(took)
				return nil, view.Errorf(410, "gone")
			}),
			view.Path("/inside", func(*view.Request) (view.Response, error) {
				time.Sleep(took)
				return view.NoContent(), nil
			}, view.With(inSync, middleware.Timing())),
		)
		for _, target := range []string{"/async", "/sync", "/inside"} {
			if got := do(app, "GET", target).Header["X-Elapsed-Ms"]; len(got) != 1 || got[0] != "12.345" {
				t.Errorf("%s: %q", target, got)
			}
		}
	})
}

func TestTimingHasTheWaitForAPermitInBothModes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asynchronous := view.Use(func(next view.AsyncView) view.AsyncView { return next })
		for name, ms := range map[string][]view.Middleware{"sync": {middleware.Timing()}, "async": {middleware.Timing(), asynchronous}} {
			app := view.New(view.Limits(bridge.Limits{Blocking: bridge.NewLimiter(1)}), view.Logger(slog.New(slog.DiscardHandler)))
			app.Routes(view.Path("/", func(*view.Request) (view.Response, error) {
				time.Sleep(time.Second)
				return view.NoContent(), nil
			}, view.With(ms...)))
			first := make(chan struct{})
			go func() {
				defer close(first)
				if got := do(app, "GET", "/").Header.Get("X-Elapsed-Ms"); got != "1000.000" {
					t.Errorf("%s: %q", name, got)
				}
			}()
			synctest.Wait()
			if got := do(app, "GET", "/").Header.Get("X-Elapsed-Ms"); got != "2000.000" {
				t.Errorf("%s, queued: %q", name, got)
			}
			<-first
		}
	})
}
