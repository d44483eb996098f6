package view_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/view"
)

// told is what an observer was told.
type told struct {
	view.Outcome
	method, path, id, user string
}

// watcher collects what it is told, in order.
type watcher chan told

func newWatcher() watcher { return make(watcher, 16) }

func (w watcher) observe(r *view.Request, o view.Outcome) {
	w <- told{o, r.Method(), r.URL().Path, r.ID(), r.User().Name}
}

// only returns the one thing it must have been told.
func (w watcher) only(t *testing.T) told {
	t.Helper()
	select {
	case one := <-w:
		select {
		case more := <-w:
			t.Fatalf("told twice: %+v and %+v", one, more)
		default:
		}
		return one
	default:
		t.Fatal("told nothing")
		return told{}
	}
}

func TestObserversAreToldOnceOfEveryRequest(t *testing.T) {
	boom := errors.New("boom")
	half := func(err error) view.AsyncView {
		return func(context.Context, *view.Request) (view.Response, error) {
			return view.Stream(func(yield func([]byte, error) bool) {
				if yield([]byte("half"), nil) {
					yield(nil, err)
				}
			}), nil
		}
	}
	hides := view.Use(func(next view.AsyncView) view.AsyncView {
		return func(ctx context.Context, r *view.Request) (view.Response, error) {
			_, _ = next(ctx, r)
			return view.Text("nothing happened"), nil
		}
	})
	stops := view.Use(func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	})
	breaks := view.Use(func(http.Handler) http.Handler {
		return http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("kaboom") })
	})
	breaksLate := view.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(w, r); panic("kaboom") })
	})
	aborts := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	panicky := func(*view.Request) (view.Response, error) { panic("kaboom") }
	routes := []view.Route{
		view.Path("GET /modern/", modern),
		view.Path("GET /classic/", classic),
		view.Path("GET /wrapped", classic, view.With(view.Use(plainMiddleware))),
		view.Path("GET /empty", func(http.ResponseWriter, *http.Request) {}),
		view.Path("GET /error", func(*view.Request) (view.Response, error) { return nil, view.Errorf(409, "taken: %w", boom) }),
		view.Path("GET /panic", panicky),
		view.Path("GET /hidden", panicky, view.With(hides)),
		view.Path("GET /half", half(boom)),
		view.Path("GET /abort", aborts),
		view.Path("GET /stopped", modern, view.With(stops)),
		view.Path("GET /broken", modern, view.With(breaks)),
		view.Path("GET /broken-late", modern, view.With(breaksLate)),
		view.Path("GET /user", func(r *view.Request) (view.Response, error) {
			r.SetUser(view.User{Name: "ada"})
			return view.NoContent(), nil
		}),
	}
	kaboom := func(err error) bool {
		var p *bridge.PanicError
		return errors.As(err, &p) && p.Value == "kaboom"
	}
	is := func(want error) func(error) bool { return func(err error) bool { return errors.Is(err, want) } }
	cases := []struct {
		request   string
		status    int
		crossings int
		pattern   string
		err       func(error) bool
		aborted   bool
	}{
		{request: "GET /modern/", status: 200, pattern: "GET /modern/"},
		{request: "HEAD /modern/", status: 200, pattern: "GET /modern/"},
		{request: "GET /classic/", status: 200, crossings: 1, pattern: "GET /classic/"},
		{request: "GET /wrapped", status: 200, crossings: 1, pattern: "GET /wrapped"},
		{request: "GET /empty", status: 200, pattern: "GET /empty"},
		{request: "GET /error", status: 409, crossings: 1, pattern: "GET /error", err: is(boom)},
		{request: "GET /panic", status: 500, crossings: 1, pattern: "GET /panic", err: kaboom},
		{request: "GET /hidden", status: 200, crossings: 1, pattern: "GET /hidden", err: kaboom},
		{request: "GET /half", status: 200, pattern: "GET /half", err: is(boom), aborted: true},
		{request: "GET /abort", pattern: "GET /abort", err: is(http.ErrAbortHandler), aborted: true},
		{request: "GET /stopped", status: 418, pattern: "GET /stopped"},
		{request: "GET /broken", status: 500, pattern: "GET /broken", err: kaboom},
		{request: "GET /broken-late", status: 200, pattern: "GET /broken-late", err: kaboom, aborted: true},
		{request: "GET /user", status: 204, crossings: 1, pattern: "GET /user"},
		{request: "GET /nowhere", status: 404, pattern: "/", err: func(err error) bool { return err != nil }},
		{request: "DELETE /modern/", status: 405, pattern: "/", err: func(err error) bool { return err != nil }},
		{request: "GET /modern", status: 307}, // ServeMux's own
	}
	for _, c := range cases {
		t.Run(c.request, func(t *testing.T) {
			first, second := newWatcher(), newWatcher()
			s := newSite(t, 1, routes, view.Observe(first.observe), view.Observe(second.observe))
			method, target, _ := strings.Cut(c.request, " ")
			r := httptest.NewRequest(method, target, nil)
			r.Header.Set("X-Request-Id", "abc")
			w := httptest.NewRecorder()
			aborted := func() (v any) {
				defer func() { v = recover() }()
				s.ServeHTTP(w, r)
				return nil
			}()
			if (aborted != nil) != c.aborted || c.aborted && aborted != any(http.ErrAbortHandler) {
				t.Errorf("panic %v", aborted)
			}
			got := first.only(t)
			if second.only(t).Outcome != got.Outcome {
				t.Error("the second observer was told otherwise")
			}
			bytes := int64(w.Body.Len())
			if method == http.MethodHead {
				bytes = 0
			}
			if got.Status != c.status || got.Status != 0 && got.Status != w.Code || got.Bytes != bytes || got.Crossings != c.crossings || got.method != method || got.path != r.URL.Path || got.id != "abc" {
				t.Errorf("told %+v", got)
			}
			if c.err == nil && got.Err != nil || c.err != nil && !c.err(got.Err) {
				t.Errorf("error %v", got.Err)
			}
			switch {
			case c.pattern == "" && got.Plan != nil:
				t.Errorf("plan %+v of no route", got.Plan)
			case c.pattern != "" && (got.Plan == nil || got.Plan.Pattern != c.pattern):
				t.Errorf("plan %+v, want that of %s", got.Plan, c.pattern)
			}
			if target == "/user" && got.user != "ada" {
				t.Errorf("user %q", got.user)
			}
		})
	}
}

func TestAnOutcomeHasTheTimesOfItsRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := newWatcher()
		l := bridge.NewLimiter(1)
		app := view.New(view.Limits(bridge.Limits{Blocking: l}), view.Observe(seen.observe))
		app.Routes(view.Path("/", func(*view.Request) (view.Response, error) {
			time.Sleep(2 * time.Second)
			return view.NoContent(), nil
		}))
		first := make(chan struct{})
		go func() {
			defer close(first)
			app.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
		}()
		synctest.Wait()
		app.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
		<-first
		for _, want := range [][2]time.Duration{{2 * time.Second, 0}, {4 * time.Second, 2 * time.Second}} {
			if got := <-seen; got.Duration != want[0] || got.QueueWait != want[1] {
				t.Errorf("%v, %v of it queued; want %v", got.Duration, got.QueueWait, want)
			}
		}
	})
}

func TestAnOutcomeHasWhatCameAndWhenTheAnswerBegan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := newWatcher()
		app := view.New(view.Observe(seen.observe), view.BodyLimit(8))
		app.Routes(
			view.Path("/all", func(*view.Request) (view.Response, error) { return view.NoContent(), nil }),
			view.Path("/none", modern),
			view.Path("/part", func(_ context.Context, r *view.Request) (view.Response, error) {
				_, err := io.ReadFull(r.Body(), make([]byte, 3))
				return view.NoContent(), err
			}),
			view.Path("/late", func(context.Context, *view.Request) (view.Response, error) {
				time.Sleep(time.Second)
				return view.Stream(func(yield func([]byte, error) bool) {
					yield([]byte("one"), nil)
					time.Sleep(time.Second)
				}), nil
			}),
			view.Path("/cut", func(http.ResponseWriter, *http.Request) { time.Sleep(time.Second); panic(http.ErrAbortHandler) }),
		)
		for _, test := range []struct {
			target, body string
			received     int64
			first        time.Duration
		}{
			{"/all", "12345678", 8, 0},
			{"/all", "", 0, 0},
			{"/all", "123456789", 0, 0}, // refused by its length
			{"/none", "12345678", 0, 0},
			{"/part", "12345678", 3, 0},
			{"/late", "", 0, time.Second},
			{"/cut", "", 0, 0},
		} {
			func() {
				defer func() { _ = recover() }()
				app.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", test.target, strings.NewReader(test.body)))
			}()
			if got := seen.only(t); got.Received != test.received || got.FirstByte != test.first {
				t.Errorf("%s with %q: %d bytes, begun after %v", test.target, test.body, got.Received, got.FirstByte)
			}
		}
	})
}

func TestAnObserverIsToldOf499(t *testing.T) {
	seen := newWatcher()
	s := newSite(t, 1, []view.Route{view.Path("/", func(ctx context.Context, _ *view.Request) (view.Response, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})}, view.Observe(seen.observe))
	ctx, leave := context.WithCancel(t.Context())
	leave()
	s.do(httptest.NewRequestWithContext(ctx, "GET", "/", nil))
	if got := seen.only(t); got.Status != view.StatusClientGone || !errors.Is(got.Err, context.Canceled) {
		t.Errorf("told %+v", got)
	}
}

// What an observer does wrong is its own affair.
func TestAPanicOfAnObserverIsLoggedAndTheNextOneIsTold(t *testing.T) {
	seen := newWatcher()
	s := newSite(t, 1, []view.Route{view.Path("/", modern)},
		view.Observe(func(*view.Request, view.Outcome) { panic("kaboom") }), view.Observe(seen.observe))
	expect(t, s.get("/"), 200, `{"hello":"async"}`)
	seen.only(t)
	if r := s.log.only(t); r["msg"] != "observer panicked" || r["panic"] != "kaboom" || !strings.Contains(r["stack"].(string), "observe_test.go") {
		t.Errorf("log %v", r)
	}
}

func TestAHijackedConnectionIsToldOfWhenItsHandlerEnds(t *testing.T) {
	for name, ms := range map[string][]view.Middleware{"direct": nil, "below net/http middleware": {view.Use(plainMiddleware)}} {
		t.Run(name, func(t *testing.T) {
			seen := newWatcher()
			s := newSite(t, 1, []view.Route{view.Path("/", func(w http.ResponseWriter, _ *http.Request) {
				conn, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.WriteString(conn, "bye")
				_ = conn.Close()
			}, view.With(ms...))}, view.Observe(seen.observe))
			_, r := dial(t, s.App, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			if all, err := io.ReadAll(r); string(all) != "bye" || err != nil {
				t.Errorf("%q, %v", all, err)
			}
			if got := <-seen; got.Status != http.StatusSwitchingProtocols || got.Bytes != 0 || got.Err != nil {
				t.Errorf("told %+v", got)
			}
		})
	}
}

func TestObserversSeeHTTP2AndItsAborts(t *testing.T) {
	seen := newWatcher()
	s := newSite(t, 1, []view.Route{
		view.Path("/whole", modern),
		view.Path("/cut", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "half")
			panic(http.ErrAbortHandler)
		}),
	}, view.Observe(seen.observe))
	srv := httptest.NewUnstartedServer(s.App)
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	for path, want := range map[string]view.Outcome{"/whole": {Status: 200, Bytes: 17}, "/cut": {Status: 200, Bytes: 4, Err: http.ErrAbortHandler}} {
		resp, err := srv.Client().Get(srv.URL + path)
		if err == nil {
			if resp.ProtoMajor != 2 {
				t.Errorf("HTTP/%d", resp.ProtoMajor)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
		if got := <-seen; got.Status != want.Status || got.Bytes != want.Bytes || !errors.Is(got.Err, want.Err) {
			t.Errorf("%s: told %+v", path, got)
		}
	}
}

// http.TimeoutHandler answers while the view goes on in another goroutine.
func TestAViewThatItsMiddlewareHasLeftBehind(t *testing.T) {
	seen, end, ended := newWatcher(), make(chan struct{}), make(chan struct{})
	s := newSite(t, 1, []view.Route{view.Path("/", func(_ context.Context, r *view.Request) (view.Response, error) {
		defer close(ended)
		<-end
		r.SetUser(view.User{Name: "late"})
		return nil, errors.New("late")
	}, view.With(view.Use(func(next http.Handler) http.Handler {
		return http.TimeoutHandler(next, time.Millisecond, "too late")
	})))}, view.Observe(seen.observe))
	expect(t, s.get("/"), http.StatusServiceUnavailable, "too late")
	if got := seen.only(t); got.Status != 503 || got.Plan == nil || got.Plan.Pattern != "/" {
		t.Errorf("told %+v", got)
	}
	close(end)
	<-ended
}
