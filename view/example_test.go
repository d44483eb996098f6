package view_test

import (
	"context"
	"fmt"
	"net/http/httptest"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/view"
)

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
	for _, target := range []string{"/hello/", "/classic/", "/search/?q=go"} {
		w := httptest.NewRecorder()
		app.ServeHTTP(w, httptest.NewRequest("GET", target, nil))
		fmt.Println(w.Code, w.Body)
	}
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
