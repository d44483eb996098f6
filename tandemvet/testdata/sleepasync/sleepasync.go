package sleepasync

import (
	"context"
	"net/http"
	"time"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/view"
)

func asyncView(ctx context.Context, r *view.Request) (view.Response, error) {
	time.Sleep(time.Second) // want `time.Sleep in async code: asyncView has a ctx, and the end of that does not end the sleep; select on a time.Timer and ctx.Done\(\)`
	func() {
		defer time.Sleep(time.Second) // want `asyncView has a ctx`
	}()
	return nil, nil
}

func middleware(next view.AsyncView) view.AsyncView {
	return func(ctx context.Context, r *view.Request) (view.Response, error) {
		time.Sleep(time.Millisecond) // want `the function literal has a ctx`
		return next(ctx, r)
	}
}

func awaited(r *view.Request) (view.Response, error) {
	time.Sleep(time.Second) // sync
	n, err := bridge.Await(r, func(ctx context.Context) (int, error) {
		time.Sleep(time.Second) // want `the function literal has a ctx`
		return 1, nil
	})
	return view.JSON(n), err
}

func gathered(ctx context.Context) error {
	_, _, err := bridge.Gather2(ctx,
		func(context.Context) (int, error) {
			time.Sleep(time.Second) // want `the function literal has a ctx`
			return 0, nil
		},
		slow)
	return err
}

func slow(_ context.Context) (int, error) {
	time.Sleep(time.Second) // want `slow has a ctx`
	return 0, nil
}

func syncView(r *view.Request) (view.Response, error) {
	time.Sleep(time.Second)
	return nil, nil
}

func legacy() { time.Sleep(time.Second) }

func crossing(ctx context.Context, r *view.Request) (view.Response, error) {
	return bridge.RunSync(ctx, func() (view.Response, error) {
		time.Sleep(time.Second)
		legacy()
		return nil, nil
	})
}

// Goroutines of their own keep nobody waiting.
func sibling(ctx context.Context) {
	go func() { time.Sleep(time.Second) }()
	go time.Sleep(time.Second)
	time.AfterFunc(time.Second, func() { time.Sleep(time.Second) })
}

func handle(http.ResponseWriter, *http.Request) { time.Sleep(time.Second) }

func setup(ctx context.Context) view.Route {
	http.HandleFunc("/", func(http.ResponseWriter, *http.Request) { time.Sleep(time.Second) })
	return view.Path("/x", func(*view.Request) (view.Response, error) { time.Sleep(time.Second); return nil, nil })
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

type clock struct{}

func (clock) Sleep(time.Duration) {}

func shadowed(ctx context.Context) {
	time := clock{}
	time.Sleep(1)
	sleep := func(context.Context) func() { return legacy }
	sleep(ctx)
}
