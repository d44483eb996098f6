package openapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"

	"github.com/tandem-go/tandem/openapi"
	"github.com/tandem-go/tandem/view"
)

func Example() {
	type greeting struct {
		Hello string `json:"hello"`
	}
	type name struct {
		Name string `query:"name" required:"true" maxLength:"20" doc:"whom to greet"`
	}
	greet := func(_ context.Context, _ *view.Request, in name) (greeting, error) {
		return greeting{in.Name}, nil
	}
	app := view.New()
	app.Routes(view.Path("GET /greet/", view.JSONView(greet), view.Name("greet")))
	app.Routes(openapi.Routes(app, openapi.Info{Title: "Greeter", Version: "1.0"})...)

	w := httptest.NewRecorder()
	app.ServeHTTP(w, httptest.NewRequest("GET", "/openapi.json", nil))
	var doc struct {
		Paths map[string]map[string]struct{ Parameters any }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil {
		fmt.Println(err)
	}
	fmt.Println(doc.Paths["/greet/"]["get"].Parameters)
	// Output:
	// [map[description:whom to greet in:query name:name required:true schema:map[maxLength:20 type:string]]]
}
