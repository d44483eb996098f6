package view_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/view"
)

// show prints what an app answers to a GET.
func show(app http.Handler, target string) {
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", target, nil)
	r.Header.Set("X-Request-Id", "example")
	app.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Body)
}

func lookup(ctx context.Context, q string) ([]string, error) {
	return []string{q + "-1", q + "-2"}, ctx.Err()
}

// The colour of a view is its type.
func Example() {
	hello := func(ctx context.Context, r *view.Request) (view.Response, error) {
		return view.JSON(map[string]string{"hello": "async"}), nil
	}
	classic := func(r *view.Request) (view.Response, error) {
		return view.JSON(map[string]string{"hello": "sync"}), nil
	}
	search := func(r *view.Request) (view.Response, error) {
		results, err := bridge.AsyncToSync(r, lookup)(r.FormValue("q"))
		return view.JSON(map[string]any{"results": results}), err
	}
	app := view.New()
	app.Routes(
		view.Path("GET /hello/", hello),
		view.Path("GET /classic/", classic),
		view.Path("GET /search/", search),
	)
	show(app, "/hello/")
	show(app, "/classic/")
	show(app, "/search/?q=go")
	for _, p := range app.Plan() {
		fmt.Println(p.Pattern, p.Colour, p.Crossings)
	}
	// Output:
	// 200 {"hello":"async"}
	// 200 {"hello":"sync"}
	// 200 {"results":["go-1","go-2"]}
	// GET /hello/ async 0
	// GET /classic/ sync 1
	// GET /search/ sync 1
}

// The type of middleware is its capability. Where it is not the view's, the plan
// has a crossing; one made of Both never adds any.
func ExampleUse() {
	requireKey := func(next view.SyncView) view.SyncView {
		return func(r *view.Request) (view.Response, error) {
			if r.Query().Get("key") == "" {
				return nil, &view.Error{Status: http.StatusForbidden, Message: "a key is needed"}
			}
			return next(r)
		}
	}
	app := view.New()
	app.Use(view.Use(requireKey).Named("requireKey"))
	app.Routes(view.Path("GET /", func(context.Context, *view.Request) (view.Response, error) {
		return view.Text("welcome"), nil
	}))
	show(app, "/")
	show(app, "/?key=1")
	fmt.Println(app.Plan()[0].Crossings)
	// Output:
	// 403 {"error":"a key is needed","request_id":"example"}
	// 200 welcome
	// 2
}

// notes is a view for several methods, all of one colour.
type notes struct {
	mu  sync.Mutex
	all []string
}

func (n *notes) Get(*view.Request) (view.Response, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return view.JSON(slices.Clone(n.all)), nil
}

func (n *notes) Delete(*view.Request) (view.Response, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all = nil
	return view.NoContent(), nil
}

func ExampleResource() {
	app := view.New()
	app.Routes(view.Resource("/notes/", &notes{all: []string{"milk"}}))
	show(app, "/notes/")
	for _, p := range app.Plan() {
		fmt.Println(p.Pattern, p.View, p.Colour, p.Methods)
	}
	// Output:
	// 200 ["milk"]
	// /notes/ view_test.notes sync [DELETE GET HEAD OPTIONS]
}

// Errors that are not answers of their own tell the client nothing.
func ExampleError() {
	app := view.New()
	app.Routes(
		view.Path("GET /known", func(*view.Request) (view.Response, error) {
			return nil, &view.Error{Status: http.StatusConflict, Code: "taken", Message: "the name is taken"}
		}),
		view.Path("GET /unknown", func(*view.Request) (view.Response, error) {
			return nil, errors.New("dial 10.0.0.7: no route to host")
		}),
	)
	show(app, "/known")
	show(app, "/unknown")
	// Output:
	// 409 {"error":"the name is taken","code":"taken","request_id":"example"}
	// 500 {"error":"Internal Server Error","request_id":"example"}
}

// A stream's chunks reach the client one by one.
func ExampleStream() {
	app := view.New()
	app.Routes(view.Path("GET /", func(ctx context.Context, r *view.Request) (view.Response, error) {
		return view.Stream(func(yield func([]byte, error) bool) {
			for _, word := range []string{"one ", "two ", "three"} {
				if !yield([]byte(word), ctx.Err()) {
					return
				}
			}
		}), nil
	}))
	show(app, "/")
	// Output: 200 one two three
}
