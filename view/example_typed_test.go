package view_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/tandem-go/tandem/view"
)

// Typed views say what they take and answer in their types, in either colour.
func ExampleJSONView() {
	type newPost struct {
		Title string   `json:"title" minLength:"1" maxLength:"100"`
		Tags  []string `json:"tags,omitempty" maxItems:"5"`
	}
	type post struct {
		ID    int64  `json:"id"`
		Title string `json:"title"`
	}
	type byID struct {
		ID int64 `path:"id" minimum:"1"`
	}
	create := func(ctx context.Context, r *view.Request, in newPost) (post, error) {
		return post{7, in.Title}, nil
	}
	show := func(r *view.Request, in byID) (post, error) {
		return post{in.ID, "An older one"}, nil
	}
	app := view.New()
	app.Routes(
		view.Path("POST /posts/", view.JSONView(create, view.Created())),
		view.Path("GET /posts/{id}/", view.JSONViewSync(show)),
	)
	ask := func(method, target, body string) {
		r := httptest.NewRequest(method, target, strings.NewReader(body))
		r.Header = http.Header{"X-Request-Id": {"example"}}
		w := httptest.NewRecorder()
		app.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Body)
	}
	ask("POST", "/posts/", `{"title":"Riding in tandem"}`)
	ask("GET", "/posts/3/", "")
	ask("POST", "/posts/", `{"titel":"x","tags":["a",2]}`)
	// Output:
	// 201 {"id":7,"title":"Riding in tandem"}
	// 200 {"id":3,"title":"An older one"}
	// 422 {"error":"validation failed","code":"invalid","request_id":"example","fields":[{"in":"body","field":"titel","message":"unknown field"},{"in":"body","field":"tags[1]","message":"expected string"},{"in":"body","field":"title","message":"required"}]}
}
