package view_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/internal/tally"
	"github.com/tandem-go/tandem/view"
)

// query is a query of one millisecond, as far as the record of them is told.
func query(ctx context.Context) (none struct{}, err error) {
	tally.Of(ctx).Add("SELECT 1", time.Millisecond)
	return none, nil
}

// syncQuery is the same from sync code.
func syncQuery(s bridge.Scoped) error {
	_, err := bridge.Await(s, query)
	return err
}

func queries(ctx context.Context, _ *view.Request) (view.Response, error) {
	_, err := query(ctx)
	return view.NoContent(), err
}

func syncQueries(r *view.Request) (view.Response, error) { return view.NoContent(), syncQuery(r) }

func plainQueries(w http.ResponseWriter, r *http.Request) {
	_, _ = query(r.Context())
	w.WriteHeader(http.StatusNoContent)
}

// asks are pieces of middleware that make one query before and one after.
var asks = map[string]view.Middleware{
	"async": view.Use(func(next view.AsyncView) view.AsyncView {
		return func(ctx context.Context, r *view.Request) (view.Response, error) {
			_, before := query(ctx)
			resp, err := next(ctx, r)
			_, after := query(ctx)
			return resp, errors.Join(before, err, after)
		}
	}),
	"sync": view.Use(func(next view.SyncView) view.SyncView {
		return func(r *view.Request) (view.Response, error) {
			before := syncQuery(r)
			resp, err := next(r)
			return resp, errors.Join(before, err, syncQuery(r))
		}
	}),
	"http": view.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = query(r.Context())
			next.ServeHTTP(w, r)
			_, _ = query(r.Context())
		})
	}),
}

// gathers makes one query of its own and eight of sync functions at once.
func gathers(ctx context.Context, r *view.Request) (view.Response, error) {
	inner := bridge.SyncToAsyncScoped(func(s *bridge.Scope, _ int) (struct{}, error) { return struct{}{}, syncQuery(s) })
	if _, err := bridge.GatherAll(ctx, 0, make([]int, 8), inner); err != nil {
		return nil, err
	}
	return queries(ctx, r)
}

func TestEveryQueryOfARequestIsCounted(t *testing.T) {
	nested := view.New(view.Logger(slog.New(slog.DiscardHandler)))
	nested.Routes(view.Path("/", queries))
	panics := func(r *view.Request) (view.Response, error) {
		_ = syncQuery(r)
		panic("kaboom")
	}
	tests := map[string]struct {
		route  view.Route
		want   int
		header string // in Server-Timing; "" for nothing of it
	}{
		"none":                   {view.Path("/", modern), 0, ""},
		"async":                  {view.Path("/", queries), 1, `db;dur=1.000;desc="1 query"`},
		"sync":                   {view.Path("/", syncQueries), 1, `db;dur=1.000;desc="1 query"`},
		"pinned":                 {view.Path("/", syncQueries, view.Pinned()), 1, `db;dur=1.000;desc="1 query"`},
		"plain":                  {view.Path("/", plainQueries), 1, `db;dur=1.000;desc="1 query"`},
		"blocking":               {view.Path("/", view.Blocking(http.HandlerFunc(plainQueries))), 1, `db;dur=1.000;desc="1 query"`},
		"with a deadline":        {view.Path("/", syncQueries, view.Deadline(time.Minute)), 1, `db;dur=1.000;desc="1 query"`},
		"gathered":               {view.Path("/", gathers), 9, `db;dur=9.000;desc="9 queries"`},
		"panic":                  {view.Path("/", panics), 1, `db;dur=1.000;desc="1 query"`},
		"async middleware":       {view.Path("/", syncQueries, view.With(asks["async"])), 3, `db;dur=3.000;desc="3 queries"`},
		"sync middleware":        {view.Path("/", queries, view.With(asks["sync"])), 3, `db;dur=3.000;desc="3 queries"`},
		"all middleware":         {view.Path("/", queries, view.With(asks["sync"], asks["http"], asks["async"])), 7, `db;dur=5.000;desc="5 queries"`},
		"net/http middleware":    {view.Path("/", modern, view.With(asks["http"])), 2, ""},
		"an app within":          {view.Path("/", func(_ context.Context, r *view.Request) (view.Response, error) { return view.HTTP(nested), nil }, view.With(asks["async"])), 3, `db;dur=3.000;desc="3 queries"`},
		"labelled by the server": {view.Path("/", queries, view.With(view.Use(labelling))), 1, `db;dur=1.000;desc="1 query"`},
	}
	for name, test := range tests {
		for profile, opts := range profiles {
			t.Run(name+", "+profile, func(t *testing.T) {
				w := newWatcher()
				s := newSite(t, 1, []view.Route{test.route}, append(opts, view.Observe(w.observe), view.ServerTiming(nil))...)
				timing := s.get("/").Header().Get("Server-Timing")
				got := w.only(t)
				if got.Queries != test.want || got.QueryTime != time.Duration(test.want)*time.Millisecond {
					t.Errorf("%d queries in %v, want %d", got.Queries, got.QueryTime, test.want)
				}
				if has := strings.Contains(timing, "db;"); has != (test.header != "") || !strings.Contains(timing, test.header) {
					t.Errorf("Server-Timing: %s\nwant in it: %s", timing, test.header)
				}
			})
		}
	}
}

// labelling has what is inside find labels in its context already.
func labelling(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		pprof.Do(r.Context(), pprof.Labels("tenant", "7"), func(ctx context.Context) { next.ServeHTTP(w, r.WithContext(ctx)) })
	})
}

func TestAnAppWithinCountsItsOwnQueries(t *testing.T) {
	w := newWatcher()
	inner := newSite(t, 1, []view.Route{view.Path("/", queries, view.With(asks["http"]))}, view.Observe(w.observe))
	outer := newSite(t, 1, []view.Route{view.Path("/", func(ctx context.Context, r *view.Request) (view.Response, error) {
		_, err := query(ctx)
		return view.HTTP(inner), err
	})}, view.Observe(w.observe))
	outer.get("/")
	if in, out := <-w, <-w; in.Queries != 3 || out.Queries != 4 {
		t.Errorf("%d queries within and %d in all, want 3 and 4", in.Queries, out.Queries)
	}
}

func TestARecordKnowsItsRouteAndRequest(t *testing.T) {
	var ids []string
	note := func(ctx context.Context) {
		r := tally.Of(ctx)
		if r.Route() != "GET /posts/{id}/" {
			t.Errorf("route %q", r.Route())
		}
		ids = append(ids, r.RequestID())
	}
	var id string
	s := newSite(t, 1, []view.Route{view.Path("GET /posts/{id}/", func(r *view.Request) (view.Response, error) {
		id = r.ID()
		return bridge.Await(r, func(ctx context.Context) (view.Response, error) {
			note(ctx)
			return view.NoContent(), nil
		})
	}, view.Deadline(time.Minute), view.With(view.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { note(r.Context()); next.ServeHTTP(w, r) })
	})))}, view.Observe(func(*view.Request, view.Outcome) {}))
	s.get("/posts/7/")
	if len(ids) != 2 || ids[0] != "" || ids[1] != id { // the first is asked before there is one
		t.Errorf("%q, want none and %q", ids, id)
	}
	ids = nil
	r := httptest.NewRequest("GET", "/posts/7/", nil)
	r.Header.Set("X-Request-Id", "abc")
	s.do(r)
	if len(ids) != 2 || ids[0] != "abc" || ids[1] != "abc" {
		t.Errorf("%q, want twice abc", ids)
	}
}

func TestTheEndOfARequestIsThatOfItsRecord(t *testing.T) {
	var told []int
	s := newSite(t, 1, []view.Route{view.Path("/", func(ctx context.Context, r *view.Request) (view.Response, error) {
		tally.Of(ctx).AtEnd(func(all *tally.Record) {
			n, _ := all.Total()
			told = append(told, n)
		})
		return queries(ctx, r)
	})})
	s.get("/")
	s.get("/")
	if len(told) != 2 || told[0] != 1 || told[1] != 1 {
		t.Errorf("told of %v queries, want 1 and 1", told)
	}
}

// What sync code does after its request was answered is counted by nobody's outcome,
// and harms nobody.
func TestAnOutcomeHasTheQueriesUntilTheAnswer(t *testing.T) {
	bubble(t, func(t *testing.T, opts ...view.Option) {
		w, end := newWatcher(), make(chan struct{})
		var record *tally.Record
		s := newSite(t, 1, []view.Route{view.Path("/", func(r *view.Request) (view.Response, error) {
			_, _ = bridge.Await(r, func(ctx context.Context) (struct{}, error) {
				record = tally.Of(ctx)
				return query(ctx)
			})
			<-end
			record.Add("SELECT 2", time.Millisecond)
			return view.NoContent(), nil
		}, view.Deadline(time.Second))}, append(opts, view.Observe(w.observe))...)
		expectError(t, s.get("/"), http.StatusGatewayTimeout, "Gateway Timeout")
		if got := w.only(t); got.Queries != 1 || got.QueryTime != time.Millisecond {
			t.Errorf("%d queries in %v, want 1 in 1ms", got.Queries, got.QueryTime)
		}
		close(end)
		if err := s.limits.Blocking.WaitAbandoned(t.Context()); err != nil {
			t.Error(err)
		}
		if n, _ := record.Total(); n != 2 {
			t.Errorf("%d queries in the end, want 2", n)
		}
	})
}

func TestTheRecordIsMadeByTheFirstQuery(t *testing.T) {
	count := func(h view.AsyncView) float64 {
		s := newSite(t, 1, []view.Route{view.Path("/", h)})
		r, w := httptest.NewRequest("GET", "/", nil), &nowhere{http.Header{}}
		return testing.AllocsPerRun(100, func() { s.ServeHTTP(w, r) })
	}
	none := count(func(context.Context, *view.Request) (view.Response, error) { return view.NoContent(), nil })
	some := count(queries)
	if some-none != 3 { // the record, its texts, and how to find the request's id
		t.Errorf("%v allocations without queries, %v with one", none, some)
	}
}
