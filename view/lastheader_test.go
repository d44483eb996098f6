package view_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/tandem-go/tandem/view"
)

// lastWord adds a cookie and takes note of what it finds.
func lastWord(next view.AsyncView) view.AsyncView {
	return func(ctx context.Context, r *view.Request) (view.Response, error) {
		resp, err := next(ctx, r)
		r.LastHeader(func(h http.Header) { h.Add("Set-Cookie", "outer") })
		r.LastHeader(func(h http.Header) {
			h.Add("Set-Cookie", "inner")
			h.Set("Type", h.Get("Content-Type"))
		})
		return view.WithHeader(resp, "Set-Cookie", "lost"), err
	}
}

// Whichever way an answer begins, what was given to LastHeader comes last, once.
func TestLastHeaderHasTheLastWord(t *testing.T) {
	withCookie := func(resp view.Response) view.Response { return view.WithHeader(resp, "Set-Cookie", "own") }
	for name, c := range map[string]struct {
		view   func(*view.Request) (view.Response, error)
		status int
		ctype  string
		own    string
	}{
		"body":         {func(*view.Request) (view.Response, error) { return withCookie(view.Text("x")), nil }, 200, "text/plain; charset=utf-8", "own"},
		"no body":      {func(*view.Request) (view.Response, error) { return withCookie(view.Status(200)), nil }, 200, "", "own"},
		"status":       {func(*view.Request) (view.Response, error) { return view.NoContent(), nil }, 204, "", "lost"},
		"error":        {func(*view.Request) (view.Response, error) { return nil, errors.New("x") }, 500, "application/json", "lost"},
		"unencodable":  {func(*view.Request) (view.Response, error) { return view.JSON(func() {}), nil }, 500, "application/json", "lost"},
		"other's code": {func(*view.Request) (view.Response, error) { return view.HTTP(http.HandlerFunc(plainView)), nil }, 200, "", "lost"},
		"panic":        {func(*view.Request) (view.Response, error) { panic("x") }, 500, "application/json", "lost"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, 1, []view.Route{view.Path("/", c.view)})
			s.Use(view.Use(lastWord))
			w := s.get("/")
			h := w.Result().Header
			if w.Code != c.status || h.Get("Type") != c.ctype || !slices.Equal(h["Set-Cookie"], []string{c.own, "inner", "outer"}) {
				t.Errorf("%d %v", w.Code, h)
			}
		})
	}
}

func TestAnErrorHasAHeader(t *testing.T) {
	busy := &view.Error{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"7"}, "Www-Authenticate": {"A", "B"}}}
	s := newSite(t, 1, []view.Route{view.Path("/", func(*view.Request) (view.Response, error) { return nil, busy })})
	s.Use(view.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r)
			w.Header()["Retry-After"][0] = "changed"
		})
	}))
	var w *httptest.ResponseRecorder
	for range 2 {
		w = s.get("/")
		expectError(t, w, http.StatusTooManyRequests, "Too Many Requests")
		if h := w.Result().Header; h.Get("Retry-After") != "7" || !slices.Equal(h["Www-Authenticate"], []string{"A", "B"}) {
			t.Errorf("header %v", h)
		}
	}
}
