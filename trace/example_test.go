package trace_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"

	"github.com/tandem-go/tandem/trace"
	"github.com/tandem-go/tandem/view"
)

func ExampleRequests() {
	app := view.New(trace.Requests())
	app.Routes(
		view.Path("/async", func(ctx context.Context, _ *view.Request) (view.Response, error) {
			return view.Text("async: " + trace.FromContext(ctx).TraceID.String()), nil
		}),
		view.Path("/sync", func(r *view.Request) (view.Response, error) {
			return view.Text("sync:  " + trace.Of(r).TraceID.String()), nil
		}),
	)
	for _, target := range []string{"/async", "/sync"} {
		r, w := httptest.NewRequest("GET", target, nil), httptest.NewRecorder()
		r.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
		app.ServeHTTP(w, r)
		fmt.Println(w.Body)
	}
	// Output:
	// async: 0af7651916cd43dd8448eb211c80319c
	// sync:  0af7651916cd43dd8448eb211c80319c
}

func ExampleLogHandler() {
	log := slog.New(trace.LogHandler(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	})))
	caller, err := trace.ParseTraceparent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	if err != nil {
		fmt.Println(err)
		return
	}
	log.InfoContext(trace.NewContext(context.Background(), caller), "charged")
	// Output:
	// level=INFO msg=charged trace_id=0af7651916cd43dd8448eb211c80319c span_id=b7ad6b7169203331
}
