package auth_test

import (
	"fmt"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/auth"
	"github.com/tandem-go/tandem/view"
)

// both are two schemes around all routes.
func (d *directory) both() []view.Middleware {
	return []view.Middleware{auth.Basic("site", d.checkers()["async"]), auth.Bearer("api", d.byToken)}
}

func TestRoutesTurnAwayWhoMayNot(t *testing.T) {
	d := newDirectory(t)
	token, hash := auth.NewToken()
	d.tokens[hash] = view.User{ID: 3, Name: "ci", Permissions: []string{"posts.read"}}
	rootToken, rootHash := auth.NewToken()
	d.tokens[rootHash] = view.User{Name: "root", Superuser: true}
	ada, juergen := "Basic "+b64("ada:open sesame"), "Basic "+b64("Jürgen:pass:wörd")
	anonymous := []string{`Basic realm="site", charset="UTF-8"`, `Bearer realm="api"`}
	for _, c := range []struct {
		target, credentials string
		status              int
		challenges          []string
	}{
		{"/async", "", 200, nil},
		{"/members", "", 401, anonymous},
		{"/members", ada, 200, nil},
		{"/members", "Bearer " + token, 200, nil},
		{"/read", "", 401, anonymous},
		{"/read", ada, 200, nil},
		{"/read", juergen, 403, nil},
		{"/read", "Bearer " + token, 200, nil},
		{"/write", "", 401, anonymous},
		{"/write", ada, 403, nil},
		{"/write", "Bearer " + token, 403, []string{`Bearer realm="api", error="insufficient_scope", scope="posts.read posts.write"`}},
		{"/odd", "Bearer " + token, 403, []string{`Bearer realm="api", error="insufficient_scope"`}},
		{"/write", "Bearer " + rootToken, 200, nil},
		{"/odd", "Bearer " + rootToken, 200, nil},
	} {
		for profile, opts := range profiles {
			s := d.serve(opts, d.both()...)
			var header []string
			if c.credentials != "" {
				header = []string{"Authorization", c.credentials}
			}
			resp := s.get(c.target, header...)
			if got := resp.Header["Www-Authenticate"]; resp.StatusCode != c.status || !slices.Equal(got, c.challenges) {
				t.Errorf("%s, %.10s, %s: %d %q, want %d %q", c.target, c.credentials, profile, resp.StatusCode, got, c.status, c.challenges)
			}
			if resp.StatusCode == 403 && (strings.Contains(body(resp), "posts") || !strings.Contains(s.log.String(), "status=403")) {
				t.Errorf("log %s", s.log)
			}
		}
	}
}

func TestThePlanShowsWhoIsLetIn(t *testing.T) {
	d := newDirectory(t)
	var got []string
	for _, p := range d.serve(nil, auth.LoginPage("/login/"), auth.Basic("x", d.checkers()["async"])).Plan() {
		var layers []string
		for _, l := range p.Layers {
			layers = append(layers, l.Name+" "+l.Mode.String())
		}
		got = append(got, fmt.Sprintf("%s: %s; %d", p.Pattern, strings.Join(layers, ", "), p.Crossings))
	}
	want := []string{
		"GET /sync: auth.LoginPage async, auth.Basic async; 1",
		"GET /async: auth.LoginPage async, auth.Basic async; 0",
		"/members: auth.LoginPage async, auth.Basic async, auth.LoggedIn async; 0",
		"GET /read: auth.LoginPage async, auth.Basic async, auth.Require(posts.read) async; 1",
		"GET /write: auth.LoginPage async, auth.Basic async, auth.Require(posts.read, posts.write) async; 0",
		`GET /odd: auth.LoginPage async, auth.Basic async, auth.Require(the "odd" one) async; 0`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("plan\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	sync := d.serve(nil, auth.Basic("x", d.checkers()["sync"])).Plan()
	if sync[0].Crossings != 1 || sync[1].Crossings != 2 || sync[1].Layers[0].Mode != view.Sync {
		t.Errorf("with a sync lookup: %+v", sync[:2])
	}
}

func TestBrowsersAreSentToTheLoginPage(t *testing.T) {
	d := newDirectory(t)
	s := d.serve(nil, append(d.both(), auth.LoginPage("/login/"))...)
	const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	for name, c := range map[string]struct {
		method, target, accept string
		want                   string // "": 401
	}{
		"a page":           {"GET", "/members?a=1&b=2", browser, "/login/?next=%2Fmembers%3Fa%3D1%26b%3D2"},
		"its head":         {"HEAD", "/members", browser, "/login/?next=%2Fmembers"},
		"upper case":       {"GET", "/members", "TEXT/HTML;Q=0.1", "/login/?next=%2Fmembers"},
		"a form":           {"POST", "/members", browser, ""},
		"curl":             {"GET", "/members", "*/*", ""},
		"a script":         {"GET", "/members", "application/json", ""},
		"unwanted HTML":    {"GET", "/members", "text/html;q=0, application/json", ""},
		"malformed weight": {"GET", "/members", "text/html;q=x", ""},
		"nothing":          {"GET", "/members", "", ""},
		"a very long page": {"GET", "/members?" + strings.Repeat("a", 3000), browser, "/login/"},
	} {
		r := httptest.NewRequest(c.method, c.target, nil)
		r.Header.Set("Accept", c.accept)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		switch got := w.Header().Get("Location"); {
		case got != c.want || c.want != "" && w.Code != 303 || c.want == "" && w.Code != 401:
			t.Errorf("%s: %d to %q, want %q", name, w.Code, got, c.want)
		case w.Header().Get("Cache-Control") != "no-store":
			t.Errorf("%s: header %v", name, w.Header())
		}
	}
	resp := s.get("/read", "Accept", browser, "Authorization", "Basic "+b64("Jürgen:pass:wörd"))
	if resp.StatusCode != 403 { // who is known would come back for ever
		t.Errorf("%d", resp.StatusCode)
	}
}

func TestNextStaysOnThisSite(t *testing.T) {
	d := newDirectory(t)
	s := d.serve(nil)
	s.Routes(view.Path("/next", func(r *view.Request) (view.Response, error) { return view.Text(auth.Next(r, "/home")), nil }))
	for next, safe := range map[string]bool{
		"/":                             true,
		"/posts/7/?page=2#last":         true,
		"/a?to=https://evil.test/":      true,
		"/a//b":                         true,
		"/ü":                            true,
		"":                              false,
		"posts":                         false,
		"//evil.test":                   false,
		"///evil.test":                  false,
		`/\evil.test`:                   false,
		`\\evil.test`:                   false,
		"/\t/evil.test":                 false,
		"/\n/evil.test":                 false,
		" //evil.test":                  false,
		"/ /evil.test":                  false,
		"https://evil.test/":            false,
		"https:/evil.test":              false,
		"javascript:alert(1)":           false,
		"/\xff":                         false,
		"/%zz":                          false,
		"/\x00":                         false,
		"/" + strings.Repeat("a", 2048): false,
	} {
		want := "/home"
		if safe {
			want = next
		}
		for _, r := range []string{"query", "form"} {
			req := httptest.NewRequest("GET", "/next?"+url.Values{"next": {next}}.Encode(), nil)
			if r == "form" {
				req = httptest.NewRequest("POST", "/next", strings.NewReader(url.Values{"next": {next}}.Encode()))
				req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			}
			w := httptest.NewRecorder()
			s.ServeHTTP(w, req)
			if w.Body.String() != want {
				t.Errorf("%.30q in the %s: %q, want %q", next, r, w.Body, want)
			}
		}
	}
}

// Where a browser goes from a path that is taken for local stays with the host.
func FuzzNext(f *testing.F) {
	for _, seed := range []string{"/", "//a", "/\\a", "/a/../..//b", "http://x", "/?//x", "/#//x", "/%2f/x", "/.//x"} {
		f.Add(seed)
	}
	base := &url.URL{Scheme: "https", Host: "here.test", Path: "/login/"}
	f.Fuzz(func(t *testing.T, next string) {
		if !auth.IsLocal(next) {
			return
		}
		// A browser drops tabs and newlines, trims, and takes \ for /.
		seen := strings.TrimSpace(strings.NewReplacer("\t", "", "\n", "", "\r", "", `\`, "/").Replace(next))
		to, err := base.Parse(seen)
		if err != nil || to.Host != base.Host || to.Scheme != base.Scheme || !strings.HasPrefix(seen, "/") || strings.HasPrefix(seen, "//") {
			t.Errorf("%q leads to %v (%v)", next, to, err)
		}
	})
}
