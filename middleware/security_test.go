package middleware_test

import (
	"context"
	"crypto/tls"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tandem-go/tandem/middleware"
	"github.com/tandem-go/tandem/view"
)

// telling is the writer of a server behind proxies.
type telling struct {
	http.ResponseWriter
	scheme string
}

func (t telling) Scheme() string { return t.scheme }

func TestSecurityHeaders(t *testing.T) {
	defaults := map[string]string{
		"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
		"Referrer-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin",
	}
	with := func(more map[string]string) map[string]string {
		all := maps.Clone(defaults)
		maps.Copy(all, more)
		return all
	}
	hsts := middleware.Security{HSTS: 365 * 24 * time.Hour, HSTSSubdomains: true, HSTSPreload: true}
	proxied := middleware.Security{HSTS: time.Hour}
	tests := map[string]struct {
		c     middleware.Security
		tls   bool
		proto string // as the client says
		told  string // as the server says
		want  map[string]string
	}{
		"defaults": {want: defaults},
		"all": {
			c: middleware.Security{
				ContentSecurityPolicy: "default-src 'self'", FrameOptions: "SAMEORIGIN", ReferrerPolicy: "no-referrer",
				OpenerPolicy: "unsafe-none", PermissionsPolicy: "camera=()",
			},
			want: map[string]string{
				"X-Content-Type-Options": "nosniff", "X-Frame-Options": "SAMEORIGIN", "Referrer-Policy": "no-referrer",
				"Cross-Origin-Opener-Policy": "unsafe-none", "Permissions-Policy": "camera=()", "Content-Security-Policy": "default-src 'self'",
			},
		},
		"none": {
			c:    middleware.Security{FrameOptions: middleware.Omit, ReferrerPolicy: middleware.Omit, OpenerPolicy: middleware.Omit},
			want: map[string]string{"X-Content-Type-Options": "nosniff"},
		},
		"HSTS over TLS": {
			c: hsts, tls: true,
			want: with(map[string]string{"Strict-Transport-Security": "max-age=31536000; includeSubDomains; preload"}),
		},
		"HSTS without TLS":             {c: hsts, want: defaults},
		"a proxy that is not trusted":  {c: hsts, proto: "https", want: defaults},
		"HTTPS through a proxy":        {c: proxied, told: "https", want: with(map[string]string{"Strict-Transport-Security": "max-age=3600"})},
		"HTTP through a proxy":         {c: proxied, tls: true, told: "http", want: defaults},
		"TLS, where none is asked for": {tls: true, want: defaults},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			app := around(made(t)(middleware.SecurityHeaders(test.c)), view.Path("/", classic))
			for _, target := range []string{"/", "/nowhere/"} {
				r := httptest.NewRequest("GET", target, nil)
				if test.tls {
					r.TLS = new(tls.ConnectionState)
				}
				r.Header.Set("X-Forwarded-Proto", test.proto)
				w := httptest.NewRecorder()
				app.ServeHTTP(telling{w, test.told}, r)
				got := map[string]string{}
				for key, values := range w.Header() {
					if key != "Content-Type" && key != "Cache-Control" {
						got[key] = strings.Join(values, " | ")
					}
				}
				if !maps.Equal(got, test.want) {
					t.Errorf("%s: %v\nwant %v", target, got, test.want)
				}
			}
		})
	}
}

func TestWhatAViewSetsItselfWins(t *testing.T) {
	m := made(t)(middleware.SecurityHeaders(middleware.Security{ContentSecurityPolicy: "default-src 'none'"}))
	app := around(m,
		view.Path("/typed", func(context.Context, *view.Request) (view.Response, error) {
			return view.WithHeader(view.Text("x"), "Content-Security-Policy", "default-src 'self'"), nil
		}),
		view.Path("/plain", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Security-Policy", "default-src 'self'")
		}),
	)
	for _, target := range []string{"/typed", "/plain"} {
		resp := do(app, "GET", target)
		if got := resp.Header["Content-Security-Policy"]; len(got) != 1 || got[0] != "default-src 'self'" {
			t.Errorf("%s: %q", target, got)
		}
		if resp.Header.Get("X-Frame-Options") != "DENY" {
			t.Errorf("%s: %v", target, resp.Header)
		}
	}
}

// The headers are shared between requests.
func TestWhoAddsToASecurityHeaderAddsToItsOwnAnswerOnly(t *testing.T) {
	app := around(made(t)(middleware.SecurityHeaders(middleware.Security{})), view.Path("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Add("Referrer-Policy", "no-referrer")
	}))
	for range 2 {
		if got := do(app, "GET", "/").Header["Referrer-Policy"]; len(got) != 2 {
			t.Errorf("%q", got)
		}
	}
}

func TestSecurityRefusesWhatCannotBeMeant(t *testing.T) {
	for name, c := range map[string]middleware.Security{
		"Referrer-Policy":                 {ReferrerPolicy: "no-referrer\r\nSet-Cookie: a=b"},
		"Permissions-Policy":              {PermissionsPolicy: "camera=(é)"},
		"HSTS of -1h0m0s":                 {HSTS: -time.Hour},
		"HSTS of 1ms":                     {HSTS: time.Millisecond},
		"HSTS of 1.5s":                    {HSTS: 1500 * time.Millisecond},
		"but HSTS is 0":                   {HSTSSubdomains: true},
		"HSTSPreload needs":               {HSTS: time.Hour, HSTSPreload: true, HSTSSubdomains: true},
		"HSTSPreload needs HSTSSubdomain": {HSTS: 9000 * time.Hour, HSTSPreload: true},
	} {
		if _, err := middleware.SecurityHeaders(c); err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%+v: %v, want one line with %q", c, err, name)
		}
	}
}
