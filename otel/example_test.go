package otel_test

import (
	"context"
	"fmt"
	"log"
	"net/http"

	"github.com/tandem-go/tandem/middleware"
	"github.com/tandem-go/tandem/orm"
	"github.com/tandem-go/tandem/otel"
	"github.com/tandem-go/tandem/trace"
	"github.com/tandem-go/tandem/view"
	"github.com/tandem-go/tandem/worker"
)

// A program exports to where OTEL_EXPORTER_OTLP_ENDPOINT says, and is as it was
// without it.
func Example() {
	ctx := context.Background()
	telemetry, err := otel.FromEnv(ctx)
	if err != nil {
		log.Fatal(err)
	}
	db, err := orm.Open(ctx, "var/app.db", telemetry.Statements())
	if err != nil {
		log.Fatal(err)
	}
	client := &http.Client{Transport: telemetry.Transport(http.DefaultTransport)}
	app := view.New(
		// At an edge callers do not choose what is recorded.
		telemetry.Requests(trace.Trust(func(r *http.Request) bool { return r.Header.Get("X-Internal") != "" })),
		middleware.AccessLog(log.Writer(), middleware.Log{Format: middleware.JSON}),
	)
	app.Routes(view.Path("GET /", func(ctx context.Context, _ *view.Request) (view.Response, error) {
		return view.Text(fmt.Sprint(client != nil, db.Dialect(), trace.FromContext(ctx).TraceID)), nil
	}))
	err = worker.Run(ctx, app, worker.Lifespan("telemetry", func(context.Context) (worker.StopFunc, error) {
		return telemetry.Shutdown, nil // when the last request has ended
	}))
	if err != nil {
		log.Fatal(err)
	}
}
