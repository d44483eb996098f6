package session_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tandem-go/tandem/session"
	"github.com/tandem-go/tandem/view"
)

func TestOptionsMakeTheCookie(t *testing.T) {
	for name, c := range map[string]struct {
		opts []session.Option
		name string
		rest string
	}{
		"for development": {[]session.Option{session.Insecure()}, "session=", "; Path=/; Max-Age=86400; HttpOnly; SameSite=Lax"},
		"all": {
			[]session.Option{session.Name("s"), session.SameSite(http.SameSiteStrictMode), session.Lifetime(time.Minute), session.Idle(time.Hour)},
			"s=", "; Path=/; Max-Age=60; HttpOnly; Secure; SameSite=Strict",
		},
	} {
		b := newBrowser(t, session.Sealed(keys(t, secret), c.opts...))
		got := b.get("/visits", 200, "0").Get("Set-Cookie")
		if !strings.HasPrefix(got, c.name) || !strings.HasSuffix(got, c.rest) {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestOptionsThatContradictEachOtherPanic(t *testing.T) {
	for want, make := range map[string]func(){
		"session: no keys: make them with NewKeys":                           func() { session.Sealed(session.Keys{}) },
		`session: cookie "a b": http: invalid Cookie.Name`:                   func() { session.Sealed(keys(t, secret), session.Name("a b")) },
		"session: Lifetime 1h0m0s, Idle 0s: need at least a second":          func() { session.Sealed(keys(t, secret), session.Idle(0), session.Lifetime(time.Hour)) },
		"session: browsers refuse a cookie called __Secure-s without Secure": func() { session.Sealed(keys(t, secret), session.Insecure(), session.Name("__Secure-s")) },
		"session: browsers refuse SameSite=None without Secure": func() {
			session.StoredSync(newMemory(), keys(t, secret), session.Insecure(), session.SameSite(http.SameSiteNoneMode))
		},
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
}

func TestTheMiddlewareMustBeThereOnce(t *testing.T) {
	b := newBrowser(t, view.Use(func(next view.AsyncView) view.AsyncView { return next }))
	b.get("/visits", 500, "")
	b.get("/plain", 200, "plain")
	b = newBrowser(t, session.Sealed(keys(t, secret)))
	b.app.Use(session.Sealed(keys(t, newer), session.Name("other")))
	b.get("/plain", 500, "")
}

// Sealed is capable of both modes; a store's colour is its middleware's.
func TestThePlanShowsTheColour(t *testing.T) {
	async := newBrowser(t, session.Stored(asyncMemory{newMemory()}, keys(t, secret))).app.Plan()[0]
	syncs := newBrowser(t, session.StoredSync(newMemory(), keys(t, secret))).app.Plan()[0]
	both := newBrowser(t, session.Sealed(keys(t, secret))).app.Plan()[0]
	for want, p := range map[string]view.RoutePlan{"session.Stored async 1": async, "session.StoredSync sync 1": syncs, "session.Sealed async 1": both} {
		if got := fmt.Sprint(p.Layers[0].Name, " ", p.Layers[0].Mode, " ", p.Crossings); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
