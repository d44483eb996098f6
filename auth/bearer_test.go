package auth_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/auth"
	"github.com/tandem-go/tandem/view"
)

func (d *directory) bearers() map[string]view.Middleware {
	return map[string]view.Middleware{"async": auth.Bearer("api", d.byTokenAsync), "sync": auth.Bearer("api", d.byToken)}
}

func TestBearerTakesWhatTheRFCAllowsAndRefusesTheRest(t *testing.T) {
	d := newDirectory(t)
	token, hash := auth.NewToken()
	d.tokens[hash] = view.User{ID: 3, Name: "ci"}
	d.tokens[auth.HashToken("a-._~+/Z9==")] = view.User{ID: 4, Name: "odd"}
	d.tokens[auth.HashToken("x y")] = view.User{ID: 5, Name: "forbidden"}
	other, _ := auth.NewToken()
	const refused = `Bearer realm="api", error="invalid_token"`
	for name, c := range map[string]struct{ header, target, want string }{
		"right":              {"Bearer " + token, "", "3 ci"},
		"lower case":         {"bearer   " + token, "", "3 ci"},
		"all characters":     {"Bearer a-._~+/Z9==", "", "4 odd"},
		"another scheme":     {"Token " + token, "", "0 "},
		"in the query":       {"", "?access_token=" + token, "0 "},
		"unknown":            {"Bearer " + other, "", refused},
		"none":               {"Bearer", "", refused},
		"padding alone":      {"Bearer ===", "", refused},
		"padding in between": {"Bearer a=b", "", refused},
		"two":                {"Bearer x y", "", refused},
		"quoted":             {`Bearer "` + token + `"`, "", refused},
		"not ASCII":          {"Bearer ü", "", refused},
		"huge":               {"Bearer " + strings.Repeat("a", 1<<20), "", refused},
	} {
		for colour, bearer := range d.bearers() {
			for profile, opts := range profiles {
				s := d.serve(opts, bearer)
				for _, target := range []string{"/sync", "/async"} {
					var header []string
					if c.header != "" {
						header = []string{"Authorization", c.header}
					}
					resp := s.get(target+c.target, header...)
					got := body(resp)
					if resp.StatusCode == 401 {
						got = resp.Header.Get("WWW-Authenticate")
					}
					if got != c.want {
						t.Errorf("%s, %s, %s: %d %q, want %q", name, colour, profile, resp.StatusCode, got, c.want)
					}
				}
				if strings.Contains(s.log.String(), token) || strings.Contains(s.log.String(), other) || strings.Contains(s.log.String(), hash.String()) {
					t.Errorf("%s: the log has a token: %s", name, s.log)
				}
			}
		}
	}
	d.fail = errors.New("no route to the database")
	for colour, bearer := range d.bearers() {
		if resp := d.serve(nil, bearer).get("/async", "Authorization", "Bearer "+token); resp.StatusCode != 500 {
			t.Errorf("%s: %d", colour, resp.StatusCode)
		}
	}
}

func TestTokensAreRandomAndKeptAsHashes(t *testing.T) {
	token, hash := auth.NewToken()
	again, other := auth.NewToken()
	if len(token) != 43 || token == again || hash == other || hash != auth.HashToken(token) || !auth.IsToken(token) {
		t.Errorf("%s, %s", hash, other)
	}
	if got := fmt.Sprint(auth.HashToken("abc")); got != "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" {
		t.Errorf("hash %s", got)
	}
}

func FuzzBearer(f *testing.F) {
	for _, seed := range []string{"", "a", "a=", "=a", "a b", "a\x00", "ü", `"a"`, "a,b"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		if auth.IsToken(token) && (token == "" || strings.ContainsAny(token, " \t\r\n\",;\\\x00") || strings.ContainsFunc(token, func(c rune) bool { return c > '~' })) {
			t.Errorf("%q is taken for a token", token)
		}
	})
}
