package view_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tandem-go/tandem/view"
)

// After Django's tests/middleware_exceptions and tests/deprecation/test_middleware_mixin.py.

// adapted serves one request with middleware around a view and returns what the
// log says was adapted. The server is async, as Django's is under ASGI.
func adapted(t *testing.T, rt view.Route, ms ...view.Middleware) []string {
	t.Helper()
	s := newSite(t, 1, []view.Route{rt})
	s.Use(ms...)
	expect(t, s.get("/"), http.StatusOK, "OK")
	for _, r := range s.log.all(t) {
		if r["msg"] == "route planned" {
			if r["adapted"] == "" {
				return nil
			}
			return strings.Split(r["adapted"].(string), "; ")
		}
	}
	t.Fatal("the plan was not logged")
	return nil
}

var (
	asyncOK = view.Path("/", func(context.Context, *view.Request) (view.Response, error) { return view.Text("OK"), nil })
	syncOK  = view.Path("/", func(*view.Request) (view.Response, error) { return view.Text("OK"), nil })
)

func TestDjangoSyncMiddleware(t *testing.T) {
	want := []string{"sync middleware s adapted for async server"} // the one at the door, which WSGI has elsewhere
	if got := adapted(t, syncOK, kinds['s']); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// A method is as good as a function.
type decorator struct{ header string }

func (d decorator) wrap(next view.SyncView) view.SyncView {
	return func(r *view.Request) (view.Response, error) {
		resp, err := next(r)
		return view.WithHeader(resp, d.header, "yes"), err
	}
}

func TestDjangoSyncDecoratedMiddleware(t *testing.T) {
	m := view.Use(decorator{"Decorated"}.wrap).Named("decorated")
	if got := adapted(t, syncOK, m); !slices.Equal(got, []string{"sync middleware decorated adapted for async server"}) {
		t.Errorf("%q", got)
	}
}

func TestDjangoAsyncMiddleware(t *testing.T) {
	if got := adapted(t, syncOK, kinds['a']); !slices.Equal(got, []string{"sync view adapted for async middleware a"}) {
		t.Errorf("%q", got)
	}
}

func TestDjangoSyncMiddlewareAsync(t *testing.T) {
	want := []string{"async view adapted for sync middleware s", "sync middleware s adapted for async server"}
	if got := adapted(t, asyncOK, kinds['s']); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestDjangoAsyncMiddlewareAsync(t *testing.T) {
	if got := adapted(t, asyncOK, kinds['a']); got != nil {
		t.Errorf("%q", got)
	}
}

func TestDjangoAsyncAndSyncMiddlewareAsyncCall(t *testing.T) {
	for _, k := range []byte("bp") {
		if got := adapted(t, asyncOK, kinds[k]); got != nil {
			t.Errorf("%c: %q", k, got)
		}
	}
}

func TestDjangoAsyncAndSyncMiddlewareSyncCall(t *testing.T) {
	for _, k := range []byte("bp") {
		if got := adapted(t, syncOK, kinds['s'], kinds[k], kinds['s']); !slices.Equal(got, []string{"sync middleware s adapted for async server"}) {
			t.Errorf("%c: %q", k, got)
		}
	}
}

// Middleware that is not used returns what it was given; it is still what it is.
func TestDjangoAsyncAndSyncMiddlewareChainAsyncCall(t *testing.T) {
	unused := view.Use(func(next view.SyncView) view.SyncView { return next }).Named("unused")
	want := []string{"async view adapted for sync middleware unused", "sync middleware unused adapted for async middleware b"}
	if got := adapted(t, asyncOK, kinds['b'], unused); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

func TestDjangoLog(t *testing.T) {
	unused := view.Use(func(next view.AsyncView) view.AsyncView { return next }).Named("unused")
	s := newSite(t, 1, []view.Route{asyncOK})
	s.Use(unused)
	expect(t, s.get("/"), http.StatusOK, "OK")
	var said []any
	for _, r := range s.log.all(t) {
		if r["msg"] == "route planned" {
			said = append(said, r["level"], r["middleware"])
		}
	}
	if !slices.Equal(said, []any{"DEBUG", "unused (async)"}) {
		t.Errorf("the log says %v", said)
	}
}

// statusSeen is middleware that tells what the layer below answered, as an error.
func statusSeen(seen *[]string, name string) view.Middleware {
	note := func(resp view.Response, err error) (view.Response, error) {
		*seen = append(*seen, fmt.Sprintf("%s: response %v, %v", name, resp != nil, err))
		return view.WithHeader(resp, "Seen-By", name), err
	}
	return view.Both(
		func(next view.AsyncView) view.AsyncView {
			return func(ctx context.Context, r *view.Request) (view.Response, error) { return note(next(ctx, r)) }
		},
		func(next view.SyncView) view.SyncView {
			return func(r *view.Request) (view.Response, error) { return note(next(r)) }
		},
	).Named(name)
}

var errInView = errors.New("error in view")

func TestDjangoViewExceptionConvertedBeforeMiddleware(t *testing.T) {
	for colour, rt := range map[string]view.Route{
		"async": view.Path("/", func(context.Context, *view.Request) (view.Response, error) { return nil, errInView }),
		"sync":  view.Path("/", func(*view.Request) (view.Response, error) { return nil, errInView }),
	} {
		for _, beside := range []byte("as") {
			var seen []string
			s := newSite(t, 1, []view.Route{rt})
			s.Use(statusSeen(&seen, "m"), kinds[beside])
			w := s.get("/")
			expectError(t, w, http.StatusInternalServerError, "Internal Server Error")
			if !slices.Equal(seen, []string{"m: response true, error in view"}) || w.Header().Get("Seen-By") != "m" {
				t.Errorf("%s beside %c: %q %v", colour, beside, seen, w.Header())
			}
		}
	}
}

func TestDjangoExceptionInMiddlewareConvertedBeforePriorMiddleware(t *testing.T) {
	notFound := &view.Error{Status: http.StatusNotFound, Message: "from middleware"}
	for name, inner := range map[string]view.Middleware{
		"async": view.Use(func(view.AsyncView) view.AsyncView {
			return func(context.Context, *view.Request) (view.Response, error) { return nil, notFound }
		}),
		"sync": view.Use(func(view.SyncView) view.SyncView {
			return func(*view.Request) (view.Response, error) { return nil, notFound }
		}),
		"before": view.Phases(func(*view.Request) (view.Response, error) { return nil, notFound }, nil),
		"after":  view.Phases(nil, func(*view.Request, view.Response) (view.Response, error) { return nil, notFound }),
	} {
		var seen []string
		s := newSite(t, 1, []view.Route{syncOK})
		s.Use(statusSeen(&seen, "outer"), inner)
		w := s.get("/")
		expectError(t, w, http.StatusNotFound, "from middleware")
		if !slices.Equal(seen, []string{"outer: response true, from middleware"}) || w.Header().Get("Seen-By") != "outer" {
			t.Errorf("%s: %q %v", name, seen, w.Header())
		}
	}
}

func TestDjangoViewExceptionHandledByProcessException(t *testing.T) {
	handles := view.Use(func(next view.AsyncView) view.AsyncView {
		return func(ctx context.Context, r *view.Request) (view.Response, error) {
			resp, err := next(ctx, r)
			if errors.Is(err, errInView) {
				return view.Text("exception caught"), nil
			}
			return resp, err
		}
	})
	for _, rt := range []view.Route{
		view.Path("/", func(context.Context, *view.Request) (view.Response, error) { return nil, errInView }),
		view.Path("/", func(*view.Request) (view.Response, error) { return nil, errInView }),
	} {
		var seen []string
		s := newSite(t, 1, []view.Route{rt})
		s.Use(statusSeen(&seen, "outer"), handles)
		expect(t, s.get("/"), http.StatusOK, "exception caught")
		if !slices.Equal(seen, []string{"outer: response true, <nil>"}) {
			t.Errorf("%q", seen)
		}
	}
}

func TestDjangoCoroutine(t *testing.T) {
	s := newSite(t, 1, []view.Route{asyncOK, view.Path("/sync", classic, view.With(kinds['s'], kinds['p'], kinds['s']))})
	s.Use(kinds['p'])
	for i, want := range []string{"[p (async)]", "[p (async) s (sync) p (sync) s (sync)]"} {
		if got := fmt.Sprint(s.Plan()[i].Layers); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

// Between sync and sync the phases are in the frame of the view: on its goroutine,
// and on its thread, if the route has one.
func TestDjangoSyncToAsyncUsesBaseThreadAndConnection(t *testing.T) {
	thread := func() string { return strconv.Itoa(unix.Gettid()) }
	var threads []string
	phases := view.Phases(
		func(*view.Request) (view.Response, error) { threads = append(threads, thread()); return nil, nil },
		func(_ *view.Request, resp view.Response) (view.Response, error) {
			threads = append(threads, thread())
			return resp, nil
		})
	s := newSite(t, 1, []view.Route{view.Path("/", func(*view.Request) (view.Response, error) {
		threads = append(threads, thread())
		return view.NoContent(), nil
	}, view.Pinned(), view.With(kinds['s'], phases))})
	expect(t, s.get("/"), http.StatusNoContent, "")
	if len(threads) != 3 || threads[0] != threads[1] || threads[1] != threads[2] {
		t.Errorf("before, view and after ran on %q", threads)
	}
	if n := s.Plan()[0].Crossings; n != 1 {
		t.Errorf("%d crossings", n)
	}
}
