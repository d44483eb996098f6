package auth_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/tandem-go/tandem/auth"
	"github.com/tandem-go/tandem/view"
)

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

const basicChallenge = `Basic realm="the \"blog\"", charset="UTF-8"`

func TestBasicTakesWhatTheRFCAllowsAndRefusesTheRest(t *testing.T) {
	const anonymous, wrong, malformed = "0 ", `"wrong name or password"`, `"wrong credentials"`
	for name, c := range map[string]struct {
		header []string // of Authorization
		want   string   // an answer 200, or a part of one 401
	}{
		"none":                {nil, anonymous},
		"right":               {[]string{"Basic " + b64("ada:open sesame")}, "7 ada"},
		"lower case":          {[]string{"basic " + b64("ada:open sesame")}, "7 ada"},
		"several spaces":      {[]string{"BASIC   " + b64("ada:open sesame") + " "}, "7 ada"},
		"UTF-8 and a colon":   {[]string{"Basic " + b64("Jürgen:pass:wörd")}, "8 Jürgen"},
		"another scheme":      {[]string{"Bearer " + b64("ada:open sesame")}, anonymous},
		"a scheme beginning":  {[]string{"Basically " + b64("ada:open sesame")}, anonymous},
		"wrong password":      {[]string{"Basic " + b64("ada:open sesam")}, wrong},
		"unknown":             {[]string{"Basic " + b64("eve:open sesame")}, wrong},
		"no password to have": {[]string{"Basic " + b64("robot:x")}, wrong},
		"empty password":      {[]string{"Basic " + b64("robot:")}, wrong},
		"empty name":          {[]string{"Basic " + b64(":x")}, wrong},
		"long name":           {[]string{"Basic " + b64(strings.Repeat("a", 256)+":x")}, wrong},
		"long password":       {[]string{"Basic " + b64("ada:"+strings.Repeat("a", 1025))}, wrong},
		"nothing after it":    {[]string{"Basic"}, malformed},
		"no base64":           {[]string{"Basic ada:open sesame"}, malformed},
		"unpadded":            {[]string{"Basic " + strings.TrimRight(b64("ada:open sesam"), "=")}, malformed},
		"base64 for URLs":     {[]string{"Basic " + base64.URLEncoding.EncodeToString([]byte("ada:>>>???"))}, malformed},
		"trailing bits":       {[]string{"Basic YTpiYh=="}, malformed},
		"no colon":            {[]string{"Basic " + b64("ada")}, malformed},
		"Latin-1":             {[]string{"Basic " + b64("J\xfcrgen:x")}, malformed},
		"control in name":     {[]string{"Basic " + b64("a\x00da:x")}, malformed},
		"control in password": {[]string{"Basic " + b64("ada:open\nsesame")}, malformed},
		"DEL":                 {[]string{"Basic " + b64("ada:\x7f")}, malformed},
		"huge":                {[]string{"Basic " + b64("ada:"+strings.Repeat("a", 1<<20))}, malformed},
	} {
		d := newDirectory(t)
		for colour, checker := range d.checkers() {
			for profile, opts := range profiles {
				t.Run(fmt.Sprint(name, "/", colour, " ", profile), func(t *testing.T) {
					s := d.serve(opts, auth.Basic(`the "blog"`, checker))
					for _, target := range []string{"/sync", "/async"} {
						var header []string
						for _, h := range c.header {
							header = append(header, "Authorization", h)
						}
						resp := s.get(target, header...)
						got := body(resp)
						switch {
						case strings.HasPrefix(c.want, `"`):
							if resp.StatusCode != 401 || !strings.Contains(got, c.want) || resp.Header.Get("WWW-Authenticate") != basicChallenge {
								t.Errorf("%s: %d %v %s, want 401 with %s", target, resp.StatusCode, resp.Header, got, c.want)
							}
						case resp.StatusCode != 200 || got != c.want:
							t.Errorf("%s: %d %q, want %q", target, resp.StatusCode, got, c.want)
						}
					}
					for _, secret := range []string{"sesam", "wörd", "argon2id", "authorization="} {
						if strings.Contains(s.log.String(), secret) {
							t.Errorf("the log has a secret: %s", s.log)
						}
					}
				})
			}
		}
	}
}

func TestTwoAuthorizationHeadersAreRefused(t *testing.T) {
	d := newDirectory(t)
	right := "Basic " + b64("ada:open sesame")
	for _, m := range []view.Middleware{auth.Basic("x", d.checkers()["async"]), auth.Bearer("x", d.byToken)} {
		s := d.serve(nil, m)
		resp := s.get("/async", "Authorization", right, "Authorization", right)
		if got := body(resp); resp.StatusCode != 400 || !strings.Contains(got, "more than one Authorization header") {
			t.Errorf("%d %s", resp.StatusCode, got)
		}
	}
}

// Whoever guesses names must not learn by the time which there are: a hash of the
// same cost is computed for a name that is not there.
func TestAnUnknownNameCostsAsMuchAsAWrongPassword(t *testing.T) {
	d := newDirectory(t)
	for colour, checker := range d.checkers(auth.Remember(10, 1<<40)) {
		s := d.serve(nil, auth.Basic("x", checker))
		for name, want := range map[string]string{
			"ada:wrong": d.accounts["ada"].Password, "eve:wrong": d.passwords.Dummy(), "robot:wrong": d.passwords.Dummy(),
		} {
			for range 2 { // failures are not remembered
				if resp := s.get("/async", "Authorization", "Basic "+b64(name)); resp.StatusCode != 401 {
					t.Errorf("%s, %s: %d", colour, name, resp.StatusCode)
				}
				if got := d.comparisons(); !slices.Equal(got, []string{want}) {
					t.Errorf("%s, %s: compared with %q, want %q", colour, name, got, want)
				}
			}
		}
		if d.passwords.NeedsRehash(d.passwords.Dummy()) || strings.Count(d.passwords.Dummy(), "$") != 5 {
			t.Errorf("the dummy %q is of another cost", d.passwords.Dummy())
		}
	}
}

// A lookup may say why it refuses; that is for the log.
func TestWhyALookupRefusesIsNotTheClientsToKnow(t *testing.T) {
	d := newDirectory(t)
	d.fail = fmt.Errorf("row 7 of users is locked: %w", auth.ErrCredentials)
	for colour, checker := range d.checkers() {
		s := d.serve(nil, auth.Basic("x", checker))
		resp := s.get("/async", "Authorization", "Basic "+b64("ada:open sesame"))
		if got := body(resp); resp.StatusCode != 401 || !strings.Contains(got, `"error":"wrong name or password"`) || !strings.Contains(s.log.String(), "row 7 of users") {
			t.Errorf("%s: %d %s; log %s", colour, resp.StatusCode, got, s.log)
		}
	}
}

func TestFailuresThatAreOursAreNotTheClients(t *testing.T) {
	d := newDirectory(t)
	right := "Basic " + b64("ada:open sesame")
	for colour, checker := range d.checkers() {
		s := d.serve(nil, auth.Basic("x", checker))
		d.fail = errors.New("no route to the database")
		resp := s.get("/async", "Authorization", right)
		if got := body(resp); resp.StatusCode != 500 || strings.Contains(got, "database") || !strings.Contains(s.log.String(), "look up account: no route") {
			t.Errorf("%s: %d %s; log %s", colour, resp.StatusCode, got, s.log)
		}
		d.fail = nil
		kept := d.accounts["ada"]
		d.accounts["ada"] = auth.Account{User: kept.User, Password: "plain text"}
		resp = s.get("/async", "Authorization", right)
		if resp.StatusCode != 500 || !strings.Contains(s.log.String(), "verify the password of user 7: not an argon2id hash") || strings.Contains(s.log.String(), "plain text") {
			t.Errorf("%s: %d; log %s", colour, resp.StatusCode, s.log)
		}
		d.accounts["ada"] = auth.Account{Password: kept.Password}
		resp = s.get("/async", "Authorization", right)
		if resp.StatusCode != 500 || !strings.Contains(s.log.String(), "neither ID nor name") {
			t.Errorf("%s: %d; log %s", colour, resp.StatusCode, s.log)
		}
		d.accounts["ada"] = kept
		if resp := s.get("/async", "Authorization", right); resp.StatusCode != 200 {
			t.Errorf("%s: %d", colour, resp.StatusCode)
		}
	}
}

func TestARealmIsPrintable(t *testing.T) {
	d := newDirectory(t)
	for _, realm := range []string{"b\nlog", "blög", "\x7f"} {
		func() {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.HasPrefix(got, "auth: realm ") {
					t.Errorf("%q: panic %s", realm, got)
				}
			}()
			auth.Basic(realm, d.checkers()["sync"])
		}()
	}
}

// What is taken is what net/http takes, without what the RFC forbids.
func FuzzBasic(f *testing.F) {
	f.Add("YTpi\n")
	for _, seed := range []string{"", "a:b", "a:b:c", ":", "a", "\x00:", "ü:ü", "\xff:"} {
		f.Add(b64(seed))
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, credentials string) {
		name, password, ok := auth.ParseBasic(credentials)
		if !ok {
			return
		}
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Authorization", "Basic "+credentials)
		n, p, known := r.BasicAuth()
		if !known || n != name || p != password {
			t.Errorf("%q: %q %q, net/http says %q %q %v", credentials, name, password, n, p, known)
		}
		if strings.Contains(name, ":") || strings.ContainsFunc(name+password, unicode.IsControl) || b64(name+":"+password) != credentials {
			t.Errorf("%q: %q %q", credentials, name, password)
		}
	})
}
