package view_test

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/tandem-go/tandem/view"
)

// listing is a server's writer, as package worker has one.
type listing struct {
	http.ResponseWriter
	routes []string
	scheme string
}

func (l *listing) Route(pattern string) { l.routes = append(l.routes, pattern) }
func (l *listing) RequestID() string    { return "the-servers" }
func (l *listing) Scheme() string       { return l.scheme }

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

// What a proxy has told the server is asked of its writer; the connection counts
// where it has nothing to tell.
func TestTheServerIsAskedForTheScheme(t *testing.T) {
	var secure bool
	var urls []string
	app := view.New()
	app.Routes(view.Path("GET /posts/{$}", func(_ context.Context, r *view.Request) (view.Response, error) {
		secure, urls = r.Secure(), nil
		for _, ref := range []string{"", "/there/", "more?a=b", "//cdn.example/x", "https://else.example/", ":"} {
			urls = append(urls, r.AbsoluteURL(ref))
		}
		return view.Text(r.Scheme()), nil
	}))
	for name, tc := range map[string]struct {
		told   string
		tls    bool
		server bool
		want   string
	}{
		"in clear":                 {want: "http", server: true},
		"TLS":                      {want: "https", server: true, tls: true},
		"a proxy's client, TLS":    {want: "https", server: true, told: "https"},
		"a proxy's client, no TLS": {want: "http", server: true, told: "http", tls: true},
		"another server":           {want: "http"},
		"another server with TLS":  {want: "https", tls: true},
	} {
		rec := httptest.NewRecorder()
		w := http.ResponseWriter(rec)
		if tc.server {
			w = wrapper{&listing{ResponseWriter: rec, scheme: tc.told}}
		}
		r := httptest.NewRequest("GET", "/posts/?page=2", nil)
		if tc.tls {
			r.TLS = new(tls.ConnectionState)
		}
		app.ServeHTTP(w, r)
		if got := rec.Body.String(); got != tc.want || secure != (tc.want == "https") {
			t.Errorf("%s: %s, secure: %v", name, got, secure)
		}
		site := tc.want + "://example.com"
		if want := []string{site + "/posts/?page=2", site + "/there/", site + "/posts/more?a=b", tc.want + "://cdn.example/x", "https://else.example/", ""}; !slices.Equal(urls, want) {
			t.Errorf("%s: %q", name, urls)
		}
	}
}
