package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestOtherUsersAreRefused(t *testing.T) {
	var logged strings.Builder
	b := &fake{}
	path, stop := serve(t, b, func(s *Server) {
		s.Log = slog.New(slog.NewTextHandler(&logged, nil))
		s.peer = func(*net.UnixConn) (unix.Ucred, error) { return unix.Ucred{Pid: 77, Uid: uint32(os.Getuid()) + 1}, nil }
	})
	err := NewClient(path).Stop(t.Context(), true)
	var refused *RefusedError
	if !errors.As(err, &refused) || refused.Code != 403 || !strings.Contains(err.Error(), "may not control this supervisor") {
		t.Errorf("%v", err)
	}
	stop()
	if len(b.asked) > 0 || !strings.Contains(logged.String(), "pid=77") {
		t.Errorf("asked %q, logged %s", b.asked, logged.String())
	}
}

func TestPeerThatCannotBeNamed(t *testing.T) {
	b := &fake{}
	path, _ := serve(t, b, func(s *Server) {
		s.peer = func(*net.UnixConn) (unix.Ucred, error) { return unix.Ucred{}, errors.New("no") }
	})
	if err := NewClient(path).Stop(t.Context(), true); err == nil || len(b.asked) > 0 {
		t.Errorf("%v, asked %q", err, b.asked)
	}
}

// The same with another user in earnest: through the file's mode, and through a
// file that somebody has opened up.
func TestAnotherUserInEarnest(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can become another user")
	}
	b := &fake{}
	path, _ := serve(t, b)
	_, out, _ := helper(t, "ask", path, 65534)
	if line := readLine(t, out); line != "answer: may not talk to the supervisor at "+path+": run this as its user or as root" {
		t.Error(line)
	}
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	_, out, _ = helper(t, "ask", path, 65534)
	if line := readLine(t, out); line != "answer: uid 65534 may not control this supervisor: run this as its own user (uid 0) or as root" {
		t.Error(line)
	}
	if len(b.asked) > 0 {
		t.Errorf("asked %q", b.asked)
	}
}

func TestClientErrors(t *testing.T) {
	dir := publicDir(t)
	stale := filepath.Join(dir, "stale")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: stale, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	long := filepath.Join(dir, strings.Repeat("x", 120))
	for path, want := range map[string]string{
		dir + "/none":   "no supervisor answers at " + dir + "/none: there is no such socket; start it, or name its socket with --control",
		dir + "/none/x": "no supervisor answers at " + dir + "/none/x: there is no such socket; start it, or name its socket with --control",
		dir:             "no supervisor answers at " + dir + ": what is there is no socket; start it, or name its socket with --control",
		stale:           "no supervisor answers at " + stale + ": the socket was left by one that is gone; start it, or name its socket with --control",
		long:            fmt.Sprintf("no supervisor answers at %s: the path has %d bytes and the system takes 107; start it, or name its socket with --control", long, len(long)),
	} {
		if _, err := NewClient(path).Status(t.Context()); err == nil || err.Error() != want {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	for answer, want := range map[string]string{
		"":     "closed the connection without an answer: it may just have stopped",
		"hi\n": "ask the supervisor at ",
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi":          "is not a supervisor: invalid character",
		"HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\nhi":          "is not a supervisor: 500 Oh",
		"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{\"state\"": "closed the connection without an answer",
	} {
		path := stranger(t, answer)
		if _, err := NewClient(path).Status(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", answer, err, want)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	path, _ := serve(t, &fake{reload: func(ctx context.Context, _ bool) (ReloadResult, error) {
		<-ctx.Done()
		return ReloadResult{}, ctx.Err()
	}})
	if _, err := NewClient(path).Reload(ctx, true); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "did not answer in time") {
		t.Errorf("%v", err)
	}
}

// stranger answers one request with anything.
func stranger(t *testing.T, answer string) (path string) {
	t.Helper()
	path = filepath.Join(publicDir(t), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-done })
	go func() {
		defer close(done)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = c.Read(make([]byte, 4096))
		_, _ = io.WriteString(c, answer)
	}()
	return path
}

// A kept client asks on one connection, and makes another when the server has
// closed that one.
func TestKeptClient(t *testing.T) {
	var conns atomic.Int32
	path, _ := serve(t, &fake{}, func(s *Server) {
		peer := s.peer
		s.peer = func(c *net.UnixConn) (unix.Ucred, error) { // asked once for each connection
			conns.Add(1)
			return peer(c)
		}
	})
	c := NewKeptClient(path)
	ask := func() {
		t.Helper()
		if _, err := c.Status(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for range 5 {
		ask()
	}
	c.Close()
	ask()
	c.Close()
	if n := conns.Load(); n != 2 {
		t.Errorf("%d connections, want 2", n)
	}
}

// TestTransportErrorsNameTheNextStep: what the system answers, and what to do about it.
func TestTransportErrorsNameTheNextStep(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want string
	}{
		{unix.ENOENT, "start it, or name its socket with --control"},
		{unix.ENOTDIR, "start it, or name its socket with --control"},
		{unix.ECONNREFUSED, "start it, or name its socket with --control"},
		{unix.EACCES, "run this as its user or as root"},
		{unix.EPERM, "run this as its user or as root"},
		{io.EOF, "supervisor status says whether it runs"},
		{unix.ECONNRESET, "supervisor status says whether it runs"},
		{context.DeadlineExceeded, "look at its process and its log"},
		{unix.EMFILE, "is that its socket? --control names another"},
		{&strangerError{fmt.Sprintf(strangerText, 7, 8, 9)}, "run this as that user, or name another socket with --control"},
	} {
		if err := NewClient("/run/x").explain(fmt.Errorf("dial: %w", tc.err)); !strings.Contains(err.Error(), "/run/x") || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%v: %v, want %q", tc.err, err, tc.want)
		}
	}
}
