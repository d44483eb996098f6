package e2e

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/tandem-go/tandem/test/harness"
)

// notifySocket plays systemd: it takes what a service says.
type notifySocket struct {
	addr string
	mu   sync.Mutex
	got  []string
}

func listenNotify(t *testing.T) *notifySocket {
	t.Helper()
	n := &notifySocket{addr: filepath.Join(t.TempDir(), "notify")}
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: n.addr, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 4096)
		for {
			k, err := c.Read(b)
			if err != nil {
				return
			}
			n.mu.Lock()
			n.got = append(n.got, strings.Split(string(b[:k]), "\n")...)
			n.mu.Unlock()
		}
	}()
	t.Cleanup(func() { c.Close(); <-done })
	return n
}

func (n *notifySocket) all() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]string{}, n.got...)
}

// index is where a state was said first, -1 when it was not.
func (n *notifySocket) index(state string) int {
	for i, s := range n.all() {
		if s == state || strings.HasSuffix(state, "=") && strings.HasPrefix(s, state) {
			return i
		}
	}
	return -1
}

// TestNotifyUpward: the supervisor is itself a good service of systemd.
func TestNotifyUpward(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	up := listenNotify(t)
	s := launch(t, foreign(harness.Config{Args: []string{"--workers", "2", "--bake", "50ms"}, Env: []string{"NOTIFY_SOCKET=" + up.addr}}, "serve"))
	said := func(state string) {
		t.Helper()
		if err := harness.Poll(ctx, state, func() bool { return up.index(state) >= 0 }); err != nil {
			t.Fatalf("%v; said so far: %q", err, up.all())
		}
	}
	said("READY=1")
	// systemd lets dependants start now: all workers must be there.
	if st, err := s.Status(ctx); err != nil || len(st.Ready()) != 2 {
		t.Errorf("READY=1 with %d ready workers, %v", len(st.Ready()), err)
	}
	signal(t, s, syscall.SIGHUP)
	said("RELOADING=1")
	said("MONOTONIC_USEC=")
	await(ctx, t, s, "the reload", func(st harness.Status) bool { return st.Generation == 2 && st.State == "running" })
	if err := harness.Poll(ctx, "READY=1 after RELOADING=1", func() bool {
		all := up.all()
		for i := len(all) - 1; i >= 0; i-- {
			switch all[i] {
			case "READY=1":
				return true
			case "RELOADING=1":
				return false
			}
		}
		return false
	}); err != nil {
		t.Errorf("%v: %q", err, up.all())
	}
	signal(t, s, syscall.SIGTERM)
	said("STOPPING=1")
	exits(ctx, t, s, 0)
}

// listening makes a socket and a descriptor of it to pass on.
func listening(t *testing.T) (net.Listener, *os.File) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	file, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return ln, file
}

// TestSocketActivation passes a listening socket the way systemd does.
func TestSocketActivation(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	ln, file := listening(t)
	dir := t.TempDir()
	control := filepath.Join(dir, "control.sock")
	s := launch(t, foreign(harness.Config{
		Dir: dir, Bare: true, Args: []string{"--workers", "2", "--control", control, "--bind", "127.0.0.1:1"}, // bind is not used
		Prefix: []string{"sh", "-c", `LISTEN_PID=$$ exec "$@"`, "sh"},
		Env:    []string{"LISTEN_FDS=1", "LISTEN_FDNAMES=web"},
		Files:  []*os.File{file},
	}, "serve"))
	st := ready(ctx, t, s, 2)
	if want := "tcp://" + ln.Addr().String(); len(st.Listeners) != 1 || st.Listeners[0] != want {
		t.Errorf("listeners %q, want %s", st.Listeners, want)
	}
	s.Addr = ln.Addr().String()
	w := info(ctx, t, s)
	if names, _ := w.env("LISTEN_FDNAMES"); names != "web" {
		t.Errorf("LISTEN_FDNAMES=%q, systemd said web", names)
	}
	signal(t, s, syscall.SIGTERM)
	exits(ctx, t, s, 0)
	// systemd's socket stays: a connection waits there for the next start.
	c, err := net.Dial("tcp", s.Addr)
	if err != nil {
		t.Fatalf("the socket that was passed in does not listen any more: %v", err)
	}
	c.Close()
}

// TestInheritedSocket is --bind fd:N.
func TestInheritedSocket(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	ln, file := listening(t)
	dir := t.TempDir()
	s := launch(t, foreign(harness.Config{
		Dir: dir, Bare: true, Args: []string{"--workers", "1", "--control", filepath.Join(dir, "control.sock"), "--bind", "fd:3"},
		Files: []*os.File{file},
	}, "serve"))
	ready(ctx, t, s, 1)
	s.Addr = ln.Addr().String()
	info(ctx, t, s)
}

// TestUnixSocket serves on a unix socket and takes it away at the end.
func TestUnixSocket(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "web.sock")
	s := launch(t, foreign(harness.Config{
		Dir: dir, Bare: true, Args: []string{"--workers", "1", "--control", filepath.Join(dir, "control.sock"), "--bind", "unix:" + path},
	}, "serve"))
	st := ready(ctx, t, s, 1)
	if len(st.Listeners) != 1 || st.Listeners[0] != "unix://"+path {
		t.Errorf("listeners %q", st.Listeners)
	}
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	signal(t, s, syscall.SIGTERM)
	exits(ctx, t, s, 0)
}
