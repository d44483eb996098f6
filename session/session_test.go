package session_test

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/session"
	"github.com/tandem-go/tandem/view"
)

var profiles = map[string][]view.Option{"mixed": nil, "sync only": {view.SyncOnly()}}

func TestASessionGoesFromRequestToRequest(t *testing.T) {
	for name, opts := range profiles {
		t.Run(name, func(t *testing.T) {
			b := newBrowser(t, session.Sealed(keys(t, secret)), opts...)
			h := b.get("/visits", 200, "0")
			want := regexp.MustCompile(`^__Host-session=[\w-]+; Path=/; Max-Age=86400; HttpOnly; Secure; SameSite=Lax$`)
			if !want.MatchString(h.Get("Set-Cookie")) || h.Get("Cache-Control") != "no-store" || h.Get("Vary") != "Cookie" {
				t.Errorf("header %v", h)
			}
			b.get("/visits", 200, "1")
			if h := b.get("/visits?look", 200, "2"); h.Get("Set-Cookie") != "" || h.Get("Vary") != "Cookie" || h.Get("Cache-Control") != "" {
				t.Errorf("only looked at: header %v", h)
			}
			if h := b.get("/plain", 200, "plain"); h.Get("Set-Cookie") != "" || h.Get("Vary") != "" {
				t.Errorf("not used: header %v", h)
			}
			if h := b.get("/visits?clear", 200, "2"); h.Get("Set-Cookie") != "__Host-session=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax" {
				t.Errorf("cleared: header %v", h)
			}
			if h := b.get("/visits?look", 200, "0"); h.Get("Set-Cookie") != "" {
				t.Errorf("nothing to keep: header %v", h)
			}
		})
	}
}

func TestAViewsOwnHeadersDoNotLoseTheCookie(t *testing.T) {
	b := newBrowser(t, session.Sealed(keys(t, secret)))
	h := b.get("/cached", 200, "0")
	if cookies := h["Set-Cookie"]; len(cookies) != 2 || cookies[0] != "own=1" || !strings.HasPrefix(cookies[1], cookieName) {
		t.Errorf("cookies %q", cookies)
	}
	if h.Get("Cache-Control") != "no-store" || len(h["Vary"]) != 1 || h.Get("Vary") != "Accept, cookie" {
		t.Errorf("header %v", h)
	}
}

func TestWhatAFailedRequestSetIsNotKept(t *testing.T) {
	b := newBrowser(t, session.Sealed(keys(t, secret)))
	if h := b.get("/visits?fail", 500, ""); h.Get("Set-Cookie") != "" || !slices.Equal(h["Vary"], []string{"Accept", "Cookie"}) {
		t.Errorf("header %v", h)
	}
	if h := b.get("/visits?unavailable", 503, ""); h.Get("Set-Cookie") != "" {
		t.Errorf("header %v", h)
	}
	b.get("/visits?refuse", 403, "") // an answer like any other
	b.get("/visits?delete", 200, "1")
	if len(b.cookies) != 0 {
		t.Errorf("cookies %v", b.cookies)
	}
}

func TestASessionExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBrowser(t, session.Sealed(keys(t, secret), session.Idle(time.Hour), session.Lifetime(3*time.Hour)))
		b.get("/visits", 200, "0")
		time.Sleep(5 * time.Minute)
		if h := b.get("/visits?look", 200, "1"); h.Get("Set-Cookie") != "" {
			t.Errorf("sent again before a tenth of its time: %v", h)
		}
		for range 3 {
			time.Sleep(50 * time.Minute)
			if h := b.get("/visits?look", 200, "1"); h.Get("Set-Cookie") == "" {
				t.Error("not sent again")
			}
		}
		time.Sleep(10 * time.Minute)
		if h := b.get("/visits?look", 200, "1"); !strings.Contains(h.Get("Set-Cookie"), "Max-Age=900;") {
			t.Errorf("it lives for 15 minutes more: %v", h)
		}
		time.Sleep(15 * time.Minute) // its lifetime is over, however it was used
		if h := b.get("/visits?look", 200, "0"); !strings.Contains(h.Get("Set-Cookie"), "Max-Age=0;") {
			t.Errorf("header %v", h)
		}

		b.get("/visits", 200, "0")
		kept := b.cookies[cookieName]
		time.Sleep(time.Hour)
		b.get("/visits?look", 200, "0")
		b.cookies[cookieName] = kept // a browser whose clock is wrong
		b.get("/visits?look", 200, "0")

		b.get("/visits", 200, "0")
		time.Sleep(50 * time.Minute)
		b.get("/visits?rotate", 200, "1")
		for range 4 {
			time.Sleep(40 * time.Minute)
			b.get("/visits?look", 200, "1") // rotated, it lives anew
		}
	})
}

func TestKeysRotate(t *testing.T) {
	old, both, turned := keys(t, secret), keys(t, secret, newer), keys(t, newer, secret)
	b := newBrowser(t, session.Sealed(old))
	b.get("/visits", 200, "0")
	first := b.cookies[cookieName]
	worker := func(ks session.Keys) *browser {
		w := newBrowser(t, session.Sealed(ks))
		w.cookies = b.cookies
		return w
	}
	worker(both).get("/visits", 200, "1")
	worker(old).get("/visits", 200, "2") // workers of the generation before still read it
	worker(turned).get("/visits", 200, "3")
	worker(keys(t, newer)).get("/visits", 200, "4")
	sealedByNewer := b.cookies[cookieName]
	if h := worker(old).get("/visits?look", 200, "0"); h.Get("Set-Cookie") != "" {
		t.Errorf("a cookie that another worker may know is let be: %v", h)
	}
	b.cookies[cookieName] = first
	worker(keys(t, newer)).get("/visits?look", 200, "0") // its key was dropped
	b.cookies = map[string]string{"other": sealedByNewer}
	w := newBrowser(t, session.Sealed(keys(t, newer), session.Name("other")))
	w.cookies = b.cookies
	w.get("/visits?look", 200, "0") // another cookie's value
}

func TestWhatDoesNotFitIsRefusedAndChangesNothing(t *testing.T) {
	b := newBrowser(t, session.Sealed(keys(t, secret)))
	b.get("/visits", 200, "0")
	kept := b.cookies[cookieName]
	b.get("/visits?huge", 500, "")
	if b.cookies[cookieName] != kept {
		t.Error("the session has changed")
	}
	// The largest that is taken makes a cookie that browsers take.
	app := view.New()
	app.Use(session.Sealed(keys(t, secret)))
	app.Routes(view.Path("GET /visits", func(r *view.Request) (view.Response, error) {
		n := 0
		for ; session.Set(r, "k", strings.Repeat("x", n)) == nil; n++ {
		}
		err := session.Set(r, "k", strings.Repeat("x", n))
		return view.Text(fmt.Sprint(n > 2000, " ", err)), nil
	}))
	b.app = app
	h := b.get("/visits", 200, "")
	if body := b.last.Body.String(); !regexp.MustCompile(`^true session: set "k": the session would be too large: \d+ bytes of at most \d+; keep an id there, and the rest elsewhere$`).MatchString(body) {
		t.Errorf("answer %q", body)
	}
	if n := len(h.Get("Set-Cookie")); n > 4096 || n < 4090 {
		t.Errorf("a cookie of %d bytes", n)
	}
}

type basket struct{ Items []string }

func TestGetIsTypedAndSetSaysWhatCannotBeKept(t *testing.T) {
	var late *view.Request
	b := newBrowser(t, session.Sealed(keys(t, secret)))
	b.app = view.New()
	b.app.Use(session.Sealed(keys(t, secret)))
	b.app.Routes(view.Path("GET /", func(_ context.Context, r *view.Request) (view.Response, error) {
		late = r
		if err := session.Set(r, "func", func() {}); err == nil || !strings.HasPrefix(err.Error(), `session: set "func": json: unsupported type`) {
			t.Errorf("error %v", err)
		}
		if err := session.Set(r, "basket", basket{[]string{"milk"}}); err != nil {
			t.Error(err)
		}
		got, ok := session.Get[basket](r, "basket")
		if !ok || got.Items[0] != "milk" {
			t.Errorf("%v %v", got, ok)
		}
		if n, ok := session.Get[int](r, "basket"); ok || n != 0 {
			t.Errorf("a basket is the number %d", n)
		}
		var all sync.WaitGroup
		for i := range 10 {
			all.Go(func() {
				if err := session.Set(r, fmt.Sprint(i), i); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		for i := range 10 {
			if n, ok := session.Get[int](r, fmt.Sprint(i)); !ok || n != i {
				t.Errorf("%d is %d, %v", i, n, ok)
			}
		}
		return view.NoContent(), nil
	}))
	b.get("/", http.StatusNoContent, "")
	if err := session.Set(late, "x", 1); err == nil || !strings.Contains(err.Error(), session.ErrSent.Error()) {
		t.Errorf("set after the answer: %v", err)
	}
}
