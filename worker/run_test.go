package worker_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
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

	"github.com/tandem-go/tandem/worker"
)

// announce sends the address of the socket that s serves first.
func announce(s *http.Server, serving chan<- string) {
	s.BaseContext = func(l net.Listener) context.Context {
		select {
		case serving <- l.Addr().String():
		default:
		}
		return context.Background()
	}
}

func get(url string) string {
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get(url)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(body))
}

// alone runs a worker in this process that nobody supervises.
func alone(t *testing.T, h http.Handler, opts ...worker.Option) (addr string, drain func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	serving, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- worker.Run(ctx, h, append([]worker.Option{
			worker.Addr("127.0.0.1:0"), worker.Linger(0), worker.Logger(slog.New(slog.DiscardHandler)),
			worker.ConfigureServer(func(s *http.Server) { announce(s, serving) }),
		}, opts...)...)
	}()
	select {
	case addr = <-serving:
	case err := <-ended:
		cancel()
		t.Fatal("the worker ended: ", err)
	}
	return addr, func() error {
		cancel()
		return <-ended
	}
}

func TestDrainingOutsideOfAWorker(t *testing.T) {
	if worker.Draining(t.Context()) != nil {
		t.Error("there is a worker to drain")
	}
	if worker.Self() != (worker.Identity{}) {
		t.Errorf("nobody supervises, and yet %+v", worker.Self())
	}
}

// settling is a handler that wants to know when serving begins.
type settling struct {
	http.Handler
	settled atomic.Int32
}

func (s *settling) Settle() { s.settled.Add(1) }

func TestAHandlerIsSettledOnceBeforeItServes(t *testing.T) {
	h := &settling{Handler: http.NotFoundHandler()}
	_, drain := alone(t, h)
	if n := h.settled.Load(); n != 1 {
		t.Errorf("settled %d times", n)
	}
	if err := drain(); err != nil {
		t.Error(err)
	}
}

func TestAddressInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	err = worker.Run(t.Context(), http.NotFoundHandler(), worker.Addr(l.Addr().String()))
	if err == nil || !strings.Contains(err.Error(), l.Addr().String()) || !strings.Contains(err.Error(), "already in use") {
		t.Errorf("run: %v", err)
	}
}

func TestBrokenEnvironment(t *testing.T) {
	for variable, value := range map[string]string{"WATCHDOG_USEC": "soon", "TANDEM_FD": "99999", "TANDEM_DB_CONNECTIONS": "0", "TANDEM_BOOT_TIMEOUT_USEC": "-1"} {
		t.Run(variable, func(t *testing.T) {
			t.Setenv(variable, value)
			err := worker.Run(t.Context(), http.NotFoundHandler())
			if err == nil || !strings.Contains(err.Error(), variable+"=") || !strings.Contains(err.Error(), value) {
				t.Errorf("run: %v", err)
			}
			if _, left := os.LookupEnv(variable); left {
				t.Error("the variable is still set")
			}
		})
	}
}

// The server is the program's own: what it sets stays, and Run's part works
// around it.
func TestConfigureServer(t *testing.T) {
	type key struct{}
	var states atomic.Int64
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.Context().Value(key{}).(string))
		<-worker.Draining(r.Context())
	})
	addr, drain := alone(t, http.NotFoundHandler(), worker.ConfigureServer(func(s *http.Server) {
		if s.ReadHeaderTimeout == 0 || s.IdleTimeout == 0 || s.MaxHeaderBytes == 0 || s.ErrorLog == nil {
			t.Error("a server without bounds")
		}
		s.Handler = h
		s.ConnState = func(net.Conn, http.ConnState) { states.Add(1) }
		base := s.BaseContext
		s.BaseContext = func(l net.Listener) context.Context { return context.WithValue(base(l), key{}, "kept") }
	}))
	c := dial(t, addr)
	if err := c.send("GET", "/", ""); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- drain() }()
	if answer, _ := c.answered(t); answer != "kept" {
		t.Errorf("answered %q", answer)
	}
	if err := <-ended; err != nil || states.Load() < 3 {
		t.Errorf("drained with %v after %d states", err, states.Load())
	}
}

// Handlers look for these, and net/http's own functions do.
func TestWriterKeepsItsMethods(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	content := bytes.Repeat([]byte("0123456789"), 100_000)
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	addr, drain := alone(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, has := range map[string]bool{
			"Flusher": is[http.Flusher](w), "Hijacker": is[http.Hijacker](w),
			"ReaderFrom": is[io.ReaderFrom](w), "StringWriter": is[io.StringWriter](w), "Pusher": !is[http.Pusher](w),
		} {
			if !has {
				t.Errorf("the writer of HTTP/1 is wrong about %s", name)
			}
		}
		if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Error(err)
		}
		http.ServeFile(w, r, file)
	}))
	c := dial(t, addr)
	if err := c.send("GET", "/", ""); err != nil {
		t.Fatal(err)
	}
	if answer, _ := c.answered(t); answer != string(content) {
		t.Errorf("got %d bytes of %d", len(answer), len(content))
	}
	if err := drain(); err != nil {
		t.Error(err)
	}
}

func is[T any](v any) bool {
	_, ok := v.(T)
	return ok
}

// What a connection that sent half a request would hold up is bounded, and said.
func TestHalfARequest(t *testing.T) {
	addr, drain := alone(t, http.NotFoundHandler(), worker.DrainTimeout(200*time.Millisecond))
	c := dial(t, addr)
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHo"); err != nil {
		t.Fatal(err)
	}
	whole := dial(t, addr) // and c was accepted before it
	if err := whole.send("GET", "/", ""); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := whole.receive(); err != nil {
		t.Fatal(err)
	}
	cut, is := errors.AsType[*worker.DrainError](drain())
	if !is || cut.Requests != 0 || cut.Connections != 1 {
		t.Errorf("drained: %v", cut)
	}
}

func TestLingerServesTheIdle(t *testing.T) {
	drains := make(chan struct{})
	addr, drain := alone(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/last" {
			<-worker.Draining(r.Context())
			close(drains)
		}
	}), worker.Linger(10*time.Second))
	used, fresh, last := dial(t, addr), dial(t, addr), dial(t, addr)
	if _, closing := used.must(t, "/", ""); closing {
		t.Error("closed before the drain")
	}
	if err := last.send("GET", "/last", ""); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- drain() }()
	<-drains
	for name, c := range map[string]*client{"a kept connection": used, "a new one": fresh} {
		if _, closing := c.must(t, "/", ""); !closing {
			t.Errorf("%s is not told to close", name)
		}
	}
	last.answered(t)
	if err := <-ended; err != nil { // at once: nobody is left to linger for
		t.Error(err)
	}
}

// net/http forgets a connection once it is hijacked; its handler is waited for.
func TestHijackersAreWaitedFor(t *testing.T) {
	hijacked, ended := make(chan struct{}), make(chan error, 1)
	addr, drain := alone(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		close(hijacked)
		<-worker.Draining(r.Context())
		select {
		case <-ended:
			t.Error("Run returned before the handler did")
		case <-time.After(400 * time.Millisecond): // far longer than the rest of the drain takes
		}
		if _, err := io.WriteString(c, "last words"); err != nil {
			t.Error(err)
		}
	}))
	c := dial(t, addr)
	if err := c.send("GET", "/", ""); err != nil {
		t.Fatal(err)
	}
	<-hijacked
	err := drain()
	ended <- err
	if err != nil {
		t.Error(err)
	}
	if all, err := io.ReadAll(c.r); err != nil || string(all) != "last words" {
		t.Errorf("read %q, %v", all, err)
	}
}

// What comes before the answer, or takes the connection away from HTTP, is not
// the place for "Connection: close", not even in a drain.
func TestInterimAnswersAreLeftAlone(t *testing.T) {
	begun := make(chan struct{})
	addr, drain := alone(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(begun)
		<-worker.Draining(r.Context())
		w.Header().Set("Connection", "Upgrade")
		w.WriteHeader(http.StatusSwitchingProtocols)
	}))
	c := dial(t, addr)
	if err := c.send("GET", "/", ""); err != nil {
		t.Fatal(err)
	}
	<-begun
	if err := drain(); err != nil {
		t.Error(err)
	}
	if all, err := io.ReadAll(c.r); err != nil || !strings.Contains(string(all), "Connection: Upgrade") {
		t.Errorf("answered %q, %v", all, err)
	}
}

func TestTLS(t *testing.T) {
	cert := certificate()
	for proto, h2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2.0": true} {
		t.Run(proto, func(t *testing.T) {
			begun := make(chan struct{})
			addr, drain := alone(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if is[http.Pusher](w) != h2 || is[http.Hijacker](w) == h2 {
					t.Error("the writer has not the methods of its protocol")
				}
				if r.URL.Path == "/slow" {
					close(begun)
					<-worker.Draining(r.Context())
				}
				io.WriteString(w, r.Proto)
			}), worker.ConfigureServer(func(s *http.Server) {
				s.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}}
			}))
			transport := &http.Transport{ForceAttemptHTTP2: h2, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
			defer transport.CloseIdleConnections()
			do := func(path string) {
				resp, err := (&http.Client{Transport: transport}).Get("https://" + addr + path)
				if err != nil {
					t.Error(err)
					return
				}
				defer resp.Body.Close()
				if body, err := io.ReadAll(resp.Body); err != nil || string(body) != proto {
					t.Errorf("answered %q, %v", body, err)
				}
			}
			do("/")
			answered := make(chan struct{})
			go func() {
				defer close(answered)
				do("/slow")
			}()
			<-begun
			if err := drain(); err != nil {
				t.Error(err)
			}
			<-answered
		})
	}
}
