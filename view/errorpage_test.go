package view_test

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/view"
)

const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

// asking sends a request with a fixed id.
func (s *site) asking(method, target, accept string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	r.Header.Set("X-Request-Id", "r-1")
	if accept != "" {
		r.Header.Set("Accept", accept)
	}
	return s.do(r)
}

func TestAnErrorHasTheFormThatItsClientAsksFor(t *testing.T) {
	secret := errors.New("dial tcp 10.0.0.7: password wrong")
	s := newSite(t, 1, []view.Route{
		view.Path("GET /taken/{name}", func(_ context.Context, r *view.Request) (view.Response, error) {
			return nil, &view.Error{
				Status: 409, Code: "taken", Message: r.PathValue("name") + " is taken", Err: secret,
				Fields: []view.FieldError{{In: "path", Field: "name", Message: "is <b>taken</b>"}, {In: "body", Message: "is empty"}},
			}
		}),
		view.Path("GET /broken", func(*view.Request) (view.Response, error) { return nil, secret }),
	})
	page := func(title, rest string) string {
		return "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n" +
			"<meta name=\"robots\" content=\"noindex\">\n<title>" + title + "</title>\n<h1>" + title + "</h1>\n" + rest + "<p>Request <code>r-1</code></p>\n</html>\n"
	}
	const taken = "/taken/%3Cscript%3E?secret=1"
	for _, c := range []struct {
		target, accept string
		status         int
		ctype, body    string
	}{
		{
			taken, "", 409, "application/json",
			`{"error":"\u003cscript\u003e is taken","code":"taken","request_id":"r-1","fields":[{"in":"path","field":"name","message":"is \u003cb\u003etaken\u003c/b\u003e"},{"in":"body","message":"is empty"}]}`,
		},
		{
			taken, browser, 409, "text/html; charset=utf-8",
			page("409 Conflict", "<p>&lt;script&gt; is taken</p>\n<ul>\n<li>path name: is &lt;b&gt;taken&lt;/b&gt;</li>\n<li>body: is empty</li>\n</ul>\n"),
		},
		{
			taken, "application/problem+json", 409, "application/problem+json",
			`{"type":"about:blank","title":"Conflict","status":409,"detail":"\u003cscript\u003e is taken","instance":"/taken/%3Cscript%3E","code":"taken","request_id":"r-1","fields":[{"in":"path","field":"name","message":"is \u003cb\u003etaken\u003c/b\u003e"},{"in":"body","message":"is empty"}]}`,
		},
		{
			taken, "text/plain", 409, "text/plain; charset=utf-8",
			"409 Conflict\n<script> is taken\n- path name: is <b>taken</b>\n- body: is empty\nrequest r-1\n",
		},
		{"/broken", "", 500, "application/json", `{"error":"Internal Server Error","request_id":"r-1"}`},
		{"/broken", browser, 500, "text/html; charset=utf-8", page("500 Internal Server Error", "")},
		{"/broken", "text/plain", 500, "text/plain; charset=utf-8", "500 Internal Server Error\nrequest r-1\n"},
		{
			"/broken", "application/problem+json", 500, "application/problem+json",
			`{"type":"about:blank","title":"Internal Server Error","status":500,"instance":"/broken","request_id":"r-1"}`,
		},
	} {
		w := s.asking("GET", c.target, c.accept)
		expect(t, w, c.status, c.body)
		h := w.Header()
		if h.Get("Content-Type") != c.ctype || h.Get("Vary") != "Accept" || h.Get("Cache-Control") != "no-store" {
			t.Errorf("%s for %q: header %v", c.target, c.accept, h)
		}
		if policy := h.Get("Content-Security-Policy"); (policy == "default-src 'none'") != (c.accept == browser) {
			t.Errorf("%s for %q: policy %q", c.target, c.accept, policy)
		}
	}
}

// Whoever answers it: the app, a layer, or what has caught a panic.
func TestEveryErrorHasAPage(t *testing.T) {
	panics := view.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.RawQuery == "panic" {
				panic("of net/http middleware")
			}
			next.ServeHTTP(w, r)
		})
	})
	s := newSite(t, 1, []view.Route{
		view.Path("GET /panic", func(*view.Request) (view.Response, error) { panic("of a view") }),
		view.Path("GET /unencodable", func(*view.Request) (view.Response, error) { return view.JSON(func() {}), nil }),
		view.Path("GET /down", func(*view.Request) (view.Response, error) { return nil, view.Errorf(503, "closed today") }),
		view.Path("POST /body", func(r *view.Request) (view.Response, error) { return view.Text("read"), nil }, view.MaxBody(2)),
		view.Path("GET /ok", func(*view.Request) (view.Response, error) { return view.Text("ok"), nil }),
	}, view.ErrorPages(func(w io.Writer, e view.ErrorPage) error {
		_, err := fmt.Fprintf(w, "%d, %s, for %s", e.Status, e.Message, e.Request.URL().Path)
		return err
	}))
	s.Use(panics)
	for target, want := range map[string]string{
		"/panic":       "500, Internal Server Error, for /panic",
		"/ok?panic":    "500, Internal Server Error, for /ok",
		"/unencodable": "500, Internal Server Error, for /unencodable",
		"/down":        "503, closed today, for /down",
		"/nowhere":     "404, not found, for /nowhere",
		"/body":        "405, method not allowed, for /body",
	} {
		w := s.asking("GET", target, browser)
		if w.Body.String() != want || fmt.Sprint(w.Code) != want[:3] || w.Header().Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("%s: %d %q %v, want %q", target, w.Code, w.Body, w.Header(), want)
		}
		if want[:3] == "503" && w.Header().Get("Retry-After") != "1" || want[:3] == "405" && w.Header().Get("Allow") != "POST" {
			t.Errorf("%s: header %v", target, w.Header())
		}
	}
	r := httptest.NewRequest("POST", "/body", strings.NewReader("long"))
	r.Header.Set("Accept", browser)
	expect(t, s.do(r), 413, "413, request body is larger than 2 bytes, for /body")
	expect(t, s.asking("GET", "/ok", browser), 200, "ok")
}

func TestPagesOfOnesOwn(t *testing.T) {
	own := template.Must(template.New("").Parse(`<style>{}</style>{{.Status}} {{.Title}}: {{.Message}} ({{.Code}}, {{.RequestID}}){{range .Fields}} {{.In}}{{end}}`))
	for name, c := range map[string]struct {
		page func(io.Writer, view.ErrorPage) error
		want string
		log  string
	}{
		"a template": {
			func(w io.Writer, e view.ErrorPage) error { return own.Execute(w, e) },
			"<style>{}</style>409 Conflict: &lt;i&gt; (c, r-1) body", "",
		},
		"one that fails": {
			func(w io.Writer, _ view.ErrorPage) error {
				io.WriteString(w, "half")
				return errors.New("no such template")
			},
			"", "no such template",
		},
		"one that panics": {func(io.Writer, view.ErrorPage) error { panic("nil map") }, "", "nil map"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, 1, []view.Route{view.Path("/", func(*view.Request) (view.Response, error) {
				return nil, &view.Error{Status: 409, Code: "c", Message: "<i>", Fields: []view.FieldError{{In: "body", Message: "m"}}}
			})}, view.ErrorPages(c.page))
			w := s.asking("GET", "/", browser)
			policy := w.Header().Get("Content-Security-Policy")
			if c.want != "" {
				expect(t, w, 409, c.want)
				if policy != "" {
					t.Errorf("a policy for a page that is not ours: %q", policy)
				}
			} else if !strings.HasPrefix(w.Body.String(), "<!DOCTYPE html>") || w.Code != 409 || policy == "" || strings.Contains(w.Body.String(), "half") {
				t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
			}
			failed := slices.DeleteFunc(s.log.records(t), func(r map[string]any) bool { return r["msg"] != "error page failed" })
			if c.log == "" && len(failed) > 0 || c.log != "" && (len(failed) != 1 || !strings.Contains(fmt.Sprint(failed[0]["error"]), c.log)) {
				t.Errorf("log: %v", failed)
			}
			expect(t, s.asking("GET", "/", "application/json"), 409, `{"error":"\u003ci\u003e","code":"c","request_id":"r-1","fields":[{"in":"body","message":"m"}]}`)
		})
	}
}

// The answer that failed has left nothing that would say what the page is.
func TestAPageIsWhatItsHeaderSays(t *testing.T) {
	s := newSite(t, 1, []view.Route{view.Path("/", func(*view.Request) (view.Response, error) { return nil, view.Errorf(410, "gone") })})
	s.Use(view.Phases(nil, func(_ *view.Request, resp view.Response) (view.Response, error) {
		return view.WithHeader(view.WithHeader(resp, "Content-Type", "text/csv"), "Content-Security-Policy", "img-src 'self'"), nil
	}))
	for accept, ctype := range map[string]string{browser: "text/html; charset=utf-8", "*/*": "application/json", "application/problem+json": "application/problem+json"} {
		h := s.asking("GET", "/", accept).Header()
		if h.Get("Content-Type") != ctype || h.Get("Content-Security-Policy") != "img-src 'self'" {
			t.Errorf("%s: %v", accept, h)
		}
	}
}

func TestTheHeadOfAnErrorIsThatOfItsPage(t *testing.T) {
	s := newSite(t, 1, nil)
	server := httptest.NewServer(s)
	defer server.Close()
	lengths := map[string]int64{}
	for _, method := range []string{"HEAD", "GET"} {
		req, err := http.NewRequest(method, server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", browser)
		resp, err := server.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		lengths[method] = resp.ContentLength
		if err != nil || resp.StatusCode != 404 || resp.Header.Get("Content-Type") != "text/html; charset=utf-8" || (len(body) == 0) != (method == "HEAD") {
			t.Errorf("%s: %s, %d bytes, %v, %v", method, resp.Status, len(body), resp.Header, err)
		}
	}
	if lengths["HEAD"] != lengths["GET"] || lengths["GET"] <= 0 {
		t.Errorf("lengths %v", lengths)
	}
}

func TestPreferredType(t *testing.T) {
	offers := []string{"application/json", "text/html", "text/plain"}
	for accept, want := range map[string]string{
		"":                                  "",
		"*/*":                               "application/json",
		browser:                             "text/html",
		"text/*":                            "text/html",
		"TEXT/*;Q=0.5, image/png":           "text/html",
		"text/html;q=0.5, text/plain;q=0.6": "text/plain",
		"text/*;q=1, text/html;q=0.9":       "text/plain",
		"text/html;q=0, text/*":             "text/plain",
		"*/*, application/json;q=0":         "text/html",
		"application/json, text/html":       "application/json",
		"text/html, */*":                    "text/html",
		"text/html;q=0.9, text/html;q=0.1, */*;q=0.5": "text/html",
		"image/png":     "",
		"text/html;q=0": "",
		"*/*;q=0":       "",
		`text/html;a="x, application/json";q=0.1`: "text/html",
		`text/html;a="\", text/plain`:             "text/html",
		"text/html;q=1.001, text/plain;q=0.1":     "text/plain", // malformed parts are passed over
		"text/html;q=.5, text/plain;q=0.1":        "text/plain",
		"text/html;q=0.1234, text/plain;q=0.1":    "text/plain",
		"text/html;q=, text/plain;q=0.1":          "text/plain",
		"text/html;q=1.000, text/plain;q=0.999":   "text/html",
		"texthtml, *, */, /*, text, ,;,":          "",
		"text/html ; q=0.5 , text/plain":          "text/plain",
		"text/html;charset=utf-8":                 "text/html",
	} {
		var got string
		s := newSite(t, 1, []view.Route{view.Path("/", func(_ context.Context, r *view.Request) (view.Response, error) {
			got = r.PreferredType(offers...)
			return view.Status(204), nil
		})})
		r := httptest.NewRequest("GET", "/", nil)
		r.Header["Accept"] = []string{accept}
		s.do(r)
		if got != want {
			t.Errorf("%q: %q, want %q", accept, got, want)
		}
	}
}

// FuzzPreferredType: what a client prefers does not hang on the order in which it
// says so, nor on how many lines it takes, and is always on offer.
func FuzzPreferredType(f *testing.F) {
	offers := []string{"application/json", "text/html", "text/plain", "application/problem+json"}
	for _, seed := range []string{"", "*/*", browser, "text/*;q=0.5, image/png;q=0", `a/b;c="d,e";q=1`, "text/html;q=1.001,text/plain;q=0.1", "application/problem+json, application/json"} {
		f.Add(seed)
	}
	var got string
	app := view.New()
	app.Routes(view.Path("/", func(_ context.Context, r *view.Request) (view.Response, error) {
		got = r.PreferredType(offers...)
		return nil, view.Errorf(418, "short")
	}))
	f.Fuzz(func(t *testing.T, accept string) {
		ask := func(lines ...string) string {
			r := httptest.NewRequest("GET", "/", nil)
			r.Header["Accept"] = lines
			w := httptest.NewRecorder()
			app.ServeHTTP(w, r)
			ctype, _, _ := strings.Cut(w.Header().Get("Content-Type"), ";")
			if !slices.Contains(offers, ctype) || w.Code != 418 {
				t.Errorf("%q: %d %q", lines, w.Code, ctype)
			}
			return got
		}
		want := ask(accept)
		if want != "" && !slices.Contains(offers, want) {
			t.Errorf("%q: %q", accept, want)
		}
		if strings.Contains(accept, `"`) {
			return // commas may be quoted
		}
		parts := strings.Split(accept, ",")
		if again := ask(parts...); again != want {
			t.Errorf("%q: %q, and in lines of their own %q", accept, want, again)
		}
		slices.Reverse(parts)
		if again := ask(strings.Join(parts, ",")); again != want {
			t.Errorf("%q: %q, and from behind %q", accept, want, again)
		}
	})
}
