package auth_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/auth"
	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/view"
)

// A checker of either colour serves views of either colour: what it crosses for
// itself is no crossing of the plan, and no permit of theirs is held while it
// computes.
func TestACheckerServesBothColours(t *testing.T) {
	d := newDirectory(t)
	for colour, checker := range d.checkers() {
		for profile, opts := range profiles {
			s := d.serve(opts)
			answer := func(a auth.Account, err error) (view.Response, error) {
				return view.Text(fmt.Sprint(a.User.ID)), err
			}
			s.Routes(
				view.Path("GET /login/async", func(ctx context.Context, r *view.Request) (view.Response, error) {
					return answer(checker.Check(ctx, r, r.FormValue("name"), r.FormValue("password")))
				}),
				view.Path("GET /login/sync", func(r *view.Request) (view.Response, error) {
					return answer(checker.CheckSync(r, r.FormValue("name"), r.FormValue("password")))
				}),
			)
			for _, target := range []string{"/login/async", "/login/sync"} {
				name := colour + " " + profile + " " + target
				if resp := s.get(target + "?name=ada&password=open+sesame"); resp.StatusCode != 200 || body(resp) != "7" {
					t.Errorf("%s: %d", name, resp.StatusCode)
				}
				for _, q := range []string{"name=ada&password=x", "name=eve&password=x", "name=ada", ""} {
					if resp := s.get(target + "?" + q); resp.StatusCode != 401 {
						t.Errorf("%s, %s: %d", name, q, resp.StatusCode)
					}
				}
			}
		}
	}
}

// With all CPU permits taken and no queue a login is told to come again; what
// needs no password goes on.
func TestLoginsBeyondTheCPULimitGet503(t *testing.T) {
	d := newDirectory(t)
	s := d.serve(nil, auth.Basic("x", d.checkers()["async"]))
	_, err := bridge.RunSync(t.Context(), func() (int, error) {
		resp := s.get("/async", "Authorization", "Basic "+b64("ada:open sesame"))
		if resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
			t.Errorf("%d %v", resp.StatusCode, resp.Header)
		}
		if resp := s.get("/async"); resp.StatusCode != 200 {
			t.Errorf("%d", resp.StatusCode)
		}
		return 0, nil
	}, bridge.On(d.limits.CPU))
	if err != nil {
		t.Error(err)
	}
}

func TestARightPasswordIsRememberedForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirectory(t)
		s := d.serve(nil, auth.Basic("x", auth.NewChecker(d.passwords, d.byNameAsync, auth.Remember(2, time.Minute))))
		ask := func(credentials string, status, comparisons int) {
			t.Helper()
			resp := s.get("/async", "Authorization", "Basic "+b64(credentials))
			if n := len(d.comparisons()); resp.StatusCode != status || n != comparisons {
				t.Errorf("%s: %d after %d comparisons, want %d after %d", credentials, resp.StatusCode, n, status, comparisons)
			}
		}
		ask("ada:open sesame", 200, 1)
		ask("ada:open sesame", 200, 0)
		ask("ada:wrong", 401, 1)
		ask("ada:wrong", 401, 1)
		time.Sleep(time.Minute)
		ask("ada:open sesame", 200, 1)
		ask("ada:open sesame", 200, 0)

		d.add(view.User{ID: 10, Name: "bob"}, "b")
		ask("bob:b", 200, 1)
		ask("ada:open sesame", 200, 0)
		ask("Jürgen:pass:wörd", 200, 1) // a third: the first to come makes room
		ask("bob:b", 200, 0)
		ask("ada:open sesame", 200, 1)
		ask("Jürgen:pass:wörd", 200, 0)
		ask("bob:b", 200, 1)

		d.add(view.User{ID: 10, Name: "bob"}, "b") // the same, hashed anew
		ask("bob:b", 200, 1)
		d.add(view.User{ID: 10, Name: "bob"}, "c")
		ask("bob:b", 401, 1)
		delete(d.accounts, "ada") // the account is looked up all the same
		ask("ada:open sesame", 401, 1)
	})
}

func TestMistakesOfTheProgramPanic(t *testing.T) {
	d := newDirectory(t)
	var none func(string) (auth.Account, error)
	for want, make := range map[string]func(){
		"auth: the lookup, a func(string) (auth.Account, error), is nil":      func() { auth.NewChecker(d.passwords, none) },
		"auth.NewChecker: no Passwords":                                       func() { auth.NewChecker(nil, d.byName) },
		"auth.Remember: 0 passwords for 1s: need at least one, for some time": func() { auth.Remember(0, time.Second) },
		"auth.Require: name the permissions; LoggedIn wants any user":         func() { auth.Require() },
		`auth.LoginPage: "https://example.com/login" is no path of this site`: func() { auth.LoginPage("https://example.com/login") },
		`auth.LoginPage: "/login?next=" is no path of this site`:              func() { auth.LoginPage("/login?next=") },
	} {
		func() {
			defer func() {
				if got := fmt.Sprint(recover()); got != want {
					t.Errorf("panic %q, want %q", got, want)
				}
			}()
			make()
		}()
	}
	if !errors.Is(fmt.Errorf("x: %w", auth.ErrCredentials), auth.ErrCredentials) {
		t.Error("ErrCredentials is not itself")
	}
}
