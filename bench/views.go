package main

import (
	"context"
	"net/http"
	"time"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/view"
	"github.com/tandem-go/tandem/worker"
)

const (
	helloWaits = 100 * time.Millisecond
	// longWait is long enough to read a process's memory while ten thousand wait.
	longWait = 20 * time.Second
)

// serveViews is a worker with views that the app has no use for: one that waits
// for long, and one that blocks for long.
func serveViews(ctx context.Context) error {
	app := view.New(view.Limits(bridge.Limits{Blocking: bridge.NewLimiter(blockingPermits, bridge.QueueTimeout(0))}))
	app.Routes(
		view.Path("GET /wait/", func(ctx context.Context, _ *view.Request) (view.Response, error) {
			wait(ctx, longWait)
			return view.Text("done"), nil
		}),
		view.Path("GET /block/", func(*view.Request) (view.Response, error) {
			time.Sleep(time.Second) // as a driver does that knows no context
			return view.Text("done"), nil
		}),
		view.Path("GET /modern/", func(context.Context, *view.Request) (view.Response, error) {
			return view.JSON(map[string]string{"hello": "async"}), nil
		}),
		view.Path("GET /healthz", func(context.Context, *view.Request) (view.Response, error) {
			return view.Text("ok\n"), nil
		}),
	)
	return worker.Run(ctx, app, worker.ConfigureServer(func(s *http.Server) {
		s.Protocols = new(http.Protocols)
		s.Protocols.SetHTTP1(true)
		s.Protocols.SetUnencryptedHTTP2(true)
	}))
}
