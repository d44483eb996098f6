package view_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/tandem-go/tandem/view"
)

func passAsync(next view.AsyncView) view.AsyncView {
	return func(ctx context.Context, r *view.Request) (view.Response, error) {
		resp, err := next(ctx, r)
		return view.WithHeader(resp, "Seen", "async"), err
	}
}

func passSync(next view.SyncView) view.SyncView {
	return func(r *view.Request) (view.Response, error) {
		resp, err := next(r)
		return view.WithHeader(resp, "Seen", "sync"), err
	}
}

// kinds of middleware, by the modes they are capable of.
var kinds = map[byte]view.Middleware{
	'a': view.Use(passAsync).Named("a"),
	's': view.Use(passSync).Named("s"),
	'b': view.Both(passAsync, passSync).Named("b"),
	'p': view.Phases(
		func(*view.Request) (view.Response, error) { return nil, nil },
		func(_ *view.Request, resp view.Response) (view.Response, error) {
			return view.WithHeader(resp, "Seen", "phases"), nil
		}).Named("p"),
	'h': view.Use(plainMiddleware).Named("h"),
}

// fewest is the least number of crossings of a stack, by trying every mode for
// those that are capable of both. A request arrives in async code.
func fewest(stack string) int {
	if i := strings.IndexByte(stack, 'b'); i >= 0 {
		return min(fewest(stack[:i]+"a"+stack[i+1:]), fewest(stack[:i]+"s"+stack[i+1:]))
	}
	n, at := 0, byte('a')
	for i := range len(stack) {
		if stack[i] != at {
			n, at = n+1, stack[i]
		}
	}
	return n
}

// asItRuns is a stack with net/http middleware first, which runs around all else
// in the order it was given.
func asItRuns(stack string) string {
	typed := strings.ReplaceAll(stack, "h", "")
	return strings.Repeat("h", len(stack)-len(typed)) + typed
}

// Every stack of four over both colours of view: the plan has as few crossings as
// there can be, and a request makes just those.
func TestThePlanIsMinimalAndIsWhatRequestsDo(t *testing.T) {
	const letters = "asbph"
	for n := range 5 * 5 * 5 * 5 {
		stack := make([]byte, 4)
		for i := range stack {
			stack[i] = letters[n%len(letters)]
			n /= len(letters)
		}
		for _, colour := range []byte("as") {
			checkStack(t, string(stack), colour)
		}
	}
}

func checkStack(t *testing.T, stack string, colour byte) {
	t.Helper()
	var ms []view.Middleware
	for i := range len(stack) {
		ms = append(ms, kinds[stack[i]])
	}
	name, runs := stack+string(colour), asItRuns(stack)
	var seen *view.Request
	var rt view.Route
	if colour == 'a' {
		rt = view.Path("GET /", func(_ context.Context, r *view.Request) (view.Response, error) {
			seen = r
			return view.Text("ok"), nil
		}, view.With(ms[2:]...))
	} else {
		rt = view.Path("GET /", func(r *view.Request) (view.Response, error) {
			seen = r
			return view.Text("ok"), nil
		}, view.With(ms[2:]...))
	}
	s := newSite(t, 1, []view.Route{rt})
	s.Use(ms[:2]...)
	plan := s.Plan()[0]
	typed := strings.NewReplacer("h", "", "p", "b").Replace(runs)
	if want := fewest(typed + string(colour)); plan.Crossings != want || len(plan.Adapted()) != want {
		t.Errorf("%s: plan has %d crossings and names %q, %d would do", name, plan.Crossings, plan.Adapted(), want)
	}
	expect(t, s.get("/"), http.StatusOK, "ok")
	if got := seen.Crossings(); got != plan.Crossings {
		t.Errorf("%s: %d crossings made, %d planned", name, got, plan.Crossings)
	}
	if len(plan.Layers) != len(runs) {
		t.Fatalf("%s: layers %v", name, plan.Layers)
	}
	for i, l := range plan.Layers {
		if want := modeAt(runs+string(colour), i); l.Name != runs[i:i+1] || l.Mode != want {
			t.Errorf("%s: layer %d is %v, want %v", name, i, l, want)
		}
	}
}

// modeAt is the mode that a layer of a stack must run in: its own, or, if it has
// both, sync between sync and sync and async else, so that it holds no permit.
func modeAt(stack string, i int) view.Mode {
	outer := strings.TrimRight(strings.TrimLeft(stack[:i], "h"), "bp")
	inner := strings.TrimLeft(stack[i+1:], "bp")
	switch {
	case stack[i] == 'h':
		return view.Native
	case stack[i] == 's', stack[i] != 'a' && strings.HasSuffix(outer, "s") && inner[0] == 's':
		return view.Sync
	}
	return view.Async
}

// What is capable of both modes is around the permit, not inside it.
func TestARequestThatFindsNoPermitHasTheHeadersOfMiddlewareOfBothModes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		end := make(chan struct{})
		s := newSite(t, 1, []view.Route{view.Path("/", func(*view.Request) (view.Response, error) { <-end; return view.NoContent(), nil })})
		s.Use(kinds['b'])
		done := held(s, "/")
		w := s.get("/")
		expectError(t, w, http.StatusServiceUnavailable, "busy, try again")
		if w.Header().Get("Seen") != "async" {
			t.Errorf("header %v", w.Header())
		}
		close(end)
		done.Wait()
	})
}

func TestSyncOnlyMakesEveryRequestHoldAPermit(t *testing.T) {
	var s *site
	s = newSite(t, 1, []view.Route{
		view.Path("/async", func(ctx context.Context, r *view.Request) (view.Response, error) {
			return view.Text(fmt.Sprint(r.Crossings(), s.limits.Blocking.Stats().InUse)), nil
		}),
		view.Path("/sync", func(r *view.Request) (view.Response, error) {
			return view.Text(fmt.Sprint(r.Crossings(), s.limits.Blocking.Stats().InUse)), nil
		}),
	}, view.SyncOnly())
	expect(t, s.get("/async"), 200, "2 0") // awaited: the permit is lent out meanwhile
	expect(t, s.get("/sync"), 200, "1 1")
	if p := s.Plan(); p[0].Crossings != 2 || p[1].Crossings != 1 {
		t.Errorf("%+v", p)
	}
}

func plainView(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("plain")) }

func plainMiddleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Plain", "yes")
		next.ServeHTTP(w, r)
	})
}

func TestPlanNamesWhatRuns(t *testing.T) {
	s := newSite(t, 1, []view.Route{
		view.Path("GET /modern/", modern, view.Name("the modern one")),
		view.Path("GET /classic/", classic, view.CPU()),
		view.Path("/plain/", plainView, view.With(view.Use(plainMiddleware))),
		view.Path("/func/", http.HandlerFunc(plainView)),
		view.Path("/named/", view.AsyncView(modern)),
		view.Path("/sync/", view.SyncView(classic)),
	})
	s.Use(view.Use(timing))
	plan := s.Plan()
	want := []view.RoutePlan{
		{
			Pattern: "GET /modern/", Name: "the modern one", View: "view_test.modern", Colour: view.Async,
			Layers: []view.LayerPlan{{Name: "view_test.timing", Mode: view.Async}},
		},
		{
			Pattern: "GET /classic/", Name: "view_test.classic", View: "view_test.classic", Colour: view.Sync, Crossings: 1, Limiter: "cpu",
			Layers: []view.LayerPlan{{Name: "view_test.timing", Mode: view.Async}},
		},
		{
			Pattern: "/plain/", Name: "view_test.plainView", View: "view_test.plainView", Colour: view.Async,
			Layers: []view.LayerPlan{{Name: "view_test.plainMiddleware", Mode: view.Native}, {Name: "view_test.timing", Mode: view.Async}},
		},
	}
	for i, w := range want {
		if fmt.Sprintf("%+v", plan[i]) != fmt.Sprintf("%+v", w) {
			t.Errorf("plan\n%+v, want\n%+v", plan[i], w)
		}
	}
	if plan[3].Colour != view.Async || plan[4].Colour != view.Async || plan[5].Colour != view.Sync || plan[5].Limiter != "blocking" {
		t.Errorf("%+v", plan[3:])
	}
	for _, m := range []view.Mode{view.Async, view.Sync, view.Native, 0} {
		if !slices.Contains([]string{"async", "sync", "http", "unknown"}, m.String()) {
			t.Errorf("mode %d is called %q", m, m)
		}
	}
	w := s.get("/plain/")
	expect(t, w, 200, "plain")
	if w.Header().Get("Plain") != "yes" || w.Header().Get("X-Elapsed-Ms") == "" {
		t.Errorf("header %v", w.Header())
	}
}

func TestRoutesAndMiddlewareAreSettledByTheFirstRequest(t *testing.T) {
	s := newSite(t, 1, []view.Route{view.Path("/", modern)})
	s.get("/")
	for name, late := range map[string]func(){
		"Use":    func() { s.Use(view.Use(timing)) },
		"Routes": func() { s.Routes(view.Path("/late", modern)) },
	} {
		func() {
			defer func() {
				if msg := fmt.Sprint(recover()); !strings.Contains(msg, name+" after the first request") {
					t.Errorf("%s: panic %q", name, msg)
				}
			}()
			late()
		}()
	}
}

func TestConflictingAndNilRoutesPanicWhenGiven(t *testing.T) {
	for name, give := range map[string]func(){
		"conflict": func() { view.New().Routes(view.Path("GET /a", modern), view.Path("GET /a", classic)) },
		"nil":      func() { view.Path("/a", view.SyncView(nil)) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			give()
		})
	}
}

func TestWhatNoRouteTakesGoesThroughTheMiddleware(t *testing.T) {
	s := newSite(t, 1, []view.Route{view.Path("GET /modern/", modern), view.Path("POST /modern/", modern)})
	s.Use(view.Use(timing))
	elapsed := func(w *httptest.ResponseRecorder) {
		t.Helper()
		if w.Header().Get("X-Elapsed-Ms") == "" {
			t.Errorf("%d without the middleware's header", w.Code)
		}
	}
	w := s.get("/nowhere")
	expectError(t, w, http.StatusNotFound, "not found")
	elapsed(w)
	w = s.do(httptest.NewRequest("DELETE", "/modern/", nil))
	expectError(t, w, http.StatusMethodNotAllowed, "method not allowed")
	elapsed(w)
	if allow := w.Header().Get("Allow"); allow != "GET, HEAD, POST" {
		t.Errorf("Allow: %q", allow)
	}
	if w := s.get("/modern"); w.Code != http.StatusTemporaryRedirect && w.Code != http.StatusMovedPermanently || w.Header().Get("Location") != "/modern/" {
		t.Errorf("/modern: %d to %q, want a redirect to /modern/", w.Code, w.Header().Get("Location"))
	}
	if len(s.log.records(t)) != 2 {
		t.Errorf("log: %v", s.log.records(t))
	}
}

func TestAnAppMayTakeAllByItself(t *testing.T) {
	for _, pattern := range []string{"/", "/{path...}"} {
		s := newSite(t, 1, []view.Route{view.Path(pattern, plainView)})
		expect(t, s.get("/anything"), 200, "plain")
	}
}
