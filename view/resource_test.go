package view_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/view"
)

// said answers with the method's name, and the permits that are held.
func said(l *bridge.Limiter, name string) (view.Response, error) {
	return view.Text(fmt.Sprint(name, " ", l.Stats().InUse)), nil
}

type asyncPosts struct{}

func (p *asyncPosts) Get(ctx context.Context, _ *view.Request) (view.Response, error) {
	return view.WithHeader(view.Text("get"), "Seen", fmt.Sprint(ctx.Err())), nil
}

func (p *asyncPosts) Post(context.Context, *view.Request) (view.Response, error) {
	return nil, view.Errorf(http.StatusConflict, "taken")
}
func (p *asyncPosts) Delete(context.Context, *view.Request) (view.Response, error) { panic("gone") }
func (p *asyncPosts) String() string                                               { return "another method" }

// everything has all methods. They are promoted to what embeds it.
type everything struct{ permits *bridge.Limiter }

func (e *everything) Get(*view.Request) (view.Response, error)  { return said(e.permits, "get") }
func (e *everything) Head(*view.Request) (view.Response, error) { return said(e.permits, "head") }

func (e *everything) Post(*view.Request) (view.Response, error)  { return said(e.permits, "post") }
func (e *everything) Put(*view.Request) (view.Response, error)   { return said(e.permits, "put") }
func (e *everything) Patch(*view.Request) (view.Response, error) { return said(e.permits, "patch") }

func (e *everything) Delete(*view.Request) (view.Response, error) { return said(e.permits, "delete") }

func (e *everything) Options(*view.Request) (view.Response, error) { return said(e.permits, "options") }

type embedding struct{ *everything }

// allAsync is everything in the other colour.
type allAsync struct{}

func ok(name string) (view.Response, error) { return view.Text(name), nil }

func (allAsync) Get(context.Context, *view.Request) (view.Response, error)   { return ok("get") }
func (allAsync) Head(context.Context, *view.Request) (view.Response, error)  { return ok("head") }
func (allAsync) Post(context.Context, *view.Request) (view.Response, error)  { return ok("post") }
func (allAsync) Put(context.Context, *view.Request) (view.Response, error)   { return ok("put") }
func (allAsync) Patch(context.Context, *view.Request) (view.Response, error) { return ok("patch") }

func (allAsync) Delete(context.Context, *view.Request) (view.Response, error) { return ok("delete") }

func (allAsync) Options(context.Context, *view.Request) (view.Response, error) { return ok("options") }

func (s *site) send(method, target string) *httptest.ResponseRecorder {
	return s.do(httptest.NewRequest(method, target, strings.NewReader("body")))
}

func TestAResourceAnswersByItsMethods(t *testing.T) {
	for _, opts := range [][]view.Option{nil, {view.SyncOnly()}} {
		permits := bridge.NewLimiter(1)
		s := newSite(t, 1, []view.Route{
			view.Resource("/posts/", &asyncPosts{}), view.Resource("/all/", embedding{&everything{permits}}, view.On(permits)),
		}, opts...)
		s.Use(view.Use(passAsync).Named("a"))

		w := s.send("GET", "/posts/")
		expect(t, w, 200, "get")
		if seen := w.Header().Get("Seen"); seen != "<nil>" {
			t.Errorf("Seen: %q: the method's header comes first", seen)
		}
		expectError(t, s.send("POST", "/posts/"), 409, "taken")
		expectError(t, s.send("DELETE", "/posts/"), 500, "Internal Server Error")
		if w := s.send("HEAD", "/posts/"); w.Code != 200 {
			t.Errorf("HEAD: %d", w.Code)
		}
		const allow = "DELETE, GET, HEAD, OPTIONS, POST"
		for _, method := range []string{"PUT", "PATCH", "TRACE", "get", "X"} {
			w := s.send(method, "/posts/")
			expectError(t, w, 405, "method not allowed")
			if got := w.Header().Get("Allow"); got != allow || w.Header().Get("Seen") != "async" {
				t.Errorf("%s: header %v", method, w.Header())
			}
		}
		w = s.send("OPTIONS", "/posts/")
		expect(t, w, 200, "")
		if got := w.Header().Get("Allow"); got != allow {
			t.Errorf("Allow: %q", got)
		}
		for _, method := range []string{"get", "head", "post", "put", "patch", "delete", "options"} {
			expect(t, s.send(strings.ToUpper(method), "/all/"), 200, method+" 1")
		}
		expectError(t, s.send("TRACE", "/all/"), 405, "method not allowed")
	}
}

func TestEveryMethodMayBeAsyncToo(t *testing.T) {
	s := newSite(t, 1, []view.Route{view.Resource("/", allAsync{})})
	for _, method := range []string{"get", "head", "post", "put", "patch", "delete", "options"} {
		expect(t, s.send(strings.ToUpper(method), "/"), 200, method)
	}
}

func TestThePlanNamesAResourcesTypeAndMethods(t *testing.T) {
	s := newSite(t, 1, []view.Route{
		view.Resource("/posts/{id}/", &asyncPosts{}),
		view.Resource("/all/", &everything{}, view.CPU(), view.Name("all of it"), view.With(view.Use(passSync).Named("s"))),
	})
	plan := s.Plan()
	want := []view.RoutePlan{
		{
			Pattern: "/posts/{id}/", Name: "view_test.asyncPosts", View: "view_test.asyncPosts", Colour: view.Async,
			Methods: []string{"DELETE", "GET", "HEAD", "OPTIONS", "POST"},
		},
		{
			Pattern: "/all/", Name: "all of it", View: "view_test.everything", Colour: view.Sync, Crossings: 1, Limiter: "cpu",
			Methods: []string{"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"},
			Layers:  []view.LayerPlan{{Name: "s", Mode: view.Sync}},
		},
	}
	if !slices.EqualFunc(plan, want, func(a, b view.RoutePlan) bool { return fmt.Sprintf("%+v", a) == fmt.Sprintf("%+v", b) }) {
		t.Errorf("plan\n%+v, want\n%+v", plan, want)
	}
}

type (
	nothing struct{}
	mixed   struct{}
	wrong   struct{}
	writes  struct{}
	shouts  struct{}
)

func (nothing) List(context.Context, *view.Request) (view.Response, error) { return nil, nil }

func (mixed) Get(context.Context, *view.Request) (view.Response, error)   { return nil, nil }
func (mixed) Patch(context.Context, *view.Request) (view.Response, error) { return nil, nil }
func (mixed) Post(*view.Request) (view.Response, error)                   { return nil, nil }

func (*wrong) Get(context.Context, *view.Request) (view.Response, error) { return nil, nil }
func (*wrong) Post(*view.Request) view.Response                          { return nil }

func (writes) Get(http.ResponseWriter, *http.Request) {}

func (shouts) GET(context.Context, *view.Request) (view.Response, error) { return nil, nil }

func TestWhatIsNoResourceIsRefusedWithNames(t *testing.T) {
	for name, c := range map[string]struct {
		pattern string
		v       any
		want    string
	}{
		"nil":            {"/", nil, "view.Resource: <nil> at /: the value is nil"},
		"nil pointer":    {"/", (*wrong)(nil), "view.Resource: view_test.wrong at /: the value is nil"},
		"no method":      {"/", nothing{}, "view.Resource: view_test.nothing at /: it has no method Get, Head, Post, Put, Patch, Delete, Options"},
		"mixed colours":  {"/", mixed{}, "view.Resource: view_test.mixed at /: methods must be all async or all sync: Get, Patch are async, Post is sync"},
		"another type":   {"/", &wrong{}, "view.Resource: view_test.wrong at /: its Post is a func(*view.Request) view.Response, neither an AsyncView nor a SyncView"},
		"a handler":      {"/", writes{}, "view.Resource: view_test.writes at /: its Get is a func(http.ResponseWriter, *http.Request), neither an AsyncView nor a SyncView"},
		"out of reach":   {"/", everything{}, "view.Resource: view_test.everything at /: its Get has a pointer receiver: give a pointer"},
		"another case":   {"/", shouts{}, "view.Resource: view_test.shouts at /: its GET must be called Get"},
		"pattern's own":  {"GET /x/", allAsync{}, `view.Resource: the pattern "GET /x/" of view_test.allAsync has a method: the methods are those of the type`},
		"a function":     {"/", modern, "view.Resource: func(context.Context, *view.Request) (view.Response, error) at /: it has no method Get, Head, Post, Put, Patch, Delete, Options"},
		"wrong receiver": {"/", wrong{}, "view.Resource: view_test.wrong at /: its Get has a pointer receiver: give a pointer"},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if got := recover(); got != c.want {
					t.Errorf("panic %q,\nwant  %q", got, c.want)
				}
			}()
			view.Resource(c.pattern, c.v)
		})
	}
}
