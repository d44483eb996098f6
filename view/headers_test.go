package view_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/tandem-go/tandem/view"
)

func TestSeveralHeadersAtOnce(t *testing.T) {
	shared := http.Header{"X-One": {"1"}, "X-Two": {"2", "2"}, "Vary": {"Cookie"}}
	rt := view.Path("/", func(*view.Request) (view.Response, error) {
		resp := view.WithHeader(view.Text("ok"), "X-One", "the view's")
		return view.WithStatus(view.WithHeader(view.WithHeaders(resp, shared), "Vary", "Accept"), 202), nil
	}, view.With(view.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Vary", "Origin")
			next.ServeHTTP(w, r)
			w.Header().Add("X-Two", "3") // too late to be sent, and not to be shared
		})
	})))
	s := newSite(t, 1, []view.Route{rt})
	for range 2 {
		w := s.get("/")
		expect(t, w, 202, "ok")
		h := w.Result().Header
		if h.Get("X-One") != "the view's" || !slices.Equal(h["X-Two"], []string{"2", "2"}) || !slices.Equal(h["Vary"], []string{"Origin", "Accept", "Cookie"}) {
			t.Errorf("%v", h)
		}
	}
	if view.WithHeaders(nil, shared) != nil {
		t.Error("nil did not stay nil")
	}
	if len(shared["X-Two"]) != 2 {
		t.Errorf("%v", shared)
	}
}
