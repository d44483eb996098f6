package middleware_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tandem-go/tandem/middleware"
	"github.com/tandem-go/tandem/view"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func async(context.Context, *view.Request) (view.Response, error) { return view.Text("async"), nil }

func classic(*view.Request) (view.Response, error) { return view.Text("sync"), nil }

// around makes an app with middleware around its routes.
func around(m view.Middleware, routes ...view.Route) *view.App {
	app := view.New(view.Logger(slog.New(slog.DiscardHandler)))
	app.Use(m)
	app.Routes(routes...)
	return app
}

// do serves one request; the header is of pairs of name and value.
func do(h http.Handler, method, target string, header ...string) *http.Response {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, resp *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// made is middleware whose settings are right.
func made(t *testing.T) func(view.Middleware, error) view.Middleware {
	return func(m view.Middleware, err error) view.Middleware {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
}

func TestNothingHereAddsACrossing(t *testing.T) {
	must := made(t)
	for _, m := range []view.Middleware{
		middleware.RequestID(), middleware.Timing(),
		must(middleware.SecurityHeaders(middleware.Security{})),
		must(middleware.CSRF(middleware.CrossOrigin{})),
		must(middleware.CORS(middleware.Sharing{Origins: []string{"*"}})),
		must(middleware.Compress(middleware.Compression{})),
		must(middleware.RateLimit(middleware.Rate{Requests: 100, Per: time.Second})),
		must(middleware.Decompress(middleware.Decompression{})),
	} {
		inSync := view.Use(func(next view.SyncView) view.SyncView { return next })
		app := around(m, view.Path("/async", async), view.Path("/sync", classic), view.Path("/below", classic, view.With(inSync, m)))
		for i, want := range []int{0, 1, 1} {
			plan := app.Plan()[i]
			if plan.Crossings != want {
				t.Errorf("%v around %s: %d crossings, want %d", plan.Layers, plan.Pattern, plan.Crossings, want)
			}
			resp := do(app, "GET", plan.Pattern)
			if got := body(t, resp); resp.StatusCode != 200 || got == "" {
				t.Errorf("%v around %s: %d %q", plan.Layers, plan.Pattern, resp.StatusCode, got)
			}
		}
		if name := app.Plan()[0].Layers[0].Name; name == "" || len(name) > 20 {
			t.Errorf("named %q", name)
		}
	}
}

func TestRequestIDIsTheClientsOrOneOfOurs(t *testing.T) {
	app := around(middleware.RequestID(),
		view.Path("/ok", func(_ context.Context, r *view.Request) (view.Response, error) { return view.Text(r.ID()), nil }),
		view.Path("/sync", func(r *view.Request) (view.Response, error) { return view.Text(r.ID()), nil }),
	)
	for _, target := range []string{"/ok", "/sync"} {
		resp := do(app, "GET", target, "X-Request-Id", "abc-1")
		if id := resp.Header.Get("X-Request-Id"); id != "abc-1" || body(t, resp) != id {
			t.Errorf("%s: id %q", target, id)
		}
		for _, insane := range []string{"", "two words", "<b>"} {
			resp := do(app, "GET", target, "X-Request-Id", insane)
			if id := resp.Header.Get("X-Request-Id"); id == "" || id == insane || body(t, resp) != id {
				t.Errorf("%s: %q became %q", target, insane, id)
			}
		}
	}
	if resp := do(app, "GET", "/nowhere", "X-Request-Id", "abc-2"); resp.StatusCode != 404 || resp.Header.Get("X-Request-Id") != "abc-2" {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
}
