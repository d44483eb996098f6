package verify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tandem-go/tandem/internal/control"
	"github.com/tandem-go/tandem/internal/postmortem"
	"github.com/tandem-go/tandem/internal/strict"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestFromListeners(t *testing.T) {
	for listeners, want := range map[string]string{
		"tcp://127.0.0.1:8000":                  "http://127.0.0.1:8000 127.0.0.1:8000",
		"tcp://0.0.0.0:8000":                    "http://127.0.0.1:8000 127.0.0.1:8000",
		"tcp://[::]:8000 tcp://10.1.2.3:80":     "http://[::1]:8000 [::1]:8000",
		"unix:///run/a.sock tcp://10.1.2.3:80":  "http://10.1.2.3:80 10.1.2.3:80",
		"unix:///run/a.sock unix:///run/b.sock": "unix:/run/a.sock localhost",
	} {
		got, err := FromListeners(strings.Fields(listeners))
		if err != nil || got.Name+" "+got.Host != want || got.Proxied || got.Foreign {
			t.Errorf("%s: %+v, %v", listeners, got, err)
		}
	}
	if _, err := FromListeners([]string{"fd:3"}); err == nil || !strings.Contains(err.Error(), "--url") {
		t.Error(err)
	}
}

func TestFromURL(t *testing.T) {
	for text, want := range map[string]string{
		"http://127.0.0.1:8000":   "127.0.0.1:8000 127.0.0.1:8000 false",
		"https://127.0.0.1":       "127.0.0.1:443 127.0.0.1 false",
		"http://[::1]:80/":        "[::1]:80 [::1]:80 false",
		"http://192.0.2.1:8080":   "192.0.2.1:8080 192.0.2.1:8080 true",
		"http://user@127.0.0.1":   "not sent",
		"http://127.0.0.1/x":      "--path",
		"http://127.0.0.1/?a=b":   "--path",
		"ftp://127.0.0.1":         "http://HOST",
		"127.0.0.1:8000":          "http://HOST",
		"http://":                 "http://HOST",
		"http://127.0.0.1:80:80/": "http://HOST",
	} {
		got, err := FromURL(t.Context(), text, false)
		var said string
		if wrong := (*TargetError)(nil); errors.As(err, &wrong) {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", text, err, want)
			}
			continue
		}
		if said = fmt.Sprint(got.Addr, " ", got.Host, " ", got.Foreign); err != nil || said != want || !got.Proxied {
			t.Errorf("%s: %s, %v; want %s", text, said, err, want)
		}
		if (got.TLS != nil) != strings.HasPrefix(text, "https") {
			t.Errorf("%s: TLS %v", text, got.TLS)
		}
	}
}

func TestCheckPath(t *testing.T) {
	for _, good := range []string{"/", "/a/b?c=d&e=%20"} {
		if err := CheckPath(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for bad, want := range map[string]string{"POST /posts/": "only GET", "GET /": "only GET", "posts": "begins with /", "": "begins with /", "/a b": "%XX", "/ä": "%XX", "/a\r\nX: y": "%XX", "/#x": "#"} {
		if err := CheckPath(bad); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", bad, err, want)
		}
	}
}

func TestGroupsShareClientsAndRate(t *testing.T) {
	paths := []Path{{Path: "/a", Median: time.Millisecond}, {Path: "/b", Median: time.Second}, {Path: "/c"}}
	kept, short, rate := 0, 0, 0.0
	for _, g := range groups(paths, 8, 4, 90) {
		if !g.Plain || g.Method != "" || g.Body != 0 || g.Rate <= 0 {
			t.Errorf("%+v", g)
		}
		if g.Mode == strict.Kept {
			kept += g.Clients
		} else {
			short += g.Clients
		}
		if can := float64(g.Clients) / 2; g.Target == "/b" && g.Rate > can {
			t.Errorf("%d clients are asked for %v requests of a second each", g.Clients, g.Rate)
		}
		rate += g.Rate
	}
	if kept != 8 || short != 4 || rate > 90 || rate < 60 {
		t.Errorf("%d kept, %d short, %v a second", kept, short, rate)
	}
	if got := groups(paths[:1], 1, 0, 10); len(got) != 1 || got[0].Rate != 10 {
		t.Errorf("%+v", got)
	}
	if got := groups(paths, 1, 0, 10); len(got) != 3 {
		t.Errorf("%+v", got)
	}
}

// service is a server and its supervisor, in one process.
type service struct {
	state     string
	workers   []control.WorkerStatus
	listeners []string
	reload    func(s *service) (control.ReloadResult, error)
	status    atomic.Int64 // what / answers
	asked     func()       // at each question for the status
	handler   func(w http.ResponseWriter, nth int64)
	begun     atomic.Int64 // requests, which workers that count have

	mu      sync.Mutex
	records []postmortem.Record
}

func (s *service) Status(context.Context) (control.Status, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asked != nil {
		s.asked()
	}
	st := control.Status{State: s.state, Listeners: s.listeners, Workers: slices.Clone(s.workers)}
	for i, w := range st.Workers {
		if w.Requests != nil {
			begun := uint64(s.begun.Load()) + *w.Requests
			st.Workers[i].Requests = &begun
		}
	}
	return st, nil
}

func (s *service) Peer(context.Context) (int, error) { return os.Getpid(), nil }

func (s *service) Why(context.Context) (postmortem.Report, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return postmortem.Report{Records: s.records}, nil
}

func (s *service) Reload(context.Context, bool) (control.ReloadResult, error) { return s.reload(s) }

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet || r.URL.RawQuery != "" || r.UserAgent() != userAgent || r.Header.Get("X-Request-Id") == "" {
		http.Error(w, "not what verify-reload sends", http.StatusTeapot)
		return
	}
	nth := s.begun.Add(1)
	switch r.URL.Path {
	case "/endless":
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	case "/unsteady":
		w.WriteHeader(int(200 + s.status.Add(1)%2))
	default:
		if s.handler != nil {
			s.handler(w, nth)
		}
		w.WriteHeader(int(s.status.Load()))
	}
}

func newService(t *testing.T, secure bool) (*service, Config) {
	t.Helper()
	one := uint64(1)
	s := &service{state: "running", workers: []control.WorkerStatus{{ID: 1, State: "ready", Requests: &one}}}
	s.status.Store(200)
	s.reload = func(*service) (control.ReloadResult, error) {
		return control.ReloadResult{Generation: 2, Result: control.ResultOK}, nil
	}
	server := httptest.NewUnstartedServer(s)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	c := Config{Supervisor: s, Paths: []string{"/"}, Reloads: 2, Before: 100 * time.Millisecond, Rest: 100 * time.Millisecond}
	if secure {
		server.StartTLS()
		url := strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
		target, err := FromURL(t.Context(), url, false)
		if err != nil {
			t.Fatal(err)
		}
		target.TLS.RootCAs = server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
		target.TLS.ServerName = "example.com" // what its certificate is for
		target.Addr = server.Listener.Addr().String()
		c.Target = target
	} else {
		server.Start()
		c.Target = Target{Addr: server.Listener.Addr().String(), Host: "service.test", Name: server.URL}
	}
	t.Cleanup(server.Close)
	return s, c
}

func TestRun(t *testing.T) {
	for _, secure := range []bool{false, true} {
		_, c := newService(t, secure)
		r, err := Run(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if !r.OK() || len(r.Reloads) != 2 || r.Requests < 5 || r.Paths[0].Status != 200 || r.Target != c.Target.Name {
			t.Errorf("%+v", r)
		}
	}
}

func TestRunSeesTheNewGeneration(t *testing.T) {
	s, c := newService(t, false)
	s.records = []postmortem.Record{{ID: "old", Count: 1, Time: time.Now()}}
	s.reload = func(s *service) (control.ReloadResult, error) {
		s.status.Store(500)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.records = append(s.records, postmortem.Record{ID: "new", Count: 1})
		return control.ReloadResult{Generation: 2, Result: control.ResultOK}, nil
	}
	r, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if r.OK() || r.Wrong == 0 || r.Causes[0].Code != "new-generation-answers-otherwise" {
		t.Errorf("%+v", r)
	}
}

func TestRunEndsAtAReloadThatFails(t *testing.T) {
	for name, tc := range map[string]struct {
		result control.ReloadResult
		err    error
		want   string
	}{
		"undone":  {control.ReloadResult{Generation: 2, Result: control.ResultFailed, Error: "it does not start"}, nil, "failed"},
		"refused": {control.ReloadResult{}, errors.New("a stop is under way"), "refused"},
	} {
		s, c := newService(t, false)
		s.reload = func(*service) (control.ReloadResult, error) { return tc.result, tc.err }
		r, err := Run(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if r.OK() || len(r.Reloads) != 1 || r.Reloads[0].Result != tc.want || r.Lost > 0 {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestRunIsBounded(t *testing.T) {
	s, c := newService(t, false)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s.reload = func(*service) (control.ReloadResult, error) {
		cancel() // somebody interrupts it
		return control.ReloadResult{}, context.Canceled
	}
	r, err := Run(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	if r.OK() || !strings.Contains(r.Problem, "interrupted") {
		t.Errorf("%+v", r)
	}
}

// What is not seen to its end is not verified, also when it ends at the last reload.
func TestRunThatEndsAfterTheLastReload(t *testing.T) {
	for name, tc := range map[string]struct {
		change    func(*Config)
		drains    bool // for ever
		interrupt bool // when that is looked at
		want      string
	}{
		"interrupted in the drain":     {func(*Config) {}, true, true, "interrupted while the old workers of reload 1 of 1 drained"},
		"a drain that does not end":    {func(c *Config) { c.drain = 100 * time.Millisecond }, true, false, "worker 1 is still draining"},
		"its time is over in the rest": {func(c *Config) { c.Rest, c.Within = time.Hour, 3*time.Second }, false, false, "--within"},
	} {
		s, c := newService(t, false)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		c.Reloads = 1
		tc.change(&c)
		s.reload = func(s *service) (control.ReloadResult, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			if tc.drains {
				s.workers = []control.WorkerStatus{{ID: 1, State: "draining"}}
			}
			if tc.interrupt {
				s.asked = cancel
			}
			return control.ReloadResult{Generation: 2, Result: control.ResultOK}, nil
		}
		r, err := Run(ctx, c)
		if err != nil {
			t.Fatal(err)
		}
		if r.OK() || !strings.Contains(r.Problem, tc.want) {
			t.Errorf("%s: %q, want %q", name, r.Problem, tc.want)
		}
	}
}

// A page that is not there or not allowed verifies nothing, unless it is meant.
func TestExpectedStatus(t *testing.T) {
	for _, tc := range []struct {
		status int
		expect []int
		want   string // "" is no error
	}{
		{404, nil, "there is no such page"},
		{401, nil, "needs a login"},
		{403, nil, "needs a login"},
		{429, nil, "rate limit"},
		{400, nil, "--expect 400"},
		{404, []int{404}, ""},
		{200, []int{404}, "--expect does not name"},
		{200, nil, ""},
		{302, nil, ""},
		{500, nil, "it fails already"},
		{500, []int{500}, ""}, // noted, as broken-before
	} {
		r := run{Config: Config{Expect: tc.expect}}
		if ok := r.expected(tc.status); ok != (tc.want == "") {
			t.Errorf("%d of %v: %v", tc.status, tc.expect, ok)
		} else if !ok && !strings.Contains(r.unexpected("/x", tc.status).Error(), tc.want) {
			t.Errorf("%d of %v: %v", tc.status, tc.expect, r.unexpected("/x", tc.status))
		}
	}
	s, c := newService(t, false)
	s.status.Store(404)
	_, err := Run(t.Context(), c)
	if _, ok := errors.AsType[*UnjudgedError](err); !ok || !strings.Contains(err.Error(), "GET / answers 404") {
		t.Error(err)
	}
}

func TestTargetAmongListeners(t *testing.T) {
	for _, tc := range []struct {
		addr, listeners string
		want            bool
	}{
		{"127.0.0.1:8000", "tcp://127.0.0.1:8000", true},
		{"127.0.0.1:8000", "unix:///x tcp://0.0.0.0:8000", true},
		{"10.0.0.1:8000", "tcp://[::]:8000", true},
		{"127.0.0.1:80", "tcp://127.0.0.1:8000", false},
		{"10.0.0.1:8000", "tcp://127.0.0.1:8000", false},
		{"unix:/x", "unix:///x", false},
	} {
		if got := (Target{Addr: tc.addr}).among(strings.Fields(tc.listeners)); got != tc.want {
			t.Errorf("%s of %s: %v", tc.addr, tc.listeners, got)
		}
	}
	if (Target{Addr: "192.0.2.1:80", Foreign: true}).among([]string{"tcp://0.0.0.0:80"}) {
		t.Error("another machine's address is taken for ours")
	}
}

func TestWhatCannotBeVerified(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(s *service, c *Config)
		want   string
	}{
		"a stream":        {func(_ *service, c *Config) { c.Paths, c.Timeout = []string{"/endless"}, 200*time.Millisecond }, "a stream cannot be judged"},
		"unsteady":        {func(_ *service, c *Config) { c.Paths = []string{"/unsteady"} }, "without any reload"},
		"nobody there":    {func(_ *service, c *Config) { c.Target.Addr = "unix:/nowhere/x.sock" }, "nothing answers"},
		"TLS not wanted":  {func(_ *service, c *Config) { c.Target.TLS = nil }, "--url https://"},
		"stranger's cert": {func(_ *service, c *Config) { c.Target.TLS.RootCAs = nil }, "--insecure"},
		"it reloads":      {func(s *service, _ *Config) { s.state = "reloading" }, "the supervisor is reloading"},
	} {
		s, c := newService(t, strings.Contains(name, "TLS") || strings.Contains(name, "cert"))
		tc.change(s, &c)
		if _, err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
}
