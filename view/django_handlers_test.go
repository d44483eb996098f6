package view_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/view"
)

// Django's tests/handlers and what tests/async demands of code that is sync only.

func TestDjangoSyncView(t *testing.T) {
	inBothProfiles(t, func(t *testing.T, profile ...view.Option) {
		s := newSite(t, 1, []view.Route{view.Path("GET /regular/", func(*view.Request) (view.Response, error) { return view.Text("regular content"), nil })}, profile...)
		expect(t, s.get("/regular/"), 200, "regular content")
	})
}

func TestDjangoAsyncView(t *testing.T) {
	inBothProfiles(t, func(t *testing.T, profile ...view.Option) {
		s := newSite(t, 1, []view.Route{view.Path("GET /async_regular/", func(context.Context, *view.Request) (view.Response, error) {
			return view.Text("regular content"), nil
		})}, profile...)
		expect(t, s.get("/async_regular/"), 200, "regular content")
	})
}

// refusals are routes of both colours that end with an error.
func refusals(err error) []view.Route {
	return []view.Route{
		view.Path("GET /async", func(context.Context, *view.Request) (view.Response, error) { return nil, err }),
		view.Path("GET /sync", func(*view.Request) (view.Response, error) { return nil, err }),
	}
}

// Django's SuspiciousOperation is an error that a view gives a status.
func TestDjangoSuspiciousopInViewReturns400(t *testing.T) {
	inBothProfiles(t, func(t *testing.T, profile ...view.Option) {
		s := newSite(t, 1, refusals(&view.Error{Status: http.StatusBadRequest, Err: errors.New("dubious: ../../etc")}), profile...)
		for _, target := range []string{"/async", "/sync"} {
			w := s.get(target)
			expectError(t, w, http.StatusBadRequest, "Bad Request")
			if strings.Contains(w.Body.String(), "dubious") {
				t.Errorf("%s tells its cause: %s", target, w.Body)
			}
		}
	})
}

func TestDjangoBadRequestInViewReturns400(t *testing.T) {
	inBothProfiles(t, func(t *testing.T, profile ...view.Option) {
		s := newSite(t, 1, refusals(view.Errorf(http.StatusBadRequest, "the page is no number")), profile...)
		for _, target := range []string{"/async", "/sync"} {
			expectError(t, s.get(target), http.StatusBadRequest, "the page is no number")
		}
	})
}

func TestDjangoNoResponse(t *testing.T) {
	inBothProfiles(t, func(t *testing.T, profile ...view.Option) {
		s := newSite(t, 1, refusals(nil), profile...)
		for i, target := range []string{"/async", "/sync"} {
			expectError(t, s.get(target), http.StatusInternalServerError, "Internal Server Error")
			if all := s.log.records(t); len(all) != i+1 || all[i]["error"] != view.ErrNoResponse.Error() {
				t.Errorf("%s: logged %v", target, all)
			}
		}
	})
}

// ledger is a thing for sync code alone, as a database connection of an old driver is.
type ledger struct{}

func (ledger) add(s bridge.Scoped) error { return bridge.RequireSync(s, "ledger.add") }

// unsafe is an app that uses it from either colour.
func unsafe(t *testing.T, profile []view.Option, colour view.Mode) *httptest.ResponseRecorder {
	var rt view.Route
	if colour == view.Async {
		rt = view.Path("GET /", func(_ context.Context, r *view.Request) (view.Response, error) {
			return view.Text("added"), ledger{}.add(r)
		})
	} else {
		rt = view.Path("GET /", func(r *view.Request) (view.Response, error) { return view.Text("added"), ledger{}.add(r) })
	}
	s := newSite(t, 1, []view.Route{rt}, profile...)
	w := s.get("/")
	if w.Code != http.StatusOK {
		if msg, _ := s.log.only(t)["error"].(string); !hasAll(msg, "ledger.add", "sync") {
			t.Errorf("the log says %q", msg)
		}
	}
	return w
}

func TestDjangoAsyncUnsafe(t *testing.T) {
	inBothProfiles(t, func(t *testing.T, profile ...view.Option) {
		expectError(t, unsafe(t, profile, view.Async), http.StatusInternalServerError, "Internal Server Error")
		expect(t, unsafe(t, profile, view.Sync), 200, "added")
	})
}

// Django has an environment variable that lets it pass. There is none here: who
// knows better crosses over, which costs less than the doubt.
func TestDjangoAsyncUnsafeSuppressed(t *testing.T) {
	t.Setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
	inBothProfiles(t, func(t *testing.T, profile ...view.Option) {
		expectError(t, unsafe(t, profile, view.Async), http.StatusInternalServerError, "Internal Server Error")
		add := bridge.SyncToAsyncScoped(func(s *bridge.Scope, _ string) (string, error) { return "added", ledger{}.add(s) })
		s := newSite(t, 1, []view.Route{view.Path("GET /", func(ctx context.Context, _ *view.Request) (view.Response, error) {
			done, err := add(ctx, "")
			return view.Text(done), err
		})}, profile...)
		expect(t, s.get("/"), 200, "added")
	})
}
