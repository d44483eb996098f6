package middleware_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/middleware"
	"github.com/tandem-go/tandem/view"
)

// from serves a GET of a client at an address.
func from(h http.Handler, remote string) *http.Response {
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = remote
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func limited(t *testing.T, rate middleware.Rate) *view.App {
	t.Helper()
	return around(made(t)(middleware.RateLimit(rate)), view.Path("/", classic))
}

func TestWhatGoesBeyondTheRateIsRefusedUntilItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := limited(t, middleware.Rate{Requests: 6, Per: time.Minute, Burst: 2, Name: "api"})
		type answer struct {
			status            int
			limit, retryAfter string
		}
		for i, step := range []struct {
			after time.Duration
			want  answer
		}{
			{0, answer{200, `"api";r=1;t=10`, ""}},
			{0, answer{200, `"api";r=0;t=20`, ""}},
			{0, answer{429, `"api";r=0;t=20`, "10"}},
			{9500 * time.Millisecond, answer{429, `"api";r=0;t=11`, "1"}},
			{500 * time.Millisecond, answer{200, `"api";r=0;t=20`, ""}},
			{time.Hour, answer{200, `"api";r=1;t=10`, ""}},
		} {
			time.Sleep(step.after)
			resp := from(app, "192.0.2.1:4711")
			got := answer{resp.StatusCode, resp.Header.Get("RateLimit"), resp.Header.Get("Retry-After")}
			if got != step.want {
				t.Errorf("%d: %+v, want %+v", i, got, step.want)
			}
			if policy := resp.Header.Get("RateLimit-Policy"); policy != `"api";q=2;w=20` {
				t.Errorf("%d: policy %s", i, policy)
			}
			if text := body(t, resp); resp.StatusCode == 429 && !strings.Contains(text, `{"error":"too many requests","code":"rate_limited"`) {
				t.Errorf("%d: %s", i, text)
			}
		}
	})
}

func TestWhoseRequestItIs(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"192.0.2.1:1", "192.0.2.1:2", true},
		{"192.0.2.1:1", "192.0.2.2:1", false},
		{"192.0.2.1:1", "[::ffff:192.0.2.1]:1", true},
		{"[2001:db8::1]:1", "[2001:db8::ffff:1:2:3]:1", true},
		{"[2001:db8::1]:1", "[2001:db8:0:1::1]:1", false},
		{"[fe80::1%eth0]:1", "[fe80::2%eth1]:1", true},
		{"@", "@", true},
		{"@", "192.0.2.1:1", false},
		{"", "", true},
	} {
		app := limited(t, middleware.Rate{Requests: 1, Per: time.Hour})
		if resp := from(app, c.a); resp.StatusCode != 200 {
			t.Errorf("%q: %d", c.a, resp.StatusCode)
		}
		if resp := from(app, c.b); (resp.StatusCode == 429) != c.same {
			t.Errorf("%q after %q: %d", c.b, c.a, resp.StatusCode)
		}
	}
}

func TestKeysOfUsersAndOfOnesOwn(t *testing.T) {
	loggedIn := view.Phases(func(r *view.Request) (view.Response, error) {
		switch name := r.Header().Get("User"); name {
		case "ada":
			r.SetUser(view.User{ID: 1, Name: name})
		case "bo":
			r.SetUser(view.User{ID: 2, Name: name})
		}
		return nil, nil
	}, nil)
	byHeader := func(r *view.Request) string { return r.Header().Get("Api-Key") }
	for name, c := range map[string]struct {
		key  func(*view.Request) string
		asks [][]string
		want []int
	}{
		"users":  {middleware.ByUser, [][]string{{"User", "ada"}, {"User", "bo"}, nil, {"User", "ada"}, nil}, []int{200, 200, 200, 429, 429}},
		"header": {byHeader, [][]string{{"Api-Key", "k"}, {"Api-Key", "l"}, nil, {"Api-Key", "k"}, {"User", "ada"}}, []int{200, 200, 200, 429, 429}},
	} {
		t.Run(name, func(t *testing.T) {
			app := view.New()
			app.Use(loggedIn, made(t)(middleware.RateLimit(middleware.Rate{Requests: 1, Per: time.Hour, Key: c.key})))
			app.Routes(view.Path("/", async))
			for i, header := range c.asks {
				if resp := do(app, "GET", "/", header...); resp.StatusCode != c.want[i] {
					t.Errorf("%d: %v: %d, want %d", i, header, resp.StatusCode, c.want[i])
				}
			}
		})
	}
}

func TestWhatIsExemptIsNeitherLimitedNorCounted(t *testing.T) {
	app := around(made(t)(middleware.RateLimit(middleware.Rate{
		Requests: 1, Per: time.Hour, Exempt: func(r *view.Request) bool { return r.Pattern() == "/healthz" },
	})), view.Path("/", async), view.Path("/healthz", async))
	for i, want := range []int{200, 200, 200, 429, 200} {
		target := "/healthz"
		if i == 2 || i == 3 {
			target = "/"
		}
		resp := do(app, "GET", target)
		if _, told := resp.Header["Ratelimit"]; resp.StatusCode != want || told != (target == "/") {
			t.Errorf("%d: %s: %d, want %d; %v", i, target, resp.StatusCode, want, resp.Header)
		}
	}
}

func TestTheLimitIsDividedAmongWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := limited(t, middleware.Rate{Requests: 10, Per: 10 * time.Second, Workers: 4})
		for i, want := range []int{200, 200, 200, 429} { // 10 / 4, upwards
			if resp := from(app, "192.0.2.1:1"); resp.StatusCode != want || resp.Header.Get("RateLimit-Policy") != `"default";q=3;w=12` {
				t.Errorf("%d: %d, want %d; %v", i, resp.StatusCode, want, resp.Header)
			}
		}
		for _, c := range []struct {
			after time.Duration
			want  int
		}{{3999 * time.Millisecond, 429}, {time.Millisecond, 200}} { // one in 4 s
			time.Sleep(c.after)
			if resp := from(app, "192.0.2.1:1"); resp.StatusCode != c.want {
				t.Errorf("after %v: %d, want %d", c.after, resp.StatusCode, c.want)
			}
		}
	})
}

// Also errors of what is inside say how much is left.
func TestErrorsCountToo(t *testing.T) {
	app := around(made(t)(middleware.RateLimit(middleware.Rate{Requests: 2, Per: time.Hour})),
		view.Path("/{$}", func(context.Context, *view.Request) (view.Response, error) { return nil, fmt.Errorf("broken") }))
	for i, want := range []int{500, 404, 429} {
		resp := do(app, "GET", []string{"/", "/nowhere", "/"}[i])
		if resp.StatusCode != want || resp.Header.Get("RateLimit") == "" {
			t.Errorf("%d: %d, want %d; %v", i, resp.StatusCode, want, resp.Header)
		}
	}
}

// untouched is a body that nobody may read.
type untouched struct{ t *testing.T }

func (u untouched) Read([]byte) (int, error) { u.t.Error("the body was read"); return 0, io.EOF }

func TestARefusalTakesNoPermitAndReadsNoBody(t *testing.T) {
	limits := bridge.Limits{Blocking: bridge.NewLimiter(1)}
	var crossings int
	app := view.New(view.Limits(limits), view.Logger(slog.New(slog.DiscardHandler)),
		view.Observe(func(_ *view.Request, o view.Outcome) { crossings = o.Crossings }))
	app.Use(made(t)(middleware.RateLimit(middleware.Rate{Requests: 1, Per: time.Hour})))
	app.Routes(view.Path("/", classic))
	if resp := do(app, "POST", "/"); resp.StatusCode != 200 || crossings != 1 {
		t.Fatalf("%d, %d crossings", resp.StatusCode, crossings)
	}
	held, held2 := make(chan struct{}), make(chan struct{})
	done := make(chan error, 1)
	go func() {
		_, err := bridge.RunSync(t.Context(), func() (int, error) { close(held); <-held2; return 0, nil }, bridge.On(limits.Blocking))
		done <- err
	}()
	<-held // the only permit
	w := httptest.NewRecorder()
	app.ServeHTTP(w, httptest.NewRequest("POST", "/", untouched{t}))
	if w.Code != 429 || crossings != 0 {
		t.Errorf("%d, %d crossings", w.Code, crossings)
	}
	close(held2)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestRatesThatAreNone(t *testing.T) {
	ok := middleware.Rate{Requests: 1, Per: time.Second}
	for want, change := range map[string]func(*middleware.Rate){
		"rate limit: 0 requests in 1s; both are more than 0":  func(r *middleware.Rate) { r.Requests = 0 },
		"rate limit: 1 requests in 0s; both are more than 0":  func(r *middleware.Rate) { r.Per = 0 },
		"rate limit: 1 requests in -1s; both are more than 0": func(r *middleware.Rate) { r.Per = -time.Second },
		"rate limit: a burst of -1; give 1 or more":           func(r *middleware.Rate) { r.Burst = -1 },
		"rate limit: -1 workers":                              func(r *middleware.Rate) { r.Workers = -1 },
		"rate limit: memory of -1 keys; give 1 to 67108864":   func(r *middleware.Rate) { r.Keys = -1 },
		`rate limit: the name "a\"b": give printable`:         func(r *middleware.Rate) { r.Name = `a"b` },
		`rate limit: the name "a\nb": give printable`:         func(r *middleware.Rate) { r.Name = "a\nb" },
		"is less than one in a lifetime":                      func(r *middleware.Rate) { r.Per, r.Burst = 1000*time.Hour, 1<<40 },
	} {
		rate := ok
		change(&rate)
		if _, err := middleware.RateLimit(rate); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", rate, err, want)
		}
	}
	if _, err := middleware.RateLimit(middleware.Rate{Requests: 1 << 40, Per: time.Second, Workers: 64}); err != nil {
		t.Error(err)
	}
}

func BenchmarkRateLimit(b *testing.B) {
	m, err := middleware.RateLimit(middleware.Rate{Requests: 1 << 30, Per: time.Second})
	if err != nil {
		b.Fatal(err)
	}
	for name, h := range map[string]http.Handler{"without": around(view.Phases(func(*view.Request) (view.Response, error) { return nil, nil }, nil), view.Path("/", async)), "with": around(m, view.Path("/", async))} {
		b.Run(name, func(b *testing.B) {
			r := httptest.NewRequest("GET", "/", nil)
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(&sink{header: http.Header{}}, r)
			}
		})
	}
}

// sink is a writer that keeps nothing.
type sink struct {
	header http.Header
	bytes.Buffer
}

func (s *sink) Header() http.Header { return s.header }
func (s *sink) WriteHeader(int)     {}
