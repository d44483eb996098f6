package view_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/tandem-go/tandem/view"
)

// listing is a server's writer, as package worker has one.
type listing struct {
	http.ResponseWriter
	routes []string
}

func (l *listing) Route(pattern string) { l.routes = append(l.routes, pattern) }
func (l *listing) RequestID() string    { return "the-servers" }

// wrapper is a middleware's.
type wrapper struct{ http.ResponseWriter }

func (w wrapper) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// A server that lists its requests learns the route before the view runs, and
// the view logs the id that the server has.
func TestTheServerIsToldTheRouteAndAskedForTheID(t *testing.T) {
	l := &listing{ResponseWriter: httptest.NewRecorder()}
	var id string
	app := view.New()
	app.Routes(view.Path("GET /reset/{token}/", func(_ context.Context, r *view.Request) (view.Response, error) {
		if len(l.routes) != 1 || l.routes[0] != "GET /reset/{token}/" {
			t.Errorf("told the routes %q", l.routes)
		}
		id = r.ID()
		return view.Text("done"), nil
	}))
	r := httptest.NewRequest("GET", "/reset/secret/", nil)
	app.ServeHTTP(wrapper{l}, r)
	if id != "the-servers" {
		t.Errorf("the id is %q", id)
	}
	r = httptest.NewRequest("GET", "/reset/secret/", nil)
	r.Header.Set("X-Request-Id", "the-clients")
	l.routes = nil
	app.ServeHTTP(wrapper{l}, r)
	if id != "the-clients" {
		t.Errorf("the id is %q", id)
	}
}
