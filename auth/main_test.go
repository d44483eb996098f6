package auth_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/tandem-go/tandem/auth"
	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/session"
	"github.com/tandem-go/tandem/view"
)

// The threads of a CPU limiter, which the example has, end some seconds after its
// last frame.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/tandem-go/tandem/bridge.(*thread).loop"))
}

// cheap is the least cost there is, for tests.
var cheap = auth.Cost{Memory: 1024, Passes: 1}

// directory is an application's accounts, in both colours.
type directory struct {
	t         testing.TB
	passwords *auth.Passwords

	mu       sync.Mutex
	accounts map[string]auth.Account
	tokens   map[auth.TokenHash]view.User
	fail     error
	compared []string // hashes, in the order of comparing
	limits   bridge.Limits
}

func newDirectory(t testing.TB) *directory {
	t.Helper()
	p, err := auth.NewPasswords(cheap)
	if err != nil {
		t.Fatal(err)
	}
	d := &directory{
		t: t, passwords: p, accounts: map[string]auth.Account{}, tokens: map[auth.TokenHash]view.User{},
		limits: bridge.Limits{Blocking: bridge.NewLimiter(1, bridge.Queue(0)), CPU: bridge.NewLimiter(1, bridge.Queue(0))},
	}
	p.Watch(func(_, hash string) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.compared = append(d.compared, hash)
		if cpu, blocking := d.limits.CPU.Stats().InUse, d.limits.Blocking.Stats().InUse; cpu != 1 || blocking != 0 {
			d.t.Errorf("comparing with %d CPU and %d Blocking permits, want 1 and 0", cpu, blocking)
		}
	})
	d.add(view.User{ID: 7, Name: "ada", Permissions: []string{"posts.read"}}, "open sesame")
	d.add(view.User{ID: 8, Name: "Jürgen"}, "pass:wörd")
	d.accounts["robot"] = auth.Account{User: view.User{ID: 9, Name: "robot"}} // no password
	return d
}

func (d *directory) add(u view.User, password string) {
	d.t.Helper()
	hash, err := d.passwords.HashSync(password)
	if err != nil {
		d.t.Fatal(err)
	}
	d.accounts[u.Name] = auth.Account{User: u, Password: hash}
}

// comparisons returns the hashes that were compared since the last call.
func (d *directory) comparisons() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.compared
	d.compared = nil
	return c
}

func (d *directory) byName(name string) (auth.Account, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	a, ok := d.accounts[name]
	if !ok {
		return a, fmt.Errorf("%w: %d bytes", auth.ErrUnknown, len(name))
	}
	return a, d.fail
}

func (d *directory) byID(id int64) (auth.Account, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, a := range d.accounts {
		if a.User.ID == id {
			return a, d.fail
		}
	}
	return auth.Account{}, auth.ErrUnknown
}

func (d *directory) byToken(h auth.TokenHash) (view.User, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.tokens[h], d.fail // nobody's is the anonymous user's
}

func (d *directory) byNameAsync(ctx context.Context, name string) (auth.Account, error) {
	if err := ctx.Err(); err != nil {
		return auth.Account{}, err
	}
	return d.byName(name)
}

func (d *directory) byIDAsync(ctx context.Context, id int64) (auth.Account, error) {
	if err := ctx.Err(); err != nil {
		return auth.Account{}, err
	}
	return d.byID(id)
}

func (d *directory) byTokenAsync(ctx context.Context, h auth.TokenHash) (view.User, error) {
	if err := ctx.Err(); err != nil {
		return view.User{}, err
	}
	return d.byToken(h)
}

// checkers are those of either colour.
func (d *directory) checkers(opts ...auth.CheckerOption) map[string]*auth.Checker {
	return map[string]*auth.Checker{
		"async": auth.NewChecker(d.passwords, d.byNameAsync, opts...),
		"sync":  auth.NewChecker(d.passwords, d.byName, opts...),
	}
}

var profiles = map[string][]view.Option{"mixed": nil, "sync only": {view.SyncOnly()}}

// server is an app with a log.
type server struct {
	*view.App
	log *strings.Builder
}

// whoami says who asks.
func whoami(r *view.Request) (view.Response, error) {
	return view.Text(fmt.Sprint(r.User().ID, " ", r.User().Name)), nil
}

func whoamiAsync(_ context.Context, r *view.Request) (view.Response, error) { return whoami(r) }

// serve makes one of middleware, with a route of each colour, and some that are
// guarded.
func (d *directory) serve(opts []view.Option, ms ...view.Middleware) *server {
	log := new(strings.Builder)
	opts = append([]view.Option{view.Limits(d.limits), view.Logger(slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))}, opts...)
	app := view.New(opts...)
	app.Use(ms...)
	app.Routes(
		view.Path("GET /sync", whoami),
		view.Path("GET /async", whoamiAsync),
		view.Path("/members", whoamiAsync, auth.LoggedIn()),
		view.Path("GET /read", whoami, auth.Require("posts.read")),
		view.Path("GET /write", whoamiAsync, auth.Require("posts.read", "posts.write")),
		view.Path("GET /odd", whoamiAsync, auth.Require(`the "odd" one`)),
	)
	return &server{app, log}
}

func (s *server) get(target string, header ...string) *http.Response {
	r := httptest.NewRequest("GET", target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Result()
}

func body(resp *http.Response) string {
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func sessions(t testing.TB) view.Middleware {
	t.Helper()
	keys, err := session.NewKeys("0123456789abcdef0123456789abcdef")
	if err != nil {
		t.Fatal(err)
	}
	return session.Sealed(keys)
}
