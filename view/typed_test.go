package view_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/view"
)

type post struct {
	Title string    `json:"title" minLength:"1" maxLength:"20"`
	Score int8      `json:"score,omitempty" minimum:"-5"`
	Tags  []string  `json:"tags,omitempty" maxItems:"3" uniqueItems:"true" pattern:"^[a-z]+$"`
	Due   time.Time `json:"due,omitzero"`
	Owner *owner    `json:"owner,omitempty"`
}

type owner struct {
	Name  string            `json:"name"`
	Email string            `json:"email,omitempty" format:"email"`
	Notes map[string]string `json:"notes,omitempty"`
}

type edit struct {
	ID     int64    `path:"id" minimum:"1"`
	Dry    bool     `query:"dry"`
	Limit  uint8    `query:"limit" default:"20" maximum:"100"`
	Labels []string `query:"label" maxItems:"2" enum:"a,b,c"`
	Agent  string   `header:"x-agent" required:"true" maxLength:"5"`
	Since  *float64 `cookie:"since"`
	Body   post
}

type made struct {
	ID   int64 `json:"id"`
	What edit  `json:"what"`
}

func editAsync(_ context.Context, _ *view.Request, in edit) (made, error) {
	return made{in.ID, in}, nil
}

func editSync(_ *view.Request, in edit) (made, error)                     { return made{in.ID, in}, nil }
func postAsync(_ context.Context, _ *view.Request, in post) (post, error) { return in, nil }
func postSync(_ *view.Request, in post) (post, error)                     { return in, nil }

// typedSite serves each typed view in both colours, under /async and /sync.
func typedSite(t *testing.T, opts ...view.Option) *site {
	return newSite(t, 1, []view.Route{
		view.Path("POST /async/{id}", view.JSONView(editAsync, view.Created())),
		view.Path("POST /sync/{id}", view.JSONViewSync(editSync, view.Created())),
		view.Path("POST /async/posts/", view.JSONView(postAsync)),
		view.Path("POST /sync/posts/", view.JSONViewSync(postSync)),
	}, opts...)
}

// inBothColours asks the async view and the sync one, which must answer the same.
func inBothColours(t *testing.T, s *site, path, body string, prepare ...func(*http.Request)) *httptest.ResponseRecorder {
	t.Helper()
	var answers []*httptest.ResponseRecorder
	for _, colour := range []string{"/async", "/sync"} {
		r := httptest.NewRequest("POST", colour+path, strings.NewReader(body))
		r.Header.Set("X-Request-Id", "it")
		for _, p := range prepare {
			p(r)
		}
		answers = append(answers, s.do(r))
	}
	if a, b := answers[0], answers[1]; a.Code != b.Code || a.Body.String() != b.Body.String() {
		t.Errorf("%s %s: async answers %d %s\nsync %d %s", path, body, a.Code, a.Body, b.Code, b.Body)
	}
	return answers[0]
}

func TestTypedInputIsReadFromAllPartsOfTheRequest(t *testing.T) {
	s := typedSite(t)
	w := inBothColours(t, s, "/7?dry=true&label=a&label=c&other=1", `{"title":"one"}`, func(r *http.Request) {
		r.Header.Set("X-Agent", "me")
		r.AddCookie(&http.Cookie{Name: "since", Value: "1.5"})
	})
	expect(t, w, 201, `{"id":7,"what":{"ID":7,"Dry":true,"Limit":20,"Labels":["a","c"],"Agent":"me","Since":1.5,"Body":{"title":"one"}}}`)
	w = inBothColours(t, s, "/8?limit=100", `{"title":"é","score":-5,"tags":["x","y"],"due":"2026-01-02T03:04:05Z","owner":{"name":"n","notes":{"a.b":"c"}}}`,
		func(r *http.Request) { r.Header.Set("X-Agent", "me") })
	expect(t, w, 201, `{"id":8,"what":{"ID":8,"Dry":false,"Limit":100,"Labels":null,"Agent":"me","Since":null,`+
		`"Body":{"title":"é","score":-5,"tags":["x","y"],"due":"2026-01-02T03:04:05Z","owner":{"name":"n","notes":{"a.b":"c"}}}}}`)
}

func TestAllThatIsWrongIsToldAtOnce(t *testing.T) {
	s := typedSite(t)
	w := inBothColours(t, s, "/0?dry=maybe&limit=256&label=a&label=b&label=z", `{"score":128,"tags":["x","x",1,"Y"],"due":"now","owner":{"name":null,"email":"nobody","a.b":1},"titel":"x"}`,
		func(r *http.Request) { r.AddCookie(&http.Cookie{Name: "since", Value: "NaN"}) })
	if w.Code != 422 {
		t.Errorf("status %d", w.Code)
	}
	var got view.ErrorBody
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Error != "validation failed" || got.Code != "invalid" || got.RequestID != "it" {
		t.Errorf("%s", w.Body)
	}
	var lines []string
	for _, f := range got.Fields {
		lines = append(lines, f.In+" "+f.Field+": "+f.Message)
	}
	want := `path id: expected number >= 1
query dry: expected boolean
query limit: out of range
query label: expected value to be one of "a, b, c"
query label: expected at most 2 values
header X-Agent: required
cookie since: expected number
body score: out of range
body tags[1]: given twice
body tags[2]: expected string
body tags[3]: expected string to match pattern ^[a-z]+$
body tags: expected at most 3 elements
body due: expected string to be RFC 3339 date-time
body owner.name: expected string
body owner.email: expected string to be RFC 5322 email: mail: missing '@' or angle-addr
body owner["a.b"]: unknown field
body titel: unknown field
body title: required`
	if g := strings.Join(lines, "\n"); g != want {
		t.Errorf("got\n%s\nwant\n%s", g, want)
	}
}

func TestBodiesThatAreNoInput(t *testing.T) {
	s := typedSite(t, view.BodyLimit(100))
	deep := strings.Repeat("[", 20_000)
	for _, test := range []struct {
		ctype, body string
		status      int
		message     string
	}{
		{"", ``, 400, "request body: no value"},
		{"", `{"title":`, 400, "request body: unexpected EOF"},
		{"", `{"title":"one"} x`, 400, "request body: invalid character 'x' looking for beginning of value"},
		{"", `{"title":"one"}{}`, 400, "request body: more than one value"},
		{"", "{\"title\":\"\xff\"}", 400, "request body: not UTF-8"},
		{"text/plain", `{"title":"one"}`, 415, `content type "text/plain" is not JSON`},
		{"", `{"title":"` + strings.Repeat("x", 100) + `"}`, 413, "request body is larger than 100 bytes"},
		{"", deep, 413, "request body is larger than 100 bytes"},
		{"", `null`, 422, "validation failed"},
		{"", `[]`, 422, "validation failed"},
		{"", `{"title":"a","title":"b"}`, 422, "validation failed"},
		{"", `{"title":"a","t\u0069tle":"b"}`, 422, "validation failed"},
		{"", `{"TITLE":"a"}`, 422, "validation failed"},
		{"", `{"title":"a","score":1.0}`, 422, "validation failed"},
		{"", `{"title":"a","score":1e400}`, 422, "validation failed"},
	} {
		w := inBothColours(t, s, "/posts/", test.body, func(r *http.Request) {
			if test.ctype != "" {
				r.Header.Set("Content-Type", test.ctype)
			}
		})
		expectError(t, w, test.status, test.message)
	}
	s = typedSite(t)
	expectError(t, inBothColours(t, s, "/posts/", deep), 400, "request body: invalid character '[' exceeded max depth")
}

func TestFaultsAreToldInBounds(t *testing.T) {
	s := typedSite(t)
	long := strings.Repeat("k", 1<<20)
	w := inBothColours(t, s, "/posts/", `{"`+long+`":1,"tags":[`+strings.Repeat("1,", 100_000)+`1]}`)
	var got view.ErrorBody
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || len(got.Fields) != 64 || w.Body.Len() > 10_000 {
		t.Errorf("%d entries in %d bytes, %v", len(got.Fields), w.Body.Len(), err)
	}
}

type noInput struct{}

func TestOutputs(t *testing.T) {
	boom := errors.New("boom")
	s := newSite(t, 1, []view.Route{
		view.Path("/none", view.JSONView(func(context.Context, *view.Request, view.None) (view.None, error) { return view.None{}, nil })),
		view.Path("/accepted", view.JSONViewSync(func(*view.Request, view.None) (view.None, error) { return view.None{}, nil }, view.Answers(202))),
		view.Path("/list", view.JSONView(func(context.Context, *view.Request, noInput) ([]int, error) { return []int{1}, nil })),
		view.Path("/response", view.JSONView(func(context.Context, *view.Request, view.None) (view.Response, error) {
			return view.Text("as it is"), nil
		})),
		view.Path("/nil", view.JSONViewSync(func(*view.Request, view.None) (view.Response, error) { return nil, nil })),
		view.Path("/any", view.JSONViewSync(func(*view.Request, view.None) (any, error) { return view.Status(204), nil })),
		view.Path("/error", view.JSONView(func(context.Context, *view.Request, view.None) (int, error) { return 1, boom })),
	})
	expect(t, s.get("/none"), 204, "")
	expect(t, s.get("/accepted"), 202, "")
	expect(t, s.get("/list"), 200, "[1]")
	expect(t, s.get("/response"), 200, "as it is")
	expectError(t, s.get("/nil"), 500, "Internal Server Error")
	expect(t, s.get("/any"), 204, "")
	expectError(t, s.get("/error"), 500, "Internal Server Error")
}

func TestAnOptionalBodyMayBeMissing(t *testing.T) {
	type in struct{ Body *[]int }
	echo := func(_ *view.Request, v in) (in, error) { return v, nil }
	s := newSite(t, 1, []view.Route{view.Path("/", view.JSONViewSync(echo))})
	post := func(body io.Reader) *httptest.ResponseRecorder { return s.do(httptest.NewRequest("POST", "/", body)) }
	expect(t, post(nil), 200, `{"Body":null}`)
	expect(t, post(io.MultiReader(strings.NewReader(" "))), 200, `{"Body":null}`)
	expect(t, post(strings.NewReader("null")), 200, `{"Body":null}`)
	expect(t, post(strings.NewReader("[1]")), 200, `{"Body":[1]}`)
	expectError(t, post(strings.NewReader("[1")), 400, "request body: unexpected EOF")
}

// A type that reads itself, and panics at that.
type touchy string

func (c *touchy) UnmarshalText(b []byte) error {
	switch string(b) {
	case "panic":
		panic("touchy")
	case "bad":
		return errors.New("bad taste")
	}
	*c = touchy(b)
	return nil
}

func TestATypesOwnCodeHasTheLastWord(t *testing.T) {
	type in struct {
		Q    touchy `query:"q"`
		Body struct {
			A touchy         `json:"a" required:"false"`
			B []byte         `json:"b,omitempty"`
			C any            `json:"c,omitempty"`
			D map[string]int `json:"d,omitempty"`
		}
	}
	s := newSite(t, 1, []view.Route{
		view.Path("POST /async/", view.JSONView(func(_ context.Context, _ *view.Request, v in) (in, error) { return v, nil })),
		view.Path("POST /sync/", view.JSONViewSync(func(_ *view.Request, v in) (in, error) { return v, nil })),
	})
	for _, test := range []struct{ target, body, want string }{
		{"/?q=x", `{"a":"y","b":"","c":[1,{}],"d":{"":1}}`, `{"Q":"x","Body":{"a":"y","c":[1,{}],"d":{"":1}}}`},
		{"/?q=bad", `{"a":"bad","b":"?","d":{"x":1,"x":2,"y":1e99}}`, `{"error":"validation failed","code":"invalid","request_id":"it","fields":[` +
			`{"in":"query","field":"q","message":"cannot be read: bad taste"},{"in":"body","field":"a","message":"cannot be read: bad taste"},` +
			`{"in":"body","field":"b","message":"expected base64 string"},{"in":"body","field":"d.x","message":"given twice"},{"in":"body","field":"d.y","message":"expected integer"}]}`},
		{"/", `{"c":[1e999]}`, `{"error":"validation failed","code":"invalid","request_id":"it","fields":[{"in":"body","field":"c","message":"cannot be a number 1e999"}]}`},
		{"/", `{"a":"panic"}`, `{"error":"Internal Server Error","request_id":"it"}`},
		{"/?q=%zz", `{}`, `{"error":"query: invalid URL escape \"%zz\"","request_id":"it"}`},
	} {
		if w := inBothColours(t, s, test.target, test.body); w.Body.String() != test.want {
			t.Errorf("%s %s: %d %s\nwant %s", test.target, test.body, w.Code, w.Body, test.want)
		}
	}
}

// inUse notes how many permits are taken while it is read.
type inUse struct{}

var reading struct {
	s    *site
	seen []int
}

func (*inUse) UnmarshalText([]byte) error {
	reading.seen = append(reading.seen, reading.s.limits.Blocking.Stats().InUse)
	return nil
}

func TestASyncViewsPermitCoversTheViewAlone(t *testing.T) {
	type in struct {
		Q    inUse `query:"q"`
		Need int   `query:"need" required:"true"`
	}
	inView := -1
	v := func(*view.Request, in) (view.None, error) {
		inView = reading.s.limits.Blocking.Stats().InUse
		return view.None{}, nil
	}
	order := []string{}
	guard := view.Use(func(next view.SyncView) view.SyncView {
		return func(r *view.Request) (view.Response, error) {
			order = append(order, fmt.Sprint("guard, permits in use: ", reading.s.limits.Blocking.Stats().InUse))
			if r.Query().Get("key") == "" {
				return view.Status(401), nil
			}
			return next(r)
		}
	})
	s := newSite(t, 1, []view.Route{
		view.Path("GET /bare", view.JSONViewSync(v)),
		view.Path("GET /guarded", view.JSONViewSync(v), view.With(guard)),
	})
	reading.s, reading.seen = s, nil
	expect(t, s.get("/bare?q=1&need=1"), 204, "")
	if inView != 1 || fmt.Sprint(reading.seen) != "[0]" {
		t.Errorf("permits in use: %d in the view, %v while its input was read", inView, reading.seen)
	}
	for _, p := range s.Plan() {
		if p.Crossings != 1 || p.Colour != view.Sync || p.View != "view_test.TestASyncViewsPermitCoversTheViewAlone.func1" {
			t.Errorf("plan %+v", p)
		}
	}
	expect(t, s.get("/guarded?q=1"), 401, "") // the guard has its say before bad input is told
	expectError(t, s.get("/guarded?key=1"), 422, "validation failed")
	if fmt.Sprint(order) != "[guard, permits in use: 1 guard, permits in use: 1]" {
		t.Errorf("%q", order)
	}

	// Bad input is told also when every permit is taken; good input is refused.
	_, err := bridge.RunSync(t.Context(), func() (int, error) {
		expectError(t, s.get("/bare"), 422, "validation failed")
		expectError(t, s.get("/bare?need=1"), 503, "busy, try again")
		return 0, nil
	}, bridge.On(s.limits.Blocking))
	if err != nil {
		t.Fatal(err)
	}
}

func newPost(target, body string) *http.Request {
	r := httptest.NewRequest("POST", target, strings.NewReader(body))
	r.Header.Set("X-Request-Id", "it")
	return r
}
