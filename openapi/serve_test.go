package openapi_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/openapi"
	"github.com/tandem-go/tandem/view"
)

func get(app http.Handler, target string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	app.ServeHTTP(w, r)
	return w
}

func TestTheDocumentAndThePageAreServed(t *testing.T) {
	app := blog()
	for target, contentType := range map[string]string{
		"/openapi.json":    "application/json",
		"/docs/":           "text/html; charset=utf-8",
		"/docs/index.html": "text/html; charset=utf-8",
		"/docs/docs.css":   "text/css; charset=utf-8",
		"/docs/docs.js":    "text/javascript; charset=utf-8",
	} {
		w := get(app, target)
		h := w.Header()
		if w.Code != 200 || h.Get("Content-Type") != contentType || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d %v", target, w.Code, h)
		}
		if csp := h.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none';") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: policy %q", target, csp)
		}
		tag := h.Get("ETag")
		if again := get(app, target, "If-None-Match", tag); tag == "" || again.Code != 304 || again.Body.Len() != 0 {
			t.Errorf("%s with its ETag %s: %d, %d bytes", target, tag, again.Code, again.Body.Len())
		}
		if other := get(app, target, "If-None-Match", `"other"`); other.Code != 200 {
			t.Errorf("%s with another ETag: %d", target, other.Code)
		}
	}
	if w := get(app, "/openapi.json"); w.Body.String() != string(document(t)) {
		t.Errorf("served %s", w.Body)
	}
	if w := get(app, "/docs/other"); w.Code != 404 {
		t.Errorf("/docs/other: %d", w.Code)
	}
}

func TestOptionsGoToBothRoutes(t *testing.T) {
	closed := view.Use(func(view.AsyncView) view.AsyncView {
		return func(context.Context, *view.Request) (view.Response, error) { return view.Status(401), nil }
	})
	app := view.New()
	app.Routes(openapi.Routes(app, info, view.With(closed))...)
	for _, target := range []string{"/openapi.json", "/docs/", "/docs/docs.js"} {
		if w := get(app, target); w.Code != 401 {
			t.Errorf("%s: %d", target, w.Code)
		}
	}
}

// The page must work where there is no network, and must not take text for markup.
func TestThePageNeedsNothingFromElsewhere(t *testing.T) {
	total := 0
	for _, name := range []string{"index.html", "docs.css", "docs.js"} {
		text, err := os.ReadFile("page/" + name)
		if err != nil {
			t.Fatal(err)
		}
		total += len(text)
		for _, bad := range []string{
			`(src|href)="[^"]*//`, `url\(`, `@import`, `innerHTML`, `outerHTML`, `insertAdjacent`, `document\.write`, `\beval\b`, `new Function`, `\bimport\b`,
			`<script>`, `<style`, ` style="`, ` on[a-z]+="`, `fetch\("[a-z]+:`,
		} {
			if m := regexp.MustCompile(bad).Find(text); m != nil {
				t.Errorf("%s has %q", name, m)
			}
		}
	}
	if total > 30<<10 {
		t.Errorf("%d bytes", total)
	}
}
