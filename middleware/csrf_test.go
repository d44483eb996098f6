package middleware_test

import (
	"strings"
	"testing"

	"github.com/tandem-go/tandem/middleware"
	"github.com/tandem-go/tandem/view"
)

func TestCSRF(t *testing.T) {
	app := around(made(t)(middleware.CSRF(middleware.CrossOrigin{
		Trusted: []string{"https://app.example.com"}, Bypass: []string{"POST /hooks/"},
	})), view.Path("/sync", classic), view.Path("/async", async), view.Path("POST /hooks/{name}", async))
	tests := []struct {
		name, method, target string
		header               []string
		status               int
	}{
		{"curl", "POST", "", nil, 200},
		{"the same origin", "POST", "", []string{"Sec-Fetch-Site", "same-origin"}, 200},
		{"typed into the address bar", "POST", "", []string{"Sec-Fetch-Site", "none"}, 200},
		{"another site", "POST", "", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, 403},
		{"another host of the site", "DELETE", "", []string{"Sec-Fetch-Site", "same-site"}, 403},
		{"another site that reads", "GET", "", []string{"Sec-Fetch-Site", "cross-site"}, 200},
		{"another site that asks", "OPTIONS", "", []string{"Sec-Fetch-Site", "cross-site"}, 200},
		{"an old browser, another origin", "PUT", "", []string{"Origin", "https://evil.example"}, 403},
		{"an old browser, this origin", "PUT", "", []string{"Origin", "https://example.com"}, 200}, // httptest's host
		{"a sandboxed frame", "POST", "", []string{"Origin", "null"}, 403},
		{"a trusted origin", "POST", "", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://app.example.com"}, 200},
		{"a trusted origin over HTTP", "POST", "", []string{"Sec-Fetch-Site", "cross-site", "Origin", "http://app.example.com"}, 403},
		{"a hook", "POST", "/hooks/paid", []string{"Sec-Fetch-Site", "cross-site"}, 200},
		{"beside the hooks", "POST", "/nowhere", []string{"Sec-Fetch-Site", "cross-site"}, 403},
	}
	for _, test := range tests {
		for _, target := range []string{"/async", "/sync"} {
			if test.target != "" {
				target = test.target
			}
			resp := do(app, test.method, target, test.header...)
			if resp.StatusCode != test.status {
				t.Errorf("%s, %s %s: %d, want %d", test.name, test.method, target, resp.StatusCode, test.status)
			}
			if got := body(t, resp); test.status == 403 && !strings.HasPrefix(got, `{"error":"cross-origin request refused","code":"cross_origin"`) {
				t.Errorf("%s: %s", test.name, got)
			}
		}
	}
}

func TestCSRFRefusesWhatIsNoOriginOrPattern(t *testing.T) {
	for want, c := range map[string]middleware.CrossOrigin{
		`trusted origin "app.example.com"`: {Trusted: []string{"app.example.com"}},
		`trusted origin "https://a.b/x"`:   {Trusted: []string{"https://a.b/x"}},
		`bypass "POST"`:                    {Bypass: []string{"POST"}},
		`bypass "/a/{x"`:                   {Bypass: []string{"/a/{x"}},
	} {
		if _, err := middleware.CSRF(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
