package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/tandem-go/tandem/middleware"
	"github.com/tandem-go/tandem/trace"
)

// Clients that are no browsers send what they like; another site's page may not change anything.
func TestOnlyOtherSitesAreRefused(t *testing.T) {
	app := newSite(newSettings(), nil, nil).app
	for _, test := range []struct {
		method, target, site string
		status               int
	}{
		{"POST", "/echo/", "", http.StatusOK},
		{"POST", "/echo/", "cross-site", http.StatusOK},
		{"GET", "/modern/", "cross-site", http.StatusOK},
		{"POST", "/nowhere/", "same-origin", http.StatusNotFound},
		{"POST", "/nowhere/", "cross-site", http.StatusForbidden},
	} {
		r := httptest.NewRequest(test.method, test.target, strings.NewReader("x"))
		r.Header.Set("Sec-Fetch-Site", test.site)
		w := httptest.NewRecorder()
		app.ServeHTTP(w, r)
		if w.Code != test.status || w.Header().Get("X-Request-Id") == "" || w.Header().Get("X-Elapsed-Ms") == "" {
			t.Errorf("%s %s, %q: %d %v", test.method, test.target, test.site, w.Code, w.Header())
		}
	}
}

func TestThePageHasSecurityHeaders(t *testing.T) {
	w := httptest.NewRecorder()
	newSite(newSettings(), nil, nil).app.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	for _, name := range []string{"Content-Security-Policy", "X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy"} {
		if w.Header().Get(name) == "" {
			t.Errorf("no %s", name)
		}
	}
	if policy := w.Header().Get("Content-Security-Policy"); strings.Contains(policy, "unsafe") {
		t.Errorf("policy %q", policy)
	}
}

func TestThePagesStylesheetIsKeptForEver(t *testing.T) {
	app := newSite(newSettings(), nil, nil).app
	w := httptest.NewRecorder()
	app.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	link := regexp.MustCompile(`<link rel="stylesheet" href="(/static/home\.[0-9a-f]{8}\.css)">`).FindStringSubmatch(w.Body.String())
	if link == nil || strings.Contains(w.Body.String(), "<style") {
		t.Fatalf("no link to it: %s", w.Body)
	}
	w = httptest.NewRecorder()
	app.ServeHTTP(w, httptest.NewRequest("GET", link[1], nil))
	if w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/css") || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

func TestServerTimingIsASetting(t *testing.T) {
	for _, on := range []bool{false, true} {
		s := newSettings()
		s.ServerTiming = onOff(on)
		w := httptest.NewRecorder()
		newSite(s, nil, nil).app.ServeHTTP(w, httptest.NewRequest("GET", "/classic/", nil))
		if got := w.Header().Get("Server-Timing"); (got != "") != on || on && !strings.Contains(got, `crossings;desc="1 (blocking)"`) {
			t.Errorf("%v: %q", on, got)
		}
	}
}

func TestTheAccessLogIsASetting(t *testing.T) {
	for _, l := range []accessLog{{}, {on: true, format: middleware.Combined}, {on: true, format: middleware.JSON}} {
		var out bytes.Buffer
		s := newSettings()
		s.AccessLog = l
		app := newSite(s, nil, nil, s.following(&out)...).app
		for _, target := range []string{"/healthz", "/modern/"} {
			app.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", target, nil))
		}
		switch {
		case !l.on:
			if out.Len() > 0 {
				t.Errorf("off, and yet %q", &out)
			}
		case l.format == middleware.JSON:
			var got struct {
				Target, Route string
				Status        int
			}
			if err := json.Unmarshal(out.Bytes(), &got); err != nil || got.Target != "/modern/" || got.Route != "GET /modern/" || got.Status != 200 {
				t.Errorf("%q, %v", &out, err)
			}
		default:
			if !regexp.MustCompile(`^192\.0\.2\.1 - - \[[^]]+\] "GET /modern/ HTTP/1\.1" 200 17 "-" "-"\n$`).Match(out.Bytes()) {
				t.Errorf("%q", &out)
			}
		}
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestTheTraceOfARequestGoesOnAsSet(t *testing.T) {
	const theirs = "0af7651916cd43dd8448eb211c80319c"
	for mode, want := range map[traceMode]func(id string) bool{
		continued: func(id string) bool { return id == theirs },
		restarted: func(id string) bool { return id != theirs && len(id) == 32 },
		untraced:  func(id string) bool { return id == "" },
	} {
		var asked sync.Map // by trace
		s := newSettings()
		s.Trace, s.WeatherURL, s.NewsURL, s.StocksURL = mode, "http://weather/", "http://news/", "http://stocks/"
		client := &http.Client{Transport: trace.Transport(roundTripper(func(r *http.Request) (*http.Response, error) {
			_, id, _ := strings.Cut(r.Header.Get("Traceparent"), "-")
			id, _, _ = strings.Cut(id, "-")
			asked.Store(id, true)
			return outside{r.URL.Host: after(0, http.StatusOK, "1")}.RoundTrip(r)
		}))}
		app := newSite(s, client, nil, s.following(io.Discard)...).app
		r, w := httptest.NewRequest("GET", "/dashboard/", nil), httptest.NewRecorder()
		r.Header.Set("Traceparent", "00-"+theirs+"-b7ad6b7169203331-01")
		if app.ServeHTTP(w, r); w.Code != 200 {
			t.Fatalf("%s: %d %s", mode, w.Code, w.Body)
		}
		n := 0
		asked.Range(func(id, _ any) bool {
			if n++; !want(id.(string)) || n > 1 {
				t.Errorf("%s: a service was asked with the trace %q", mode, id)
			}
			return true
		})
		if n == 0 {
			t.Errorf("%s: nobody was asked", mode)
		}
	}
}
