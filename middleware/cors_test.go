package middleware_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/tandem-go/tandem/middleware"
	"github.com/tandem-go/tandem/view"
)

func TestCORS(t *testing.T) {
	c := middleware.Sharing{
		Origins: []string{"https://app.example.com", "https://*.example.org"}, Methods: []string{"GET", "PUT"},
		Headers: []string{"X-Token"}, Expose: []string{"X-Request-Id"}, Credentials: true, MaxAge: time.Hour,
	}
	reached := 0
	app := around(made(t)(middleware.CORS(c)), view.Path("PUT /posts/", func(context.Context, *view.Request) (view.Response, error) {
		reached++
		return view.WithHeader(view.Text("ok"), "Vary", "Accept-Language"), nil
	}))
	preflight := func(origin, method string) (allowed string) {
		t.Helper()
		resp := do(app, "OPTIONS", "/posts/", "Origin", origin, "Access-Control-Request-Method", method, "Access-Control-Request-Headers", "x-token")
		if resp.StatusCode != 204 || !strings.Contains(strings.Join(resp.Header["Vary"], ","), "Origin") {
			t.Errorf("preflight of %s: %d %v", origin, resp.StatusCode, resp.Header)
		}
		h := resp.Header
		if h.Get("Access-Control-Allow-Origin") != "" && (h.Get("Access-Control-Allow-Credentials") != "true" ||
			h.Get("Access-Control-Max-Age") != "3600" || h.Get("Access-Control-Allow-Headers") != "x-token") {
			t.Errorf("preflight of %s: %v", origin, h)
		}
		return h.Get("Access-Control-Allow-Origin")
	}
	for _, origin := range []string{"https://app.example.com", "https://a.example.org", "https://a.b.example.org"} {
		if got := preflight(origin, "PUT"); got != origin {
			t.Errorf("%s is allowed as %q", origin, got)
		}
	}
	for _, origin := range []string{"https://evil.example", "http://app.example.com", "https://example.org", "https://evil-example.org", "null"} {
		if got := preflight(origin, "PUT"); got != "" {
			t.Errorf("%s is allowed as %q", origin, got)
		}
	}
	if got := preflight("https://app.example.com", "DELETE"); got != "" {
		t.Errorf("DELETE is allowed to %q", got)
	}
	if reached != 0 {
		t.Errorf("%d preflight requests reached the view", reached)
	}
	h := do(app, "PUT", "/posts/", "Origin", "https://app.example.com").Header
	if reached != 1 || h.Get("Access-Control-Allow-Origin") != "https://app.example.com" || h.Get("Access-Control-Expose-Headers") != "X-Request-Id" {
		t.Errorf("reached %d times; %v", reached, h)
	}
	if vary := strings.Join(h["Vary"], ", "); vary != "Origin, Accept-Language" {
		t.Errorf("Vary: %s; a cache would mix up origins or languages", vary)
	}
	if h := do(app, "GET", "/nowhere", "Origin", "https://app.example.com").Header; h.Get("Access-Control-Allow-Origin") == "" {
		t.Errorf("a script cannot read the 404: %v", h)
	}
	// An OPTIONS request of another kind is the application's.
	if resp := do(app, "OPTIONS", "/posts/"); resp.StatusCode != 405 {
		t.Errorf("OPTIONS without a preflight: %d", resp.StatusCode)
	}
}

func TestCORSForEveryoneIsWithoutCredentials(t *testing.T) {
	app := around(made(t)(middleware.CORS(middleware.Sharing{Origins: []string{"*"}})), view.Path("/", async))
	h := do(app, "GET", "/", "Origin", "https://anywhere.example").Header
	if h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("%v", h)
	}
}

func TestCORSRefusesWhatCannotBeMeant(t *testing.T) {
	https := []string{"https://app.example.com"}
	for _, test := range []struct {
		c    middleware.Sharing
		want string
	}{
		{middleware.Sharing{}, "no origins"},
		{middleware.Sharing{Origins: []string{"*"}, Credentials: true}, "every site"},
		{middleware.Sharing{Origins: []string{"https://a.example", "*"}}, "others beside it"},
		{middleware.Sharing{Origins: https, Headers: []string{"*"}, Credentials: true}, "name the headers"},
		{middleware.Sharing{Origins: []string{"app.example.com"}}, "no origin"},
		{middleware.Sharing{Origins: []string{"https://app.example.com/"}}, "no origin"},
		{middleware.Sharing{Origins: []string{"https://App.example.com"}}, "no origin"},
		{middleware.Sharing{Origins: []string{"https://u@app.example.com"}}, "no origin"},
		{middleware.Sharing{Origins: []string{"ftp://app.example.com"}}, "no origin"},
		{middleware.Sharing{Origins: []string{"https://"}}, "no origin"},
		{middleware.Sharing{Origins: []string{"null"}}, "no origin"},
		{middleware.Sharing{Origins: []string{"https://*"}}, "no origin"},
		{middleware.Sharing{Origins: []string{"https://a.*.example.com"}}, "no origin"},
		{middleware.Sharing{Origins: []string{"https://*.com"}}, "top-level domain"},
		{middleware.Sharing{Origins: https, Methods: []string{"GET, PUT"}}, "no method"},
		{middleware.Sharing{Origins: https, Headers: []string{""}}, "no header"},
		{middleware.Sharing{Origins: https, Expose: []string{"X Y"}}, "no exposed header"},
		{middleware.Sharing{Origins: https, MaxAge: time.Millisecond}, "whole seconds"},
		{middleware.Sharing{Origins: https, MaxAge: -time.Second}, "whole seconds"},
	} {
		if _, err := middleware.CORS(test.c); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: %v, want %q", test.c, err, test.want)
		}
	}
}
