package openapi

import "testing"

func TestPatternsAsOpenAPIWritesThem(t *testing.T) {
	for in, want := range map[string]pattern{
		"GET /posts/{id}/":       {method: "GET", path: "/posts/{id}/", wildcards: []string{"id"}},
		"/":                      {path: "/"},
		"GET /{$}":               {method: "GET", path: "/"},
		"POST  \texample.org/a":  {method: "POST", host: "example.org", path: "/a"},
		"example.org/{x}/{y...}": {host: "example.org", path: "/{x}/{y}", wildcards: []string{"x", "y"}, rest: "y"},
		"/a/b%20c/{$}":           {path: "/a/b%20c/"},
	} {
		got := parsePattern(in)
		if got.method != want.method || got.host != want.host || got.path != want.path || got.rest != want.rest || len(got.wildcards) != len(want.wildcards) {
			t.Errorf("%q: %+v, want %+v", in, got, want)
		}
	}
	if a, b := parsePattern("/x/{a}/{b...}").shape(), parsePattern("GET /x/{c}/{d}").shape(); a != b || a != "/x/{}/{}" {
		t.Errorf("shapes %q and %q", a, b)
	}
}

func TestNamesInWords(t *testing.T) {
	for in, want := range map[string]string{
		"blog.listPosts":        "List posts",
		"blog.(*posts).listAll": "Posts list all",
		"main.reportView.func1": "Report view",
		"blog.sendHTTPRequest":  "Send HTTPRequest",
		"create post":           "create post",
		"main.func1":            "",
	} {
		if got := inWords(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if got := identifier("GET", "/posts/{id}/é.json"); got != "GET-posts-id-json" {
		t.Errorf("%q", got)
	}
}
