package session_test

import (
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/session"
	"github.com/tandem-go/tandem/view"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	secret = "0123456789abcdef0123456789abcdef"
	newer  = "fedcba9876543210fedcba9876543210"
)

func keys(t testing.TB, secrets ...string) session.Keys {
	t.Helper()
	ks, err := session.NewKeys(secrets...)
	if err != nil {
		t.Fatal(err)
	}
	return ks
}

// visits is a view that counts, and does what the query says.
func visits(r *view.Request) (view.Response, error) {
	n, _ := session.Get[int](r, "visits")
	switch r.URL().RawQuery {
	case "":
		if err := session.Set(r, "visits", n+1); err != nil {
			return nil, err
		}
	case "delete":
		session.Delete(r, "visits")
	case "clear":
		session.Clear(r)
	case "restart":
		session.Clear(r)
		return view.JSON(n), session.Set(r, "visits", 1)
	case "rotate":
		session.Rotate(r)
	case "fail":
		if err := session.Set(r, "visits", n+1); err != nil {
			return nil, err
		}
		panic("after it was set")
	case "unavailable":
		return nil, errors.Join(session.Set(r, "visits", n+1), view.Errorf(http.StatusServiceUnavailable, "later"))
	case "refuse":
		return nil, refuse(session.Set(r, "visits", n+1))
	case "huge":
		return view.JSON(n), session.Set(r, "huge", strings.Repeat("x", 64<<10))
	}
	return view.JSON(n), nil
}

func refuse(err error) error {
	if err != nil {
		return err
	}
	return view.Errorf(http.StatusForbidden, "no")
}

// browser keeps the cookies of one app.
type browser struct {
	t       testing.TB
	app     *view.App
	cookies map[string]string
	last    *httptest.ResponseRecorder
}

func newBrowser(t testing.TB, m view.Middleware, opts ...view.Option) *browser {
	limits := bridge.Limits{Blocking: bridge.NewLimiter(1, bridge.Queue(0)), CPU: bridge.NewLimiter(1)}
	app := view.New(append(opts, view.Limits(limits), view.Logger(slog.New(slog.DiscardHandler)))...)
	app.Use(m)
	app.Routes(
		view.Path("GET /visits", visits),
		view.Path("GET /plain", func(*view.Request) (view.Response, error) { return view.Text("plain"), nil }),
		view.Path("GET /cached", func(r *view.Request) (view.Response, error) {
			resp, err := visits(r)
			resp = view.WithHeader(view.WithHeader(resp, "Cache-Control", "public, max-age=60"), "Vary", "Accept, cookie")
			return view.WithHeader(resp, "Set-Cookie", "own=1"), err
		}),
	)
	return &browser{t: t, app: app, cookies: map[string]string{}}
}

// get asks, keeps cookies, and wants a status and a body. Body "" is any.
func (b *browser) get(target string, status int, body string) http.Header {
	b.t.Helper()
	r := httptest.NewRequest("GET", target, nil)
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	b.last = httptest.NewRecorder()
	b.app.ServeHTTP(b.last, r)
	if b.last.Code != status || body != "" && b.last.Body.String() != body {
		b.t.Errorf("GET %s: %d %q, want %d %q", target, b.last.Code, b.last.Body, status, body)
	}
	for _, c := range b.last.Result().Cookies() {
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		} else {
			b.cookies[c.Name] = c.Value
		}
	}
	return b.last.Result().Header
}

const cookieName = "__Host-session"
