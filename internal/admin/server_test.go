package admin

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tandem-go/tandem/internal/control"
)

// service is a supervisor as a test wants it.
type service struct {
	health atomic.Pointer[Health]
	hangs  atomic.Bool // its loop does not answer
	gone   atomic.Bool
}

func (s *service) answers(ctx context.Context) error {
	if s.gone.Load() {
		return errors.New("the supervisor is stopping")
	}
	if s.hangs.Load() {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	return nil
}

func (s *service) Health(ctx context.Context) (Health, error) {
	if err := s.answers(ctx); err != nil {
		return Health{}, err
	}
	return *s.health.Load(), nil
}

func (s *service) Status(ctx context.Context) (control.Status, error) {
	if err := s.answers(ctx); err != nil {
		return control.Status{}, err
	}
	requests, memory := uint64(1841), int64(14<<20)
	return control.Status{
		State: s.health.Load().State, PID: 4242, Version: "v1 <b>", Generation: 2, UptimeSeconds: 61.2,
		Listeners:  []string{"unix:///run/<x>.sock"},
		LastReload: &control.LastReload{Generation: 2, Result: control.ResultFailed, Error: "secret error", LastWords: []string{"secret words"}},
		Workers: []control.WorkerStatus{
			{ID: 7, PID: 4250, Generation: 2, State: "ready", Liveness: "ok", Requests: &requests, RSSBytes: &memory, OldestRequests: []control.RequestStatus{
				{Method: "GET", Route: "GET /posts/{id}/", RequestID: "secret id", AgeSeconds: 1, Matched: true},
				{Method: "GET", Route: "/reset/secret-token", RequestID: "secret id", AgeSeconds: 3},
			}},
			{ID: 8, PID: 4251, Generation: 2, State: "ready", Liveness: "none"},
		},
	}, nil
}

type served struct {
	*service
	*Server
	client *http.Client
	url    string
	end    context.CancelFunc
	result chan error
}

func serve(t *testing.T, address string) *served {
	t.Helper()
	return serveWith(t, address, func(*Server) {})
}

// serveWith is serve of a server that set has seen to.
func serveWith(t *testing.T, address string, set func(*Server)) *served {
	t.Helper()
	server, err := Listen(address)
	if err != nil {
		t.Fatal(err)
	}
	server.Log = slog.New(slog.DiscardHandler)
	set(server)
	server.probe, server.ask = 50*time.Millisecond, 60*time.Millisecond
	s := &served{service: new(service), Server: server, result: make(chan error, 1), url: "http://" + server.Addr().Address}
	s.health.Store(&Health{State: "running", Ready: 3, Wanted: 4})
	transport := &http.Transport{}
	if addr := server.Addr(); addr.Network == "unix" {
		s.url = "http://admin"
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", addr.Address)
		}
	}
	s.client = &http.Client{Transport: transport}
	ctx, cancel := context.WithCancel(context.Background())
	s.end = cancel
	metrics := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, bounded := r.Context().Deadline(); !bounded {
			t.Error("a scrape has no bound")
		}
		_, _ = io.WriteString(w, "tandem_up 1\n")
	})
	go func() { s.result <- server.Serve(ctx, s.service, metrics) }()
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		cancel()
		if err := <-s.result; err != nil {
			t.Error(err)
		}
		_ = server.Close()
	})
	return s
}

func (s *served) do(t *testing.T, method, path string, body io.Reader) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.url+path, body)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

func TestAnswers(t *testing.T) {
	s := serve(t, "127.0.0.1:0")
	for _, c := range []struct {
		method, path string
		body         string
		code         int
		want         string
	}{
		{method: "GET", path: "/livez", code: 200, want: "alive\n"},
		{method: "HEAD", path: "/livez", code: 200},
		{method: "GET", path: "/livez?verbose=1", code: 200, want: "alive\n"},
		{method: "GET", path: "/readyz", code: 200, want: "ready: running, 3 of 4 workers ready\n"},
		{method: "HEAD", path: "/readyz", code: 200},
		{method: "GET", path: "/metrics", code: 200, want: "tandem_up 1\n"},
		{method: "GET", path: "/", code: 200, want: "<title>Tandem: running</title>"},
		{method: "HEAD", path: "/", code: 200},
		{method: "GET", path: "/livez/", code: 404, want: "/readyz"},
		{method: "GET", path: "//livez", code: 404, want: "/readyz"},
		{method: "GET", path: "/v1/status", code: 404, want: "/readyz"},
		{method: "POST", path: "/v1/stop", code: 404, want: "/readyz"},
		{method: "POST", path: "/readyz", body: "x", code: 405, want: "read-only"},
		{method: "PUT", path: "/livez", code: 405, want: "read-only"},
		{method: "DELETE", path: "/", code: 405, want: "read-only"},
		{method: "OPTIONS", path: "/metrics", code: 405, want: "read-only"},
		{method: "GET", path: "/livez", body: "what for?", code: 200, want: "alive\n"},
	} {
		var body io.Reader
		if c.body != "" {
			body = strings.NewReader(c.body)
		}
		resp, got := s.do(t, c.method, c.path, body)
		if resp.StatusCode != c.code || !strings.Contains(got, c.want) {
			t.Errorf("%s %s: %d %q, want %d %q", c.method, c.path, resp.StatusCode, got, c.code, c.want)
		}
		if c.method == "HEAD" && got != "" {
			t.Errorf("HEAD %s has a body: %q", c.path, got)
		}
		if allow := resp.Header.Get("Allow"); (c.code == 405) != (allow == "GET, HEAD") {
			t.Errorf("%s %s: %d with Allow: %q", c.method, c.path, resp.StatusCode, allow)
		}
		if c.body != "" && !resp.Close {
			t.Errorf("%s %s: a connection is kept for a body that nobody reads", c.method, c.path)
		}
		for name, want := range map[string]string{"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Content-Security-Policy": policy} {
			if got := resp.Header.Get(name); got != want {
				t.Errorf("%s %s: %s: %q, want %q", c.method, c.path, name, got, want)
			}
		}
	}
}

func TestReadiness(t *testing.T) {
	s := serve(t, "127.0.0.1:0")
	for _, c := range []struct {
		Health
		code int
		want string
	}{
		{Health{"starting", 0, 4}, 503, "not ready: starting, 0 of 4 workers ready\n"},
		{Health{"starting", 3, 4}, 503, "not ready: starting, 3 of 4 workers ready\n"},
		{Health{"running", 1, 4}, 200, "ready: running, 1 of 4 workers ready\n"},
		{Health{"running", 0, 4}, 503, "not ready: running, no worker is ready (4 wanted)\n"},
		{Health{"reloading", 2, 1}, 200, "ready: reloading, 2 of 1 workers ready\n"},
		{Health{"degraded", 1, 2}, 200, "ready: degraded, 1 of 2 workers ready\n"},
		{Health{"degraded", 0, 2}, 503, "not ready: degraded, no worker is ready (2 wanted)\n"},
		{Health{"stopping", 4, 4}, 503, "not ready: stopping, 4 of 4 workers ready\n"},
	} {
		s.health.Store(&c.Health)
		if resp, got := s.do(t, "GET", "/readyz", nil); resp.StatusCode != c.code || got != c.want {
			t.Errorf("%+v: %d %q, want %d %q", c.Health, resp.StatusCode, got, c.code, c.want)
		}
		if resp, _ := s.do(t, "GET", "/livez", nil); resp.StatusCode != 200 {
			t.Errorf("%+v is not alive", c.Health)
		}
	}
}

// A loop that hangs is not alive, though this server answers.
func TestALoopThatHangs(t *testing.T) {
	s := serve(t, "127.0.0.1:0")
	s.hangs.Store(true)
	for path, want := range map[string]string{
		"/livez":  "not alive: the supervisor's loop has not answered within 50ms\n",
		"/readyz": "not ready: the supervisor's loop has not answered within 50ms\n",
		"/":       "no status: the supervisor's loop has not answered within 60ms\n",
	} {
		if resp, got := s.do(t, "GET", path, nil); resp.StatusCode != 503 || got != want {
			t.Errorf("%s: %d %q, want 503 %q", path, resp.StatusCode, got, want)
		}
	}
	s.hangs.Store(false)
	if resp, _ := s.do(t, "GET", "/livez", nil); resp.StatusCode != 200 {
		t.Errorf("when it goes on: %d", resp.StatusCode)
	}
	s.gone.Store(true)
	if resp, got := s.do(t, "GET", "/livez", nil); resp.StatusCode != 503 || got != "not alive: the supervisor is stopping\n" {
		t.Errorf("at the end: %d %q", resp.StatusCode, got)
	}
}

func TestPage(t *testing.T) {
	s := serve(t, "127.0.0.1:0")
	resp, page := s.do(t, "GET", "/", nil)
	if got := resp.Header.Get("Content-Type"); got != "text/html; charset=utf-8" {
		t.Errorf("Content-Type: %s", got)
	}
	for _, want := range []string{
		"v1 &lt;b&gt;", `process <b id="pid">4242</b>`, `Generation <b id="generation">2</b>`, ">1m1s<", "unix:///run/&lt;x&gt;.sock", "generation 2, failed",
		`href="/metrics"`, `href="/readyz"`, `href="/livez"`, ">1841<", ">14.0 MiB<", "<td class=\"n\">–</td>", `<noscript><meta http-equiv="refresh" content="5">`,
		`<th scope="row" class="n">7</th>`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %q", want)
		}
	}
	// What scripts and styles there are is in it, and under the policy by its hash.
	page = strings.ReplaceAll(page, "http://www.w3.org/2000/svg", "")
	for _, leak := range []string{"secret", "v1 <b>", "http://", "https://", " src=", "@import", "url(", " style=", " onclick", "innerHTML", "eval("} {
		if strings.Contains(page, leak) {
			t.Errorf("the page has %q in it", leak)
		}
	}
	if len(page) > 100<<10 {
		t.Errorf("the page has %d bytes, all that it is made of included", len(page))
	}
	t.Logf("%d bytes", len(page))
}

// Whoever holds connections open does not keep a probe from its answer.
func TestHeldConnectionsDoNotShutOutAProbe(t *testing.T) {
	s := serve(t, "127.0.0.1:0")
	dial := func() net.Conn {
		c, err := net.Dial("tcp", s.Addr().Address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	first := dial()
	for range maxConns - 1 { // silent ones
		dial()
	}
	for range 3 {
		c := dial()
		fmt.Fprintf(c, "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
		_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || resp.StatusCode != 200 {
			t.Fatalf("a probe beside %d silent connections: %v, %v", maxConns, resp, err)
		}
	}
	_ = first.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := first.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the oldest silent connection did not make room: %v", err)
	}
}

func TestHeadersAreBounded(t *testing.T) {
	s := serve(t, "127.0.0.1:0")
	c, err := net.Dial("tcp", s.Addr().Address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go fmt.Fprintf(c, "GET /livez HTTP/1.1\r\nHost: localhost\r\nX: %s\r\n\r\n", strings.Repeat("x", 64<<10))
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || resp.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("64 KiB of header: %v, %v", resp, err)
	}
}

func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admin.sock")
	s := serve(t, "unix:"+path)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode&0o007 != 0 || mode&0o600 != 0o600 || mode&^0o660 != 0 {
		t.Errorf("mode %v", mode)
	}
	if resp, got := s.do(t, "GET", "/readyz", nil); resp.StatusCode != 200 {
		t.Errorf("%d %s", resp.StatusCode, got)
	}
	if _, err := Listen("unix:" + path); err == nil || !strings.Contains(err.Error(), "admin listener: bind unix://"+path) {
		t.Errorf("a second one on the same path: %v", err)
	}
	s.end()
	err = <-s.result
	s.result <- err
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file is left: %v", err)
	}
}

func TestListenErrors(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for address, want := range map[string]string{
		taken.Addr().String():       "admin listener: bind tcp://" + taken.Addr().String() + ": address already in use",
		"9000":                      "admin listener: invalid address",
		"unix:/no/such/place.sock":  "/no/such does not exist",
		"unix:" + t.TempDir() + "/": "names a directory",
	} {
		_, err := Listen(address)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want one line with %q", address, err, want)
		}
	}
}
