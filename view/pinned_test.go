package view_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http/httptest"
	"regexp"
	"runtime/pprof"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"golang.org/x/sys/unix"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/view"
)

// onThread is sync middleware that adds the thread it ran on.
func onThread(next view.SyncView) view.SyncView {
	return func(r *view.Request) (view.Response, error) {
		resp, err := next(r)
		return view.WithHeader(resp, "Thread", strconv.Itoa(unix.Gettid())), err
	}
}

func TestAPinnedRoutesSyncCodeRunsOnOneThread(t *testing.T) {
	route := view.Path("/", func(r *view.Request) (view.Response, error) {
		return view.Text(strconv.Itoa(unix.Gettid())), nil
	}, view.Pinned(), view.With(view.Use(onThread), view.Use(passAsync), view.Use(onThread)))
	s := newSite(t, 1, []view.Route{route})
	w := s.get("/")
	if threads := w.Header().Values("Thread"); len(threads) != 1 || threads[0] != w.Body.String() {
		t.Errorf("middleware on threads %v, the view on %s", threads, w.Body)
	}
	p := s.Plan()[0]
	if !p.Pinned || p.Limiter != "blocking" || p.Crossings != 3 {
		t.Errorf("plan %+v", p)
	}
}

func TestAPinnedRouteThatComputesPanicsWhenMade(t *testing.T) {
	for want, opt := range map[string]view.RouteOption{
		"the route GET /render is Pinned and CPU":     view.CPU(),
		"the route GET /render is Pinned and On(gpu)": view.On(bridge.NewLimiter(1, bridge.Named("gpu"))),
	} {
		for i, opts := range [][]view.RouteOption{{view.Pinned(), opt}, {opt, view.Pinned()}} {
			func() {
				defer func() {
					if msg := fmt.Sprint(recover()); !strings.Contains(msg, want) {
						t.Errorf("order %d: panic %q, want %q in it", i, msg, want)
					}
				}()
				view.Path("GET /render", classic, opts...)
			}()
		}
	}
}

// labels are those that the calling goroutine shows in a profile, which has
// functions of this file on its stack.
func labels(t *testing.T) string {
	t.Helper()
	var b bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&b, 1); err != nil {
		t.Fatal(err)
	}
	for group := range strings.SplitSeq(b.String(), "\n\n") {
		if strings.Contains(group, "view_test.labels+") {
			m := regexp.MustCompile(`(?m)^# labels: (.*)$`).FindStringSubmatch(group)
			if m == nil {
				return ""
			}
			return m[1]
		}
	}
	t.Error("the profile has no such goroutine")
	return ""
}

type reporter struct{ t *testing.T }

func (p reporter) async(ctx context.Context, r *view.Request) (view.Response, error) {
	mine := labels(p.t)
	below, err := bridge.RunSync(ctx, func() (string, error) { return labels(p.t), nil }, bridge.As("below"))
	return view.Text(mine + below), err
}

func (p reporter) sync(r *view.Request) (view.Response, error) {
	mine := labels(p.t)
	below, err := bridge.Await(r, func(context.Context) (string, error) { return labels(p.t), nil })
	return view.Text(mine + below + labels(p.t)), err
}

func TestGoroutinesAreLabelledByRouteAndSyncCodeByView(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const sync = `"sync":"view_test.reporter.sync"`
		p := reporter{t}
		s := newSite(t, 1, []view.Route{
			view.Path("GET /async/{id}", p.async), view.Path("/sync", p.sync), view.Path("/cpu", p.sync, view.CPU()), view.Path("/pinned", p.sync, view.Pinned()),
		})
		for target, want := range map[string]string{
			"/async/7": `{"route":"GET /async/{id}"}{"route":"GET /async/{id}", "sync":"below"}`,
			"/sync":    `{"route":"/sync", ` + sync + `}{"route":"/sync"}{"route":"/sync", ` + sync + `}`,
			"/cpu":     `{"route":"/cpu", ` + sync + `}{"route":"/cpu"}{"route":"/cpu", ` + sync + `}`,
			"/pinned":  `{"route":"/pinned", ` + sync + `}{"route":"/pinned"}{"route":"/pinned", ` + sync + `}`,
		} {
			expect(t, s.get(target), 200, want)
			if got := labels(t); got != "" {
				t.Errorf("%s: the server's goroutine is left with %s", target, got)
			}
		}
		settle()
	})
}

func TestLabelsOfTheServersStayBesideTheRoutes(t *testing.T) {
	s := newSite(t, 1, []view.Route{view.Path("/", reporter{t}.async)})
	pprof.Do(t.Context(), pprof.Labels("tenant", "acme"), func(ctx context.Context) {
		expect(t, s.do(httptest.NewRequestWithContext(ctx, "GET", "/", nil)), 200,
			`{"route":"/", "tenant":"acme"}{"route":"/", "sync":"below", "tenant":"acme"}`)
		if got := labels(t); got != `{"tenant":"acme"}` {
			t.Errorf("the server's goroutine is left with %s", got)
		}
	})
}

// A view that has another app answer while it holds the only permit would wait for
// itself; it is told.
func TestASyncViewThatServesFromItsFrameGetsAnErrorNotADeadlock(t *testing.T) {
	l := bridge.Limits{Blocking: bridge.NewLimiter(1)}
	inner := newSite(t, 1, []view.Route{view.Path("/", classic)}, view.Limits(l))
	outer := newSite(t, 1, []view.Route{view.Path("/", func(*view.Request) (view.Response, error) {
		return view.Text(inner.get("/").Body.String()), nil
	})}, view.Limits(l))
	w := outer.get("/")
	if w.Code != 200 || !strings.Contains(w.Body.String(), "Internal Server Error") {
		t.Errorf("answer %d %s", w.Code, w.Body)
	}
	if rec := inner.log.only(t); !strings.Contains(fmt.Sprint(rec["error"]), bridge.ErrWouldDeadlock.Error()) {
		t.Errorf("log %v", rec)
	}
}
