package view_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/view"
)

type down struct{}

func (down) Error() string   { return "dial tcp 10.0.0.7: refused" }
func (down) HTTPStatus() int { return http.StatusServiceUnavailable }

type notFound struct{}

func (notFound) Error() string   { return "no row 7 in table users" }
func (notFound) HTTPStatus() int { return http.StatusNotFound }

func TestErrorsBecomeAnswersThatLeakNothing(t *testing.T) {
	secret := errors.New("dial tcp 10.0.0.7: password wrong")
	cases := []struct {
		name    string
		err     error
		status  int
		message string
	}{
		{"plain", secret, 500, "Internal Server Error"},
		{"own", &view.Error{Status: 409, Message: "name is taken", Err: secret}, 409, "name is taken"},
		{"own without message", &view.Error{Status: 502, Err: secret}, 502, "Bad Gateway"},
		{"own wrapped", fmt.Errorf("save: %w", view.Errorf(400, "%d is not a page", 7)), 400, "7 is not a page"},
		{"status out of range", &view.Error{Status: 42, Message: "odd"}, 500, "odd"},
		{"status of a foreign error", fmt.Errorf("load: %w", notFound{}), 404, "Not Found"},
		{"a foreign error that it is down", fmt.Errorf("load: %w", down{}), 503, "Service Unavailable"},
		{"own that it is down", &view.Error{Status: 503, Message: "closed today"}, 503, "closed today"},
		{"saturated", fmt.Errorf("report: %w", bridge.ErrSaturated), 503, "busy, try again"},
		{"queue deadline", bridge.ErrQueueTimeout, 503, "busy, try again"},
		{"deadline", fmt.Errorf("fetch: %w", context.DeadlineExceeded), 504, "Gateway Timeout"},
		{"cancelled by the view itself", context.Canceled, 500, "Internal Server Error"},
		{"too large", view.Errorf(400, "body: %w", &http.MaxBytesError{Limit: 9}), 413, "request body is larger than 9 bytes"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t, 1, []view.Route{
				view.Path("/async", func(context.Context, *view.Request) (view.Response, error) { return nil, c.err }),
				view.Path("/sync", func(*view.Request) (view.Response, error) { return view.JSON("ignored"), c.err }),
			})
			s.Use(view.Use(timing))
			for _, target := range []string{"/async", "/sync"} {
				w := s.get(target)
				expectError(t, w, c.status, c.message)
				if strings.Contains(w.Body.String(), "password") || w.Header().Get("X-Elapsed-Ms") == "" {
					t.Errorf("%s: %v %s", target, w.Header(), w.Body)
				}
				if retry := w.Header().Get("Retry-After"); (retry != "") != (c.status == 503) {
					t.Errorf("%s: Retry-After %q", target, retry)
				}
			}
			for _, r := range s.log.records(t) {
				if r["msg"] != "request failed" || r["status"] != float64(c.status) && c.name != "status out of range" || r["error"] != c.err.Error() {
					t.Errorf("log %v", r)
				}
			}
		})
	}
}

func TestTheCauseOfAnErrorIsInTheLogAlone(t *testing.T) {
	secret := errors.New("dial tcp 10.0.0.7: password wrong")
	taken := &view.Error{Status: 409, Message: "name is taken", Err: secret}
	for name, c := range map[string]struct {
		err   error
		cause any // in the log besides the error; nil: none
	}{
		"with a message":        {taken, secret.Error()},
		"wrapped":               {fmt.Errorf("save: %w", taken), secret.Error()},
		"joined":                {errors.Join(errors.New("also"), taken), secret.Error()},
		"of a cause":            {&view.Error{Status: 403, Message: "no", Err: fmt.Errorf("for: %w", taken)}, "for: name is taken: " + secret.Error()},
		"in the message":        {view.Errorf(400, "save: %w", secret), nil},
		"in place of a message": {&view.Error{Status: 502, Err: secret}, nil},
		"none":                  {view.Errorf(400, "odd"), nil},
	} {
		s := newSite(t, 1, []view.Route{view.Path("/", func(context.Context, *view.Request) (view.Response, error) { return nil, c.err })})
		w := s.get("/")
		if r := s.log.only(t); r["cause"] != c.cause || r["error"] != c.err.Error() {
			t.Errorf("%s: log %v", name, r)
		}
		if c.cause != nil && strings.Contains(w.Body.String(), "password") {
			t.Errorf("%s: %s", name, w.Body)
		}
	}
}

func TestAStatusThatIsNoneBecomesA500(t *testing.T) {
	for _, code := range []int{99, 1000, 9999} {
		s := newSite(t, 1, []view.Route{
			view.Path("/status", func(*view.Request) (view.Response, error) { return view.Status(code), nil }),
			view.Path("/with", func(*view.Request) (view.Response, error) { return view.WithStatus(view.JSON(1), code), nil }),
			view.Path("/plain", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }),
			view.Path("/blocking", view.Blocking(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }))),
		})
		targets := []string{"/status", "/with", "/plain", "/blocking"}
		if code < 200 {
			targets = targets[:3] // the writer of a blocking handler drops what is below
		}
		for _, target := range targets {
			expectError(t, s.get(target), 500, "Internal Server Error")
		}
	}
}

func TestErrorCodeIsInTheBody(t *testing.T) {
	s := newSite(t, 1, []view.Route{view.Path("/", func(*view.Request) (view.Response, error) {
		return nil, &view.Error{Status: 402, Code: "card_declined", Message: "no"}
	})})
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("X-Request-Id", "abc-1")
	expect(t, s.do(r), 402, `{"error":"no","code":"card_declined","request_id":"abc-1"}`)
}

func TestPanicsBecome500WithOneRecord(t *testing.T) {
	boom := func() { panic("kaboom with a secret") }
	s := newSite(t, 1, []view.Route{
		view.Path("/async", func(context.Context, *view.Request) (view.Response, error) { boom(); return nil, nil }),
		view.Path("/sync", func(*view.Request) (view.Response, error) { boom(); return nil, nil }),
		view.Path("/gathered", func(ctx context.Context, _ *view.Request) (view.Response, error) {
			f := func(context.Context) (int, error) { boom(); return 0, nil }
			_, _, err := bridge.Gather2(ctx, f, f)
			return nil, err
		}),
		view.Path("/plain", func(http.ResponseWriter, *http.Request) { boom() }),
		view.Path("/response", func(*view.Request) (view.Response, error) { return view.JSON(bomb{}), nil }),
	})
	s.Use(view.Use(timing))
	for i, target := range []string{"/async", "/sync", "/gathered", "/plain", "/response"} {
		w := s.get(target)
		expectError(t, w, 500, "Internal Server Error")
		if w.Header().Get("X-Elapsed-Ms") == "" {
			t.Errorf("%s without the middleware's header", target)
		}
		all := s.log.records(t)
		if len(all) != i+1 {
			t.Fatalf("%s: %d records, want one each: %v", target, len(all), all[i:])
		}
		r := all[i]
		if r["msg"] != "view panicked" || !strings.Contains(fmt.Sprint(r["panic"]), "kaboom") ||
			!strings.Contains(r["stack"].(string), "errors_test.go") || !strings.Contains(w.Body.String(), r["request_id"].(string)) {
			t.Errorf("%s: record %v for %s", target, r, w.Body)
		}
	}
}

type bomb struct{}

func (bomb) MarshalJSON() ([]byte, error) { panic("kaboom while encoding") }

func TestAPanicInMiddlewareIsAnAnswerToTheOnesOutsideIt(t *testing.T) {
	s := newSite(t, 1, []view.Route{view.Path("/", modern, view.With(
		view.Use(passSync),
		view.Use(func(view.SyncView) view.SyncView {
			return func(*view.Request) (view.Response, error) { panic("kaboom") }
		}),
	))})
	s.Use(view.Use(timing))
	w := s.get("/")
	expectError(t, w, 500, "Internal Server Error")
	if w.Header().Get("Seen") != "sync" || w.Header().Get("X-Elapsed-Ms") == "" {
		t.Errorf("header %v", w.Header())
	}
}

func TestErrAbortHandlerPasses(t *testing.T) {
	abort := func() { panic(http.ErrAbortHandler) }
	s := newSite(t, 1, []view.Route{
		view.Path("/sync", func(*view.Request) (view.Response, error) { abort(); return nil, nil }),
		view.Path("/plain", func(http.ResponseWriter, *http.Request) { abort() }),
		view.Path("/gathered", func(ctx context.Context, _ *view.Request) (view.Response, error) {
			f := func(context.Context) (int, error) { abort(); return 0, nil }
			_, _, err := bridge.Gather2(ctx, f, f)
			return nil, err
		}),
	})
	s.Use(view.Use(timing))
	for _, target := range []string{"/sync", "/plain", "/gathered"} {
		func() {
			defer func() {
				if v := recover(); v != http.ErrAbortHandler {
					t.Errorf("%s: recovered %v", target, v)
				}
			}()
			s.get(target)
		}()
	}
	if all := s.log.records(t); len(all) != 0 {
		t.Errorf("logged %v", all)
	}
}

func TestNeitherResponseNorErrorIsANamed500(t *testing.T) {
	s := newSite(t, 1, []view.Route{
		view.Path("/async", func(context.Context, *view.Request) (view.Response, error) { return nil, nil }),
		view.Path("/sync", func(*view.Request) (view.Response, error) { return nil, nil }),
	})
	for _, target := range []string{"/async", "/sync"} {
		expectError(t, s.get(target), 500, "Internal Server Error")
	}
	for _, r := range s.log.records(t) {
		if r["error"] != view.ErrNoResponse.Error() || r["level"] != "ERROR" {
			t.Errorf("log %v", r)
		}
	}
}

func TestMiddlewareSeesErrorsAndMayAnswerThem(t *testing.T) {
	gone := errors.New("gone")
	rescue := func(next view.AsyncView) view.AsyncView {
		return func(ctx context.Context, r *view.Request) (view.Response, error) {
			resp, err := next(ctx, r)
			switch {
			case !errors.Is(err, gone):
				return resp, err
			case r.URL().Path == "/rescued":
				return view.WithStatus(view.Text("rescued"), 203), nil
			case r.URL().Path == "/wrapped":
				return resp, fmt.Errorf("seen: %w", err)
			}
			return resp, &view.Error{Status: 410, Message: "it is gone"} // the error wins over the old response
		}
	}
	fail := func(*view.Request) (view.Response, error) { return nil, gone }
	s := newSite(t, 1, []view.Route{view.Path("/rescued", fail), view.Path("/mapped", fail), view.Path("/wrapped", fail)})
	s.Use(view.Use(timing), view.Use(rescue), view.Use(passAsync))
	expect(t, s.get("/rescued"), 203, "rescued")
	if all := s.log.records(t); len(all) != 0 {
		t.Errorf("a handled error was logged: %v", all)
	}
	w := s.get("/mapped")
	expectError(t, w, 410, "it is gone")
	if w.Header().Get("Seen") != "" {
		t.Error("the header of the answer that was replaced is still there")
	}
	w = s.get("/wrapped")
	expectError(t, w, 500, "Internal Server Error")
	if w.Header().Get("Seen") != "async" {
		t.Error("a wrapped error lost the headers of its answer")
	}
}

// held starts a request whose sync view holds the site's only permit.
func held(s *site, target string) (done *sync.WaitGroup) {
	done = new(sync.WaitGroup)
	done.Go(func() { s.get(target) })
	synctest.Wait()
	return done
}

func TestSaturationIs503WhileAsyncViewsGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		s := newSite(t, 1, []view.Route{
			view.Path("/slow", func(*view.Request) (view.Response, error) { <-end; return view.NoContent(), nil }),
			view.Path("/classic", classic),
			view.Path("/modern", modern),
		})
		s.Use(view.Use(timing))
		done := held(s, "/slow")
		w := s.get("/classic")
		expectError(t, w, 503, "busy, try again")
		if w.Header().Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		expect(t, s.get("/modern"), 200, `{"hello":"async"}`)
		close(end)
		done.Wait()
		expect(t, s.get("/classic"), 200, `{"hello":"sync"}`)
	})
}

func TestAClientThatLeavesTheQueueIs499AndItsViewIsNotBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		queue := bridge.NewLimiter(1)
		s := newSite(t, 1, nil, view.Limits(bridge.Limits{Blocking: queue}))
		s.Routes(
			view.Path("/slow", func(*view.Request) (view.Response, error) { <-end; return view.NoContent(), nil }),
			view.Path("/queued", func(*view.Request) (view.Response, error) { t.Error("it began"); return view.NoContent(), nil }),
		)
		done := held(s, "/slow")
		ctx, leave := context.WithCancel(t.Context())
		w := httptest.NewRecorder()
		done.Go(func() { s.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "GET", "/queued", nil)) })
		synctest.Wait()
		leave()
		synctest.Wait()
		if w.Code != view.StatusClientGone || w.Body.Len() != 0 {
			t.Errorf("%d %q, want 499 and no body", w.Code, w.Body)
		}
		if r := s.log.only(t); r["status"] != 499.0 || r["level"] != "INFO" {
			t.Errorf("log %v", r)
		}
		close(end)
		done.Wait()
	})
}

func TestASyncViewRunsToItsEndAfterItsClientLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		finished := false
		s := newSite(t, 1, []view.Route{view.Path("/", func(r *view.Request) (view.Response, error) {
			<-end
			finished = true
			return bridge.Await(r, func(ctx context.Context) (view.Response, error) { return view.NoContent(), ctx.Err() })
		})})
		ctx, leave := context.WithCancel(t.Context())
		var done sync.WaitGroup
		w := httptest.NewRecorder()
		done.Go(func() { s.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "GET", "/", nil)) })
		synctest.Wait()
		leave()
		synctest.Wait()
		if n := s.limits.Blocking.Stats().InUse; n != 1 {
			t.Errorf("%d permits in use while the abandoned view runs, want 1", n)
		}
		close(end)
		done.Wait()
		if !finished || w.Code != view.StatusClientGone {
			t.Errorf("finished %v, status %d", finished, w.Code)
		}
	})
}

func TestCancellationReachesAnAsyncViewBelowSyncMiddleware(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left := false
		s := newSite(t, 1, []view.Route{view.Path("/", func(ctx context.Context, _ *view.Request) (view.Response, error) {
			<-ctx.Done()
			left = true
			return nil, ctx.Err()
		}, view.With(view.Use(passSync)))})
		ctx, leave := context.WithCancel(t.Context())
		var done sync.WaitGroup
		done.Go(func() { s.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", "/", nil)) })
		synctest.Wait()
		leave()
		done.Wait()
		if !left {
			t.Error("the view was not cancelled")
		}
	})
}
