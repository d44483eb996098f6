package view_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/view"
)

// Django's ViewTests, on one class of each colour.

type syncClass struct{}

func (syncClass) Get(r *view.Request) (view.Response, error) { return ok("Hello (sync) world!") }

type asyncClass struct{}

func (asyncClass) Get(context.Context, *view.Request) (view.Response, error) {
	return ok("Hello (async) world!")
}

type mixedClass struct{}

func (mixedClass) Get(r *view.Request) (view.Response, error)                 { return ok("sync") }
func (mixedClass) Post(context.Context, *view.Request) (view.Response, error) { return ok("async") }

var classes = map[view.Mode]any{view.Sync: syncClass{}, view.Async: asyncClass{}}

func TestDjangoViewsAreCorrectlyMarked(t *testing.T) {
	for colour, class := range classes {
		s := newSite(t, 1, []view.Route{view.Resource("/", class)})
		if got := s.Plan()[0].Colour; got != colour {
			t.Errorf("%T is %v, want %v", class, got, colour)
		}
		expect(t, s.get("/"), http.StatusOK, fmt.Sprintf("Hello (%s) world!", colour))
	}
}

func TestDjangoMixedViewsRaiseError(t *testing.T) {
	defer func() {
		got := fmt.Sprint(recover())
		if !hasAll(got, "view_test.mixedClass", "methods must be all async or all sync: Post is async, Get is sync") {
			t.Errorf("panic %q", got)
		}
	}()
	view.Resource("/", mixedClass{})
}

// answeredByItself sends a method that the class has not and says what came of
// it. Middleware of the class's own colour shows that the answer has it too.
func answeredByItself(t *testing.T, method string, colour view.Mode, class any) (status int, allow string) {
	t.Helper()
	var seen *view.Request
	own := view.Use(func(next view.AsyncView) view.AsyncView {
		return func(ctx context.Context, r *view.Request) (view.Response, error) { seen = r; return next(ctx, r) }
	})
	crossings := 0
	if colour == view.Sync {
		crossings = 1
		own = view.Use(func(next view.SyncView) view.SyncView {
			return func(r *view.Request) (view.Response, error) { seen = r; return next(r) }
		})
	}
	s := newSite(t, 1, []view.Route{view.Resource("/", class)})
	s.Use(own)
	w := s.send(method, "/")
	if got := seen.Crossings(); got != crossings {
		t.Errorf("%T, %s: %d crossings, want %d", class, method, got, crossings)
	}
	return w.Code, w.Header().Get("Allow")
}

func TestDjangoOptionsHandlerRespondsCorrectly(t *testing.T) {
	for colour, class := range classes {
		if status, allow := answeredByItself(t, "OPTIONS", colour, class); status != http.StatusOK || allow != "GET, HEAD, OPTIONS" {
			t.Errorf("%T: %d, Allow: %s", class, status, allow)
		}
	}
}

func TestDjangoHTTPMethodNotAllowedRespondsCorrectly(t *testing.T) {
	for colour, class := range classes {
		if status, allow := answeredByItself(t, "POST", colour, class); status != http.StatusMethodNotAllowed || allow != "GET, HEAD, OPTIONS" {
			t.Errorf("%T: %d, Allow: %s", class, status, allow)
		}
	}
}

func TestDjangoBaseViewClassIsSync(t *testing.T) {
	defer func() {
		if got := fmt.Sprint(recover()); !strings.Contains(got, "has no method Get, Head") {
			t.Errorf("panic %q", got)
		}
	}()
	view.Resource("/", struct{}{})
}
