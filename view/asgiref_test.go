package view_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/view"
)

// asgiref's own tests of what happens across a whole request, in tests/test_sync.py,
// test_sync_contextvars.py, test_local.py and test_testing.py.

var errDisconnected = errors.New("the client is gone")

// shielded serves a request whose client goes away while an async view waits for a
// task that is shielded from that: the view is told, the task ends, and then the
// view does.
func shielded(t *testing.T, stack string, shield func(context.Context, func(context.Context)) error) {
	synctest.Test(t, func(t *testing.T) {
		started, blocker := make(chan struct{}), make(chan struct{})
		var executed, caught, complete bool
		asyncView := func(ctx context.Context, _ *view.Request) (view.Response, error) {
			task := make(chan error, 1)
			go func() {
				task <- shield(context.WithoutCancel(ctx), func(ctx context.Context) {
					close(started)
					<-blocker
					executed = ctx.Err() == nil
				})
			}()
			<-ctx.Done()
			caught = errors.Is(context.Cause(ctx), errDisconnected)
			close(blocker)
			err := <-task
			complete = true
			return view.Text("complete"), err
		}
		var ms []view.Middleware
		for _, kind := range []byte(stack) {
			ms = append(ms, kinds[kind])
		}
		s := newSite(t, 1, []view.Route{view.Path("/", asyncView)})
		s.Use(ms...)
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() { <-started; cancel(errDisconnected) }()
		w := s.do(httptest.NewRequestWithContext(ctx, "GET", "/", nil))
		if !executed || !caught || !complete {
			t.Errorf("task executed %v, cancellation caught %v, view complete %v; want all", executed, caught, complete)
		}
		if seen := w.Header().Values("Seen"); w.Body.String() != "complete" || len(seen) == 0 {
			t.Errorf("middleware was cancelled too: %d %q, seen by %v", w.Code, w.Body, seen)
		}
		if want := strings.Count(stack, "s") * 2; s.Plan()[0].Crossings != want {
			t.Errorf("%d crossings, want %d", s.Plan()[0].Crossings, want)
		}
	})
}

// direct runs an async task as it is.
func direct(ctx context.Context, task func(context.Context)) error { task(ctx); return nil }

func TestAsgirefInnerShieldSyncMiddleware(t *testing.T)         { shielded(t, "s", direct) }
func TestAsgirefInnerShieldAsyncMiddleware(t *testing.T)        { shielded(t, "a", direct) }
func TestAsgirefInnerShieldSyncAndAsyncMiddleware(t *testing.T) { shielded(t, "sasas", direct) }

func TestAsgirefInnerShieldSyncAndAsyncMiddlewareSyncTask(t *testing.T) {
	shielded(t, "sasas", func(ctx context.Context, task func(context.Context)) error {
		_, err := bridge.RunSyncScoped(ctx, func(s *bridge.Scope) (struct{}, error) {
			return bridge.Await(s, func(ctx context.Context) (struct{}, error) { task(ctx); return struct{}{}, nil })
		})
		return err
	})
}

type fooKey struct{}

// foo is the request's value; values go both ways.
func foo(r *view.Request) string {
	v, _ := view.Value[string](r, fooKey{})
	return v
}

func TestAsgirefSyncToAsyncContextvars(t *testing.T) {
	s := newSite(t, 1, []view.Route{view.Path("/", func(ctx context.Context, r *view.Request) (view.Response, error) {
		r.Set(fooKey{}, "bar")
		n, err := bridge.RunSync(ctx, func() (int, error) {
			if foo(r) != "bar" {
				t.Errorf("sync code finds %q", foo(r))
			}
			r.Set(fooKey{}, "baz")
			return 42, nil
		})
		if n != 42 {
			t.Errorf("n = %d", n)
		}
		return view.Text(foo(r)), err
	})})
	expect(t, s.get("/"), 200, "baz")
}

func TestAsgirefAsyncToSyncContextvars(t *testing.T) {
	withFoo := view.Use(func(next view.AsyncView) view.AsyncView {
		return func(ctx context.Context, r *view.Request) (view.Response, error) {
			return next(context.WithValue(ctx, fooKey{}, "down"), r)
		}
	})
	s := newSite(t, 1, []view.Route{view.Path("/", func(r *view.Request) (view.Response, error) {
		r.Set(fooKey{}, "bar")
		n, err := bridge.Await(r, func(ctx context.Context) (int, error) {
			if foo(r) != "bar" || ctx.Value(fooKey{}) != "down" {
				t.Errorf("async code finds %q, and %v in its ctx", foo(r), ctx.Value(fooKey{}))
			}
			r.Set(fooKey{}, "baz")
			return 42, nil
		})
		if n != 42 {
			t.Errorf("n = %d", n)
		}
		return view.Text(foo(r)), err
	}, view.With(withFoo))})
	expect(t, s.get("/"), 200, "baz")
}

func TestAsgirefLocalManyLayers(t *testing.T) {
	s := newSite(t, 1, []view.Route{view.Path("/", func(r *view.Request) (view.Response, error) {
		r.Set(fooKey{}, "8374")
		nest := func(f func(context.Context) (struct{}, error)) func(context.Context) (struct{}, error) {
			return func(ctx context.Context) (struct{}, error) {
				return bridge.RunSync(ctx, func() (struct{}, error) { return bridge.Await(r, f) })
			}
		}
		_, err := bridge.Await(r, nest(nest(func(context.Context) (struct{}, error) {
			if foo(r) != "8374" {
				t.Errorf("the innermost function finds %q", foo(r))
			}
			r.Set(fooKey{}, "miracles")
			return struct{}{}, nil
		})))
		return view.Text(foo(r)), err
	})})
	expect(t, s.get("/"), 200, "miracles")
}

// Nothing comes before the request is there, what comes comes once, and nothing
// after it.
func TestAsgirefReceiveNothing(t *testing.T) {
	var begun atomic.Bool
	s := newSite(t, 1, []view.Route{view.Path("POST /", func(r *view.Request) (view.Response, error) {
		begun.Store(true)
		_, err := io.Copy(io.Discard, r.Body())
		return view.Text("content"), err
	})})
	srv := httptest.NewServer(s)
	defer srv.Close()
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	send := func(part string) {
		if _, err := io.WriteString(conn, part); err != nil {
			t.Fatal(err)
		}
	}
	// The server says 100 when the body is asked for: it has the header by then.
	send("POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 8\r\n\r\n")
	in := bufio.NewReader(conn)
	if line, err := in.ReadString('\n'); !strings.HasPrefix(line, "HTTP/1.1 100 ") {
		t.Fatalf("%q, %v", line, err)
	}
	send("half")
	if begun.Load() {
		t.Error("the view began without the rest of the body")
	}
	send("half")
	if line, err := in.ReadString('\n'); line != "\r\n" {
		t.Fatalf("%q, %v", line, err)
	}
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil || string(body) != "content" {
		t.Errorf("%q, %v", body, err)
	}
	if rest, err := io.ReadAll(in); err != nil || len(rest) > 0 {
		t.Errorf("after the answer: %q, %v", rest, err)
	}
}

// asgiref's second test of it makes the communicator outside a loop: here the
// handler is called without a server.
func TestAsgirefReceiveNothingLazyLoop(t *testing.T) {
	s := newSite(t, 1, []view.Route{view.Path("/", func(*view.Request) (view.Response, error) { return view.Text("content"), nil })})
	w := &counted{ResponseRecorder: httptest.NewRecorder()}
	s.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	expect(t, w.ResponseRecorder, 200, "content")
	if want := []string{"body"}; !slices.Equal(w.calls, want) { // the header goes with it
		t.Errorf("the server was told %v, want %v", w.calls, want)
	}
}

type counted struct {
	*httptest.ResponseRecorder
	calls []string
}

func (c *counted) WriteHeader(code int) {
	c.calls = append(c.calls, "header")
	c.ResponseRecorder.WriteHeader(code)
}

func (c *counted) Write(b []byte) (int, error) {
	c.calls = append(c.calls, "body")
	return c.ResponseRecorder.Write(b)
}
