package openapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/jsonschema-go/jsonschema"
	"go.uber.org/goleak"

	"github.com/tandem-go/tandem/openapi"
	"github.com/tandem-go/tandem/view"
)

var update = flag.Bool("update", false, "write the golden files")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type newPost struct {
	Title  string            `json:"title" minLength:"1" maxLength:"100" doc:"shown in lists" example:"Riding in tandem"`
	Tags   []string          `json:"tags,omitempty" maxItems:"5" uniqueItems:"true" pattern:"^[a-z]+$"`
	Parent *post             `json:"parent" doc:"what it answers"`
	Extra  map[string]any    `json:"extra"`
	Secret string            `json:"secret,omitempty" writeOnly:"true"`
	Blob   []byte            `json:"blob,omitempty"`
	Words  map[string]string `json:"words,omitempty"`
}

type post struct {
	ID      int64      `json:"id" readOnly:"true"`
	Title   string     `json:"title"`
	Created time.Time  `json:"created"`
	Due     *time.Time `json:"due,omitempty"`
	Score   float32    `json:"score" deprecated:"true"`
	Replies []post     `json:"replies" nullable:"false"`
	Level   uint8      `json:"level" maximum:"9"`
}

type list struct {
	Tag    []string `query:"tag" maxItems:"3" enum:"a,b" doc:"all of these"`
	Limit  int      `query:"limit" default:"20" minimum:"1" maximum:"100"`
	After  *int64   `query:"after" example:"7"`
	Agent  string   `header:"x-agent" required:"true"`
	Theme  string   `cookie:"theme" deprecated:"true"`
	Format string   `query:"format" pattern:"^(a|b)$"`
}

type one struct {
	ID   int64 `path:"id" minimum:"1" doc:"the post's"`
	Body *newPost
}

type things struct{}

func (things) Get(context.Context, *view.Request) (view.Response, error) {
	return view.Text("get"), nil
}

func (things) Post(context.Context, *view.Request) (view.Response, error) {
	return view.Text("post"), nil
}

func listPosts(_ context.Context, _ *view.Request, _ list) ([]post, error) { return nil, nil }

func create(_ context.Context, _ *view.Request, in newPost) (post, error) {
	return post{Title: in.Title}, nil
}

func change(_ *view.Request, in one) (post, error) { return post{ID: in.ID}, nil }

func remove(_ *view.Request, _ struct {
	Slug string `path:"slug"`
},
) (view.None, error) {
	return view.None{}, nil
}

// reply answers more than its output: a header.
func reply(_ context.Context, _ *view.Request, in one) (view.Response, error) {
	return view.WithHeader(view.WithStatus(view.JSON(post{ID: in.ID}), http.StatusCreated), "Location", "/posts/8"), nil
}

func plain(context.Context, *view.Request) (view.Response, error) { return view.Text("plain"), nil }

// blog has routes of every sort.
func blog() *view.App {
	app := view.New()
	tags := view.Doc(view.Documentation{Summary: "All posts", Description: "Newest *first*.", Tags: []string{"posts"}})
	app.Routes(
		view.Path("GET /posts/{$}", view.JSONView(listPosts), tags),
		view.Path("POST /posts/", view.JSONView(create, view.Created()), view.Name("create post")),
		view.Path("PUT /posts/{id}", view.JSONViewSync(change)),
		view.Path("DELETE /posts/{slug}", view.JSONViewSync(remove), view.Doc(view.Documentation{Deprecated: true})),
		view.Path("POST /posts/{id}/replies/", view.JSONView(reply), view.Describe[one, post](view.Created())),
		view.Path("GET /posts/{other}", plain), // described by its pattern
		view.Path("GET /files/{path...}", plain, view.Describe[struct {
			Path string `path:"path" doc:"below the root"`
		}, view.Response]()),
		view.Path("/any/", plain),
		view.Path("GET /same-name", plain, view.Name("create post")),
		view.Path("GET example.org/at-host/{x}", plain),
		view.Path("GET example.com/at-host/{y}", plain), // OpenAPI cannot tell it from the one above
		view.Path("BREW /pot", plain),                   // nor say this
		view.Path("GET /hidden", plain, view.Doc(view.Documentation{Hidden: true}), view.Doc(view.Documentation{Summary: "never shown"})),
		view.Resource("/things/{id}", things{}),
	)
	app.Routes(openapi.Routes(app, info)...)
	return app
}

var info = openapi.Info{Title: "Blog", Version: "1.0", Description: "Posts.", Servers: []string{"https://blog.example"}}

func document(t *testing.T) []byte {
	t.Helper()
	text, err := openapi.Document(blog(), info)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestDocumentGolden(t *testing.T) {
	var out bytes.Buffer
	if err := json.Indent(&out, document(t), "", "  "); err != nil {
		t.Fatal(err)
	}
	out.WriteByte('\n')
	const golden = "testdata/document.golden.json"
	if *update {
		if err := os.WriteFile(golden, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out.Bytes(), want) {
		t.Errorf("got\n%s\n(go test -update writes the golden file anew)", &out)
	}
	for range 5 {
		if again := document(t); !bytes.Equal(again, document(t)) {
			t.Fatal("the same routes are described otherwise")
		}
	}
}

// The schema is the OpenAPI Initiative's own: testdata/README.md.
func TestTheDocumentIsValidByTheOfficialSchema(t *testing.T) {
	var official jsonschema.Schema
	text, err := os.ReadFile("testdata/openapi-3.1-schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &official); err != nil {
		t.Fatal(err)
	}
	resolved, err := official.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(document(t), &doc); err != nil {
		t.Fatal(err)
	}
	if err := resolved.Validate(doc); err != nil {
		t.Error(err)
	}
	delete(doc, "info")
	if resolved.Validate(doc) == nil {
		t.Error("a document without info passes: nothing is checked")
	}
}

// What a schema of the document allows is what the view takes.
func TestSchemasAndViewsAgree(t *testing.T) {
	app := blog()
	var doc struct {
		Components struct {
			Schemas map[string]json.RawMessage `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(document(t), &doc); err != nil {
		t.Fatal(err)
	}
	// The schemas refer to each other as parts of the document; here they are definitions.
	defs, err := json.Marshal(map[string]any{"$ref": "#/$defs/NewPost", "$defs": doc.Components.Schemas})
	if err != nil {
		t.Fatal(err)
	}
	var s jsonschema.Schema
	if err := json.Unmarshal(bytes.ReplaceAll(defs, []byte("#/components/schemas/"), []byte("#/$defs/")), &s); err != nil {
		t.Fatal(err)
	}
	resolved, err := s.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	parent := `{"id":1,"title":"t","created":"2026-01-02T03:04:05Z","score":0.5,"replies":[],"level":9}`
	for body, ok := range map[string]bool{
		`{"title":"x","parent":null,"extra":null}`:                                                    true,
		`{"title":"x","parent":` + parent + `,"extra":{"a":[1]}}`:                                     true,
		`{"title":"x","parent":` + strings.Replace(parent, "9", "10", 1) + `,"extra":{}}`:             false,
		`{"title":"x","parent":` + strings.Replace(parent, "[]", "null", 1) + `,"extra":{}}`:          false,
		`{"title":"x","parent":` + strings.Replace(parent, "[]", "["+parent+"]", 1) + `,"extra":{}}`:  true,
		`{"title":"x","parent":` + strings.Replace(parent, "[]", `[{"id":true}]`, 1) + `,"extra":{}}`: false,
		`{"title":"","parent":null,"extra":null}`:                                                     false,
		`{"title":null,"parent":null,"extra":null}`:                                                   false,
		`{"parent":null,"extra":null}`:                                                                false,
		`{"title":"x","parent":null,"extra":null,"more":1}`:                                           false,
		`{"title":"x","parent":null,"extra":null,"tags":["a","b"]}`:                                   true,
		`{"title":"x","parent":null,"extra":null,"tags":["a","a"]}`:                                   false,
		`{"title":"x","parent":null,"extra":null,"tags":["A"]}`:                                       false,
		`{"title":"x","parent":null,"extra":null,"tags":null}`:                                        false,
		`{"title":"x","parent":null,"extra":null,"words":{"a":1}}`:                                    false,
		`[]`: false,
	} {
		var v any
		if err := json.Unmarshal([]byte(body), &v); err != nil {
			t.Fatal(err)
		}
		if got := resolved.Validate(v) == nil; got != ok {
			t.Errorf("the schema says %v of %s", got, body)
		}
		w := httptest.NewRecorder()
		app.ServeHTTP(w, httptest.NewRequest("POST", "/posts/", strings.NewReader(body)))
		if want := map[bool]int{true: http.StatusCreated, false: http.StatusUnprocessableEntity}[ok]; w.Code != want {
			t.Errorf("the view answers %d to %s, want %d: %s", w.Code, body, want, w.Body)
		}
	}
}

func TestInfoMustSayWhatIsDescribed(t *testing.T) {
	if _, err := openapi.Document(view.New(), openapi.Info{Title: "x"}); err == nil || !strings.Contains(err.Error(), "Title and a Version") {
		t.Errorf("%v", err)
	}
	defer func() {
		if recover() == nil {
			t.Error("Routes takes it")
		}
	}()
	openapi.Routes(view.New(), openapi.Info{})
}

func TestA400IsDescribedByAllThatLeadsToIt(t *testing.T) {
	type query struct {
		Limit int `query:"limit"`
	}
	type body struct {
		Body []string
	}
	type both struct {
		Limit int `query:"limit"`
		Body  []string
	}
	app := view.New()
	app.Routes(
		view.Path("POST /query/", view.JSONView(func(context.Context, *view.Request, query) (view.None, error) { return view.None{}, nil })),
		view.Path("POST /body/", view.JSONView(func(context.Context, *view.Request, body) (view.None, error) { return view.None{}, nil })),
		view.Path("POST /both/", view.JSONView(func(context.Context, *view.Request, both) (view.None, error) { return view.None{}, nil })),
	)
	text, err := openapi.Document(app, openapi.Info{Title: "x", Version: "1"})
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Paths map[string]map[string]struct {
			Responses map[string]struct{ Description string }
		}
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/query/": "The query cannot be read.",
		"/body/":  "The body is not JSON.",
		"/both/":  "The query cannot be read, or the body is not JSON.",
	} {
		if got := doc.Paths[path]["post"].Responses["400"].Description; got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}
