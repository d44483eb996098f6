package session_test

import (
	"fmt"
	"net/http/httptest"

	"github.com/tandem-go/tandem/session"
	"github.com/tandem-go/tandem/view"
)

// The same functions serve views of both colours.
func Example() {
	keys, err := session.NewKeys("from the environment: 32 bytes or more of random text")
	if err != nil {
		fmt.Println(err)
		return
	}
	app := view.New()
	app.Use(session.Sealed(keys))
	app.Routes(view.Path("GET /{$}", func(r *view.Request) (view.Response, error) {
		n, _ := session.Get[int](r, "visits")
		return view.JSON(n), session.Set(r, "visits", n+1)
	}))
	r := httptest.NewRequest("GET", "/", nil)
	for range 3 {
		w := httptest.NewRecorder()
		app.ServeHTTP(w, r)
		fmt.Println(w.Body)
		r = httptest.NewRequest("GET", "/", nil)
		r.AddCookie(w.Result().Cookies()[0])
	}
	// Output:
	// 0
	// 1
	// 2
}
