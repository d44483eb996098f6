package view_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/view"
)

// profiles are the options of both.
var profiles = map[string][]view.Option{"mixed": nil, "sync only": {view.SyncOnly()}}

// bubble runs a test in both profiles, where time stands still while there is
// something to do.
func bubble(t *testing.T, f func(t *testing.T, opts ...view.Option)) {
	for name, opts := range profiles {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { f(t, opts...) })
		})
	}
}

func patient(ctx context.Context, _ *view.Request) (view.Response, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestAnAsyncViewIsToldOfItsDeadlineAndAnswers504(t *testing.T) {
	bubble(t, func(t *testing.T, opts ...view.Option) {
		begun := time.Now()
		s := newSite(t, 1, []view.Route{view.Path("/", func(ctx context.Context, r *view.Request) (view.Response, error) {
			if at, ok := ctx.Deadline(); !ok || at.Sub(begun) != time.Second {
				t.Errorf("deadline %v, %v", at, ok)
			}
			_, err := patient(ctx, r)
			if cause := context.Cause(ctx); !errors.Is(cause, context.DeadlineExceeded) || cause.Error() != "the request took longer than its 1s: context deadline exceeded" {
				t.Errorf("cause = %v", cause)
			}
			return nil, err
		}, view.Deadline(time.Second))}, opts...)
		expectError(t, s.get("/"), http.StatusGatewayTimeout, "Gateway Timeout")
		if took := time.Since(begun); took != time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

func TestWhatAnAsyncViewMakesOfItsDeadlineIsTheAnswer(t *testing.T) {
	bubble(t, func(t *testing.T, opts ...view.Option) {
		s := newSite(t, 1, []view.Route{view.Path("/", func(ctx context.Context, _ *view.Request) (view.Response, error) {
			<-ctx.Done()
			return view.Text("from the cache"), nil
		}, view.Deadline(time.Second), view.With(view.Use(func(next view.SyncView) view.SyncView {
			return func(r *view.Request) (view.Response, error) {
				resp, err := next(r)
				return view.WithHeader(resp, "X-Sync", "seen"), err
			}
		})))}, opts...)
		w := s.get("/")
		expect(t, w, http.StatusOK, "from the cache")
		if w.Header().Get("X-Sync") != "seen" {
			t.Error("the answer has not come through the middleware")
		}
		if st := s.limits.Blocking.Stats(); st.AbandonedTotal != 0 {
			t.Errorf("%+v", st)
		}
	})
}

// Go cannot stop it, and its permit is nobody's.
func TestAnAsyncViewThatIgnoresItsDeadlineIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		deaf := func(context.Context, *view.Request) (view.Response, error) {
			time.Sleep(time.Minute)
			return view.Text("late"), nil
		}
		route := view.Path("/", deaf, view.Deadline(time.Second))
		expect(t, newSite(t, 1, []view.Route{route}).get("/"), http.StatusOK, "late")

		s, begun := newSite(t, 1, []view.Route{route}, view.SyncOnly()), time.Now()
		expectError(t, s.get("/"), http.StatusGatewayTimeout, "Gateway Timeout")
		if took := time.Since(begun); took != time.Second+bridge.AwaitGrace {
			t.Errorf("the sync code around it was waited for %v", took)
		}
		abandoned(t, s)
	})
}

// abandoned waits until nothing of a site is abandoned any more.
func abandoned(t *testing.T, s *site) {
	t.Helper()
	if err := s.limits.Blocking.WaitAbandoned(t.Context()); err != nil {
		t.Error(err)
	}
	synctest.Wait()
}

func TestASyncViewThatRunsAtItsDeadlineIsAbandoned(t *testing.T) {
	bubble(t, func(t *testing.T, opts ...view.Option) {
		release := make(chan struct{})
		s := newSite(t, 1, []view.Route{view.Path("/", func(r *view.Request) (view.Response, error) {
			<-release
			r.LastHeader(func(http.Header) { t.Error("it had a word on an answer that is not its own") })
			r.Header().Set("X-Late", r.ID())
			if _, err := bridge.Await(r, func(context.Context) (int, error) { t.Error("it awaited"); return 0, nil }); !errors.Is(err, bridge.ErrScopeClosed) {
				t.Errorf("Await: %v", err)
			}
			return view.Text("late"), nil
		}, view.Deadline(time.Second))}, opts...)
		begun := time.Now()
		w := s.get("/")
		expectError(t, w, http.StatusGatewayTimeout, "Gateway Timeout")
		if took := time.Since(begun); took != time.Second {
			t.Errorf("it took %v", took)
		}
		time.Sleep(time.Minute)
		if st := s.limits.Blocking.Stats(); st.InUse != 1 || st.Abandoned != 1 || st.OldestAbandoned != 61*time.Second {
			t.Errorf("%+v, want its permit held for 61 s", st)
		}
		expectError(t, s.get("/"), http.StatusServiceUnavailable, "busy, try again") // newSite's queue is of 0
		close(release)
		abandoned(t, s)
		if w.Header().Get("X-Late") != "" || s.limits.Blocking.Stats().AbandonedTotal != 1 {
			t.Errorf("%v, %+v", w.Header(), s.limits.Blocking.Stats())
		}
		said := s.log.records(t)
		last := said[len(said)-1]
		if last["msg"] != "abandoned sync code has returned" || last["late"] != float64(time.Minute) || last["request_id"] == "" || last["level"] != "INFO" {
			t.Errorf("logged %v", last)
		}
	})
}

func TestASyncViewThatIsQueuedAtItsDeadlineNeverBegins(t *testing.T) {
	bubble(t, func(t *testing.T, opts ...view.Option) {
		l := bridge.NewLimiter(1)
		release, begun := make(chan struct{}), make(chan struct{})
		s := newSite(t, 1, []view.Route{
			view.Path("/hog", func(*view.Request) (view.Response, error) { close(begun); <-release; return view.NoContent(), nil }, view.On(l)),
			view.Path("/", func(*view.Request) (view.Response, error) { t.Error("it began"); return nil, nil }, view.On(l), view.Deadline(time.Second)),
		}, opts...)
		done := make(chan struct{})
		go func() { defer close(done); expect(t, s.get("/hog"), http.StatusNoContent, "") }()
		<-begun
		w, at := s.get("/"), time.Now()
		expectError(t, w, http.StatusServiceUnavailable, "busy, try again")
		if w.Header().Get("Retry-After") != "1" {
			t.Errorf("%v", w.Header())
		}
		if st := l.Stats(); st.Queued != 0 || st.AbandonedTotal != 0 {
			t.Errorf("%+v", st)
		}
		close(release)
		<-done
		if time.Now() != at {
			t.Error("something else took time")
		}
	})
}

func TestWhoHasWhichDeadline(t *testing.T) {
	for _, c := range []struct{ app, route, want time.Duration }{
		{0, 0, 0},
		{time.Second, 0, time.Second},
		{time.Second, time.Hour, time.Hour},
		{time.Second, -1, 0},
		{0, time.Hour, time.Hour},
		{-1, 0, 0},
		{-1, time.Hour, time.Hour},
	} {
		app := view.New(view.DefaultDeadline(c.app))
		bounded := false
		app.Routes(view.Path("/", func(ctx context.Context, _ *view.Request) (view.Response, error) {
			_, bounded = ctx.Deadline()
			return view.NoContent(), nil
		}, view.Deadline(c.route)))
		app.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
		if got := app.Plan()[0].Deadline; got != c.want || bounded != (c.want > 0) {
			t.Errorf("app %v, route %v: plan says %v and ctx %v, want %v", c.app, c.route, got, bounded, c.want)
		}
	}
}

func TestThePanicOfAnAbandonedViewIsLoggedWithItsRequest(t *testing.T) {
	bubble(t, func(t *testing.T, opts ...view.Option) {
		s := newSite(t, 1, []view.Route{view.Path("/", func(*view.Request) (view.Response, error) {
			time.Sleep(time.Minute)
			panic("boom")
		}, view.Deadline(time.Second))}, opts...)
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("X-Request-Id", "the-late-one")
		expectError(t, s.do(r), http.StatusGatewayTimeout, "Gateway Timeout")
		abandoned(t, s)
		for _, rec := range s.log.records(t) {
			if rec["msg"] == "view panicked" && rec["panic"] == "boom" && rec["request_id"] == "the-late-one" && rec["stack"] != "" {
				return
			}
		}
		t.Errorf("not logged: %v", s.log.records(t))
	})
}

// files lists what is open of bodies on disk, and the files of forms.
func files(t *testing.T, dir string) (all []string) {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range open {
		if name, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && bytes.HasPrefix([]byte(name), []byte(dir)) {
			all = append(all, name)
		}
	}
	stored, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range stored {
		all = append(all, f.Name())
	}
	return all
}

func TestBodyAndFormFilesOfAnAbandonedViewLastUntilItReturns(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	large := bytes.Repeat([]byte("0123456789abcdef"), 128<<10) // 2 MiB: more than either keeps in memory
	var form bytes.Buffer
	mw := multipart.NewWriter(&form)
	part, err := mw.CreateFormFile("file", "large")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = part.Write(large)
	_ = mw.Close()
	bubble(t, func(t *testing.T, opts ...view.Option) {
		release := make(chan struct{})
		s := newSite(t, 2, []view.Route{
			view.Path("/body", func(r *view.Request) (view.Response, error) {
				<-release
				if got, err := io.ReadAll(r.Body()); !bytes.Equal(got, large) || err != nil {
					t.Errorf("read %d bytes, %v", len(got), err)
				}
				return view.NoContent(), nil
			}),
			view.Path("/form", func(r *view.Request) (view.Response, error) {
				_, _ = r.Form()
				<-release
				f, _, err := r.FormFile("file")
				if err != nil {
					return nil, err
				}
				defer f.Close()
				if got, err := io.ReadAll(f); !bytes.Equal(got, large) || err != nil {
					t.Errorf("read %d bytes, %v", len(got), err)
				}
				return view.NoContent(), nil
			}),
		}, append(opts, view.DefaultDeadline(time.Second))...)
		expectError(t, s.do(httptest.NewRequest("POST", "/body", bytes.NewReader(large))), http.StatusGatewayTimeout, "Gateway Timeout")
		r := httptest.NewRequest("POST", "/form", bytes.NewReader(form.Bytes()))
		r.Header.Set("Content-Type", mw.FormDataContentType())
		expectError(t, s.do(r), http.StatusGatewayTimeout, "Gateway Timeout")
		if got := files(t, dir); len(got) != 3 {
			t.Errorf("files %v, want two bodies and the form's file", got)
		}
		close(release)
		abandoned(t, s)
		if got := files(t, dir); len(got) != 0 {
			t.Errorf("files %v are left", got)
		}
	})
}
