package view_test

import (
	"context"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/tandem-go/tandem/view"
)

// Two steps around a view of either colour, for which nothing is held meanwhile.
func ExamplePhases() {
	closed := func(r *view.Request) (view.Response, error) { // an answer of its own, or nil to go on
		if r.Header().Get("X-Maintenance") != "" {
			return nil, view.Errorf(http.StatusServiceUnavailable, "back in a minute")
		}
		return nil, nil
	}
	signed := func(_ *view.Request, resp view.Response) (view.Response, error) {
		return view.WithHeader(resp, "X-Served-By", "the rear rider"), nil
	}
	app := view.New()
	app.Use(view.Phases(closed, signed))
	app.Routes(view.Path("GET /", func(*view.Request) (view.Response, error) { return view.Text("hello"), nil }))

	w := httptest.NewRecorder()
	app.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	fmt.Println(w.Code, w.Body, w.Header().Get("X-Served-By"))
	// Output: 200 hello the rear rider
}

// Whoever counts requests, or sends their errors elsewhere, observes.
func ExampleObserve() {
	app := view.New(view.Observe(func(r *view.Request, o view.Outcome) {
		fmt.Println(r.Method(), o.Plan.Pattern, o.Status, o.Bytes, "bytes,", o.Crossings, "crossing")
	}))
	app.Routes(view.Path("GET /posts/{id}/", func(r *view.Request) (view.Response, error) {
		return view.Text("post " + r.PathValue("id")), nil
	}))

	app.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/posts/7/", nil))
	// Output: GET GET /posts/{id}/ 200 6 bytes, 1 crossing
}

// Where a request's time went is shown to those who ask in a way that you choose.
func ExampleServerTiming() {
	app := view.New(view.ServerTiming(func(r *http.Request) bool { return r.Header.Get("X-Timing") == "1" }))
	app.Routes(view.Path("GET /", func(context.Context, *view.Request) (view.Response, error) { return view.Text("hello"), nil }))

	for _, asked := range []string{"", "1"} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("X-Timing", asked)
		w := httptest.NewRecorder()
		app.ServeHTTP(w, r)
		fmt.Println(strings.Contains(w.Header().Get("Server-Timing"), "total;dur="))
	}
	// Output:
	// false
	// true
}

// Pages of the site's own for clients that read HTML; what asks for JSON, or says
// nothing, gets JSON as before.
func ExampleErrorPages() {
	page := template.Must(template.New("error").Parse("<h1>{{.Title}}</h1><p>{{.Message}}</p>\n"))
	app := view.New(view.ErrorPages(func(w io.Writer, e view.ErrorPage) error { return page.Execute(w, e) }))
	app.Routes(view.Path("GET /posts/{id}/", func(_ context.Context, r *view.Request) (view.Response, error) {
		return nil, view.Errorf(http.StatusNotFound, "no post %s", r.PathValue("id"))
	}))

	for _, accept := range []string{"text/html,*/*;q=0.8", "*/*", "application/problem+json"} {
		r := httptest.NewRequest("GET", "/posts/7/", nil)
		r.Header.Set("Accept", accept)
		r.Header.Set("X-Request-Id", "r-1")
		w := httptest.NewRecorder()
		app.ServeHTTP(w, r)
		fmt.Println(w.Code, strings.TrimSpace(w.Body.String()))
	}
	// Output:
	// 404 <h1>Not Found</h1><p>no post 7</p>
	// 404 {"error":"no post 7","request_id":"r-1"}
	// 404 {"type":"about:blank","title":"Not Found","status":404,"detail":"no post 7","instance":"/posts/7/","request_id":"r-1"}
}
