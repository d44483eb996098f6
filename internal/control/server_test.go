package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func tContext() context.Context { return context.Background() }

func TestClientAndServer(t *testing.T) {
	b := &fake{status: Status{
		State: "running", PID: 4242, Version: "v1", Generation: 2, UptimeSeconds: 61.2, Listeners: []string{"tcp://127.0.0.1:8000"},
		LastReload: &LastReload{Generation: 2, Result: ResultOK},
		Workers:    []WorkerStatus{{ID: 7, PID: 4250, Generation: 2, State: "ready", AgeSeconds: 3.1, Liveness: "ok", Requests: pointer[uint64](1841)}, {ID: 8, Liveness: "none"}},
	}}
	path, _ := serve(t, b)
	c := NewClient(path)
	ctx := t.Context()
	st, err := c.Status(ctx)
	if err != nil || !reflect.DeepEqual(st, b.status) {
		t.Errorf("status %+v (%v)", st, err)
	}
	r, err := c.Reload(ctx, false)
	if err != nil || r.Result != ResultAccepted || r.Generation != 2 {
		t.Errorf("reload %+v (%v)", r, err)
	}
	b.reload = func(context.Context, bool) (ReloadResult, error) {
		return ReloadResult{Generation: 3, Result: ResultFailed, Error: "why", LastWords: []string{"a", "b"}}, nil
	}
	r, err = c.Reload(ctx, true)
	if err != nil || !reflect.DeepEqual(r, ReloadResult{Generation: 3, Result: ResultFailed, Error: "why", LastWords: []string{"a", "b"}}) {
		t.Errorf("reload %+v (%v)", r, err)
	}
	for _, err := range []error{c.Scale(ctx, 5), c.Stop(ctx, false), c.Stop(ctx, true)} {
		if err != nil {
			t.Error(err)
		}
	}
	want := []string{"status", "reload wait=false", "reload wait=true", "scale 5", "stop now=false", "stop now=true"}
	if !reflect.DeepEqual(b.asked, want) {
		t.Errorf("asked %q, want %q", b.asked, want)
	}
}

// The JSON is a promise to scripts: names, and null for what is not known.
func TestStatusJSON(t *testing.T) {
	path, _ := serve(t, &fake{status: Status{
		State: "running", PID: 4242, Version: "v1", Generation: 2, UptimeSeconds: 61.2, Listeners: []string{"tcp://127.0.0.1:8000"},
		Wanted: 2, LatencyBounds: []float64{0.001, 1},
		LastReload: &LastReload{Generation: 2, Result: ResultOK},
		Workers: []WorkerStatus{
			{ID: 7, PID: 4250, Generation: 2, State: "ready", AgeSeconds: 3.1, Liveness: "ok", Requests: pointer[uint64](1841), InFlight: pointer[int64](2), Connections: pointer[int64](9), RSSBytes: pointer[int64](14680064), Latency: &LatencyStatus{Counts: []uint64{1800, 39, 0}, SumSeconds: 2.5}},
			{ID: 8, PID: 4251, Generation: 2, State: "starting", AgeSeconds: 0.5, Liveness: "none"},
		},
	}})
	want := `{"state":"running","pid":4242,"version":"v1","generation":2,"workers_wanted":2,"uptime_seconds":61.2,` +
		`"listeners":["tcp://127.0.0.1:8000"],` +
		`"last_reload":{"generation":2,"result":"ok","error":""},` +
		`"workers":[{"id":7,"pid":4250,"generation":2,"state":"ready","age_seconds":3.1,` +
		`"liveness":"ok","requests":1841,"in_flight":2,"connections":9,"rss_bytes":14680064,` +
		`"latency":{"counts":[1800,39,0],"sum_seconds":2.5}},` +
		`{"id":8,"pid":4251,"generation":2,"state":"starting","age_seconds":0.5,` +
		`"liveness":"none","requests":null,"in_flight":null,"connections":null,"rss_bytes":null}],"latency_bounds_seconds":[0.001,1]}` + "\n"
	if code, body := raw(t, path, "GET", "/v1/status", ""); code != 200 || body != want {
		t.Errorf("%d %s\nwant %s", code, body, want)
	}
	path, _ = serve(t, &fake{})
	want = `{"state":"","pid":0,"version":"","generation":0,"uptime_seconds":0,"listeners":[],"last_reload":null,"workers":[]}` + "\n"
	if code, body := raw(t, path, "GET", "/v1/status", ""); code != 200 || body != want {
		t.Errorf("%d %s\nwant %s", code, body, want)
	}
}

func raw(t *testing.T, path, method, target, body string) (code int, answer string) {
	t.Helper()
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", path) }}
	r, err := http.NewRequestWithContext(t.Context(), method, "http://x"+target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	res, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatalf("%s %s: %v", method, target, err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if kind := res.Header.Get("Content-Type"); kind != "application/json" || !json.Valid(text) {
		t.Errorf("%s %s: %s %s", method, target, kind, text)
	}
	return res.StatusCode, string(text)
}

func TestRequests(t *testing.T) {
	b := &fake{}
	path, _ := serve(t, b)
	for _, tc := range []struct {
		method, target, body string
		code                 int
		answer, asked        string
	}{
		{"POST", "/v1/reload", "", 202, `"result":"accepted"`, "reload wait=false"},
		{"POST", "/v1/reload", "{}", 202, `"result":"accepted"`, "reload wait=false"},
		{"POST", "/v1/reload?wait=0", "", 202, `"result":"accepted"`, "reload wait=false"},
		{"POST", "/v1/reload?wait=1", "", 200, `"generation":2`, "reload wait=true"},
		{"POST", "/v1/reload?wait=soon", "", 400, `wait=\"soon\" is not 1 or 0`, ""},
		{"POST", "/v1/reload", "x", 400, `body: invalid character`, ""},
		{"POST", "/v1/scale", `{"workers":3}`, 200, `{"workers":3}`, "scale 3"},
		{"POST", "/v1/scale", ``, 400, `want {\"workers\":N}`, ""},
		{"POST", "/v1/scale", `{}`, 400, `want {\"workers\":N}`, ""},
		{"POST", "/v1/scale", `{"workers":0}`, 400, `workers is 0; want 1 to 4096`, ""},
		{"POST", "/v1/scale", `{"workers":4097}`, 400, `workers is 4097; want 1 to 4096`, ""},
		{"POST", "/v1/scale", `{"workers":"3"}`, 400, `cannot unmarshal`, ""},
		{"POST", "/v1/scale", `{"workers":3,"x":1}`, 400, `unknown field`, ""},
		{"POST", "/v1/scale", `{"workers":3}{}`, 400, `there is more after the JSON object`, ""},
		{"POST", "/v1/scale", `{"workers":3` + strings.Repeat(" ", maxBody) + `}`, 400, `request body too large`, ""},
		{"POST", "/v1/stop", ``, 202, `{"now":false}`, "stop now=false"},
		{"POST", "/v1/stop", `{"now":true}`, 202, `{"now":true}`, "stop now=true"},
		{"POST", "/v1/stop", `true`, 400, `cannot unmarshal`, ""},
		{"POST", "/v1/upgrade", ``, 200, `"from":"v1"`, "upgrade"},
		{"GET", "/v1/upgrade", ``, 405, `/v1/upgrade takes POST, not GET`, ""},
		{"GET", "/v1/stop", ``, 405, `/v1/stop takes POST, not GET`, ""},
		{"POST", "/v1/status", ``, 405, `/v1/status takes GET, not POST`, ""},
		{"GET", "/", ``, 404, `there is no \"/\"`, ""},
		{"GET", "/v2/status", ``, 404, `there is no \"/v2/status\"`, ""},
	} {
		b.asked = nil
		code, answer := raw(t, path, tc.method, tc.target, tc.body)
		if code != tc.code || !strings.Contains(answer, tc.answer) || strings.Join(b.asked, ",") != tc.asked {
			t.Errorf("%s %s %.40s: %d %s asked %q, want %d %s asked %q", tc.method, tc.target, tc.body, code, answer, b.asked, tc.code, tc.answer, tc.asked)
		}
	}
}

func TestRefusals(t *testing.T) {
	b := &fake{}
	path, _ := serve(t, b)
	c := NewClient(path)
	for _, tc := range []struct {
		err  error
		code int
		text string
	}{
		{errors.New("a stop is under way"), 409, "a stop is under way"},
		{fmt.Errorf("x: %w", context.DeadlineExceeded), 503, "the supervisor did not answer within 10s: it is stopped or short of CPU; look at its process and its log"},
		{context.Canceled, 503, "the supervisor stops; start it again when it has ended"},
	} {
		b.err = tc.err
		_, status := c.Status(t.Context())
		_, reload := c.Reload(t.Context(), true)
		for _, err := range []error{status, reload, c.Scale(t.Context(), 1), c.Stop(t.Context(), false)} {
			var refused *RefusedError
			if !errors.As(err, &refused) || refused.Code != tc.code || err.Error() != tc.text {
				t.Errorf("%v (%#v), want %d %s", err, refused, tc.code, tc.text)
			}
		}
	}
}

// A roll may last longer than a request may take to arrive.
func TestWaitOutlivesTheReadTimeout(t *testing.T) {
	const patience = 50 * time.Millisecond
	b := &fake{reload: func(ctx context.Context, _ bool) (ReloadResult, error) {
		select {
		case <-time.After(4 * patience): // the roll
			return ReloadResult{Result: ResultOK}, nil
		case <-ctx.Done():
			return ReloadResult{}, ctx.Err()
		}
	}}
	path, _ := serve(t, b, func(s *Server) { s.patience = patience })
	if r, err := NewClient(path).Reload(t.Context(), true); err != nil || r.Result != ResultOK {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestWaitEndsWithItsClient(t *testing.T) {
	started, ended := make(chan struct{}), make(chan struct{})
	b := &fake{reload: func(ctx context.Context, _ bool) (ReloadResult, error) {
		close(started)
		<-ctx.Done()
		close(ended)
		return ReloadResult{}, ctx.Err()
	}}
	path, _ := serve(t, b)
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() {
		_, err := NewClient(path).Reload(ctx, true)
		failed <- err
	}()
	<-started
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("the client got %v", err)
	}
	<-ended
}

// Whoever waits when the server ends is answered: with the outcome if there is
// one by then, else with the reason.
func TestEndOfServe(t *testing.T) {
	for _, answers := range []bool{true, false} {
		started, finish := make(chan struct{}), make(chan struct{})
		b := &fake{reload: func(ctx context.Context, _ bool) (ReloadResult, error) {
			close(started)
			if !answers {
				<-ctx.Done()
				return ReloadResult{}, ctx.Err()
			}
			<-finish
			select {
			case <-time.After(50 * time.Millisecond): // the end of the roll
				return ReloadResult{Result: ResultFailed, Error: "stopped"}, nil
			case <-ctx.Done():
				return ReloadResult{}, ctx.Err()
			}
		}}
		path, stop := serve(t, b)
		type answer struct {
			ReloadResult
			err error
		}
		got := make(chan answer)
		go func() {
			r, err := NewClient(path).Reload(context.Background(), true)
			got <- answer{r, err}
		}()
		<-started
		stopped := make(chan struct{})
		go func() { stop(); close(stopped) }()
		if answers {
			close(finish)
		}
		a := <-got
		<-stopped
		if answers && (a.err != nil || a.Error != "stopped") {
			t.Errorf("the outcome was lost: %+v", a)
		}
		if !answers && (a.err == nil || a.err.Error() != "the supervisor stops; start it again when it has ended") {
			t.Errorf("without an outcome: %+v", a)
		}
	}
}

func TestCloseEndsServe(t *testing.T) {
	path := filepath.Join(publicDir(t), "s")
	s := mustListen(t, path)
	done := make(chan error)
	go func() { done <- s.Serve(t.Context(), &fake{}) }()
	if _, err := NewClient(path).Status(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Close(), <-done); err != nil {
		t.Error(err)
	}
}

// A peer that says nothing, or says it for ever, is let go.
func TestSlowPeers(t *testing.T) {
	path, _ := serve(t, &fake{}, func(s *Server) { s.patience = 20 * time.Millisecond })
	for _, begin := range []string{"", "GET /v1/status HTTP/1.1\r\nHost: x\r\n", "POST /v1/scale HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"} {
		c := dial(t, path)
		if _, err := io.WriteString(c, begin); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, c); err != nil && !errors.Is(err, unix.ECONNRESET) {
			t.Errorf("%q: %v", begin, err)
		}
	}
	c := dial(t, path)
	go io.Copy(c, strings.NewReader("GET / HTTP/1.1\r\nHost: x\r\nX: "+strings.Repeat("x", 4*maxHeader)))
	answer, _ := io.ReadAll(c)
	if !strings.HasPrefix(string(answer), "HTTP/1.1 431 ") {
		t.Errorf("a large header: %q", answer)
	}
}

// Connections beyond the limit wait until one is free.
func TestConnectionLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimited(endless{}, 2)
		accepted := make(chan net.Conn, 4)
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					close(accepted)
					return
				}
				accepted <- c
			}
		}()
		synctest.Wait()
		if n := len(accepted); n != 2 {
			t.Fatalf("%d connections, want 2", n)
		}
		first := <-accepted
		for range 2 { // closing it twice frees one place
			first.Close()
		}
		synctest.Wait()
		if n := len(accepted); n != 2 {
			t.Errorf("%d connections beside the closed one, want 2", n)
		}
		l.Close()
		synctest.Wait()
		for range 2 {
			<-accepted
		}
		if _, open := <-accepted; open {
			t.Error("a closed listener goes on")
		}
	})
}

// endless is a listener at which somebody always waits.
type endless struct{ net.Listener }

func (endless) Accept() (net.Conn, error) {
	c, _ := net.Pipe()
	return c, nil
}

func (endless) Close() error { return nil }

// All places may be taken by peers that say nothing: they are let go, and then
// the next is served.
func TestIdlePeersDoNotLockOthersOut(t *testing.T) {
	path, _ := serve(t, &fake{}, func(s *Server) { s.patience = 20 * time.Millisecond })
	for range maxConns {
		dial(t, path)
	}
	if _, err := NewClient(path).Status(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestNothingIsLeftOpen(t *testing.T) {
	before := openFiles(t)
	for range 3 {
		path, stop := serve(t, &fake{})
		for range 20 {
			if _, err := NewClient(path).Status(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		stop()
	}
	goleak.VerifyNone(t) // it waits for the goroutines that close the client's ends
	if after := openFiles(t); after > before {
		t.Errorf("%d files are open, %d were before", after, before)
	}
}
