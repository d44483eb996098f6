package view_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/view"
)

// unclean are targets that ServeMux redirects to another one, or refuses.
var unclean = []string{"//", "//a", "/a//", "/a//b/", "/a/./b", "/a/../b", "/..", "/.", "/a/.", "*"}

// arrived says what a request looks like to its view.
func arrived(_ context.Context, r *view.Request) (view.Response, error) {
	return view.Text(fmt.Sprintf("%s %s %q", r.Pattern(), r.URL().Path, r.PathValue("path"))), nil
}

func TestWithRawPathsTheRouteThatTakesAllSeesPathsAsTheyWereSent(t *testing.T) {
	for _, pattern := range []string{"/", "/{path...}"} {
		s := newSite(t, 1, []view.Route{view.Path(pattern, arrived), view.Path("/a/{$}", arrived), view.Path("GET /b", arrived)}, view.RawPaths())
		want := func(path string) string {
			value := strings.TrimPrefix(path, "/")
			if pattern == "/" {
				value = "" // it has no wildcard
			}
			return fmt.Sprintf("%s %s %q", pattern, path, value)
		}
		for _, target := range unclean {
			expect(t, s.get(target), 200, want(target))
		}
		expect(t, s.get("http://example.com"), 200, want(""))
		expect(t, s.do(httptest.NewRequest("CONNECT", "example.com:443", nil)), 200, want(""))

		expect(t, s.get("/"), 200, want("/"))
		expect(t, s.get("/%2e%2e"), 200, want("/.."))
		expect(t, s.get("/a/"), 200, `/a/{$} /a/ ""`)
		expect(t, s.get("/b"), 200, `GET /b /b ""`)
	}
}

func TestWithRawPathsWhatNoRouteTakesIsNotFoundAndNotRedirected(t *testing.T) {
	var seen, want []int
	observe := view.Observe(func(_ *view.Request, o view.Outcome) { seen = append(seen, o.Status) })
	s := newSite(t, 1, []view.Route{view.Path("GET /b", arrived)}, view.RawPaths(), observe)
	for _, target := range unclean {
		expectError(t, s.get(target), http.StatusNotFound, "not found")
		want = append(want, http.StatusNotFound)
	}
	if w := s.do(httptest.NewRequest("POST", "/b", nil)); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST /b: %d", w.Code)
	}
	if want = append(want, http.StatusMethodNotAllowed); !slices.Equal(seen, want) {
		t.Errorf("the observer saw %v, want %v", seen, want)
	}
}

func TestWithoutRawPathsAnUncleanPathIsRedirected(t *testing.T) {
	s := newSite(t, 1, []view.Route{view.Path("/", arrived)})
	for target, location := range map[string]string{"//a": "/a", "/a/../b": "/b", "/a/.": "/a"} {
		if w := s.get(target); w.Code/100 != 3 || w.Header().Get("Location") != location {
			t.Errorf("%s: %d %s, want a redirect to %s", target, w.Code, w.Header().Get("Location"), location)
		}
	}
}
