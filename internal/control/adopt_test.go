package control

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// slow answers a status when it may.
type slow struct {
	fake
	asked, may chan struct{}
}

func (b *slow) Status(context.Context) (Status, error) {
	b.asked <- struct{}{}
	<-b.may
	return Status{State: "running"}, nil
}

// A pause waits for the request that is being answered, and for no other: one
// whose caller goes over, a connection that has asked for nothing yet, and who
// comes meanwhile. That one is answered after it.
func TestPause(t *testing.T) {
	b := &slow{asked: make(chan struct{}), may: make(chan struct{})}
	waiting, ended := make(chan struct{}), make(chan struct{})
	b.reload = func(ctx context.Context, _ bool) (ReloadResult, error) {
		close(waiting)
		<-ended
		return ReloadResult{Generation: 2, Result: ResultOK}, nil
	}
	var s *Server
	path, _ := serve(t, b, func(made *Server) { s = made })
	c := NewClient(path)
	held := make(chan error, 1)
	go func() { _, err := c.Reload(t.Context(), true); held <- err }()
	<-waiting
	status := make(chan error, 2)
	ask := func() { _, err := NewClient(path).Status(t.Context()); status <- err }
	go ask()
	<-b.asked

	paused := make(chan struct{})
	go func() { s.Pause(t.Context()); close(paused) }()
	select {
	case <-paused:
		t.Fatal("it did not wait for an answer on its way")
	case <-time.After(50 * time.Millisecond): // nothing to wait for: that it does not happen
	}
	b.may <- struct{}{}
	if err := <-status; err != nil {
		t.Error(err)
	}
	<-paused
	go ask() // it connects, and waits in the queue
	select {
	case <-b.asked:
		t.Fatal("a request was taken in a pause")
	case <-time.After(50 * time.Millisecond):
	}
	s.Resume()
	<-b.asked
	b.may <- struct{}{}
	if err := <-status; err != nil {
		t.Error(err)
	}
	close(ended)
	if err := <-held; err != nil {
		t.Errorf("who waits for a reload: %v", err)
	}
}

// Who will not let go does not hold an upgrade.
func TestAPauseIsBounded(t *testing.T) {
	b := &slow{asked: make(chan struct{}), may: make(chan struct{})}
	var s *Server
	path, _ := serve(t, b, func(made *Server) { s = made })
	answered := make(chan error, 1)
	go func() { _, err := NewClient(path).Status(t.Context()); answered <- err }()
	<-b.asked
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	s.Pause(ctx)
	s.Resume()
	b.may <- struct{}{}
	if err := <-answered; err != nil {
		t.Error(err)
	}
}

// A server and a caller that waits go over to another program.
func TestAServerAndACallerGoOver(t *testing.T) {
	again := func(fd int) (int, error) { return unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3) }
	same := func(fd int) int { return fd }
	path := filepath.Join(publicDir(t), "s")
	old := mustListen(t, path)
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	theirs, err := old.listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	fd, err := (&Caller{theirs}).Save(same)
	if err != nil {
		t.Fatal(err)
	}
	caller, err := AdoptCaller(fd, again)
	if err != nil {
		t.Fatal(err)
	}
	st, err := old.Save(same)
	if err != nil {
		t.Fatal(err)
	}
	next, err := Adopt(st, again)
	if err != nil {
		t.Fatal(err)
	}
	theirs.Close() // as an exec does
	if err := old.listener.Close(); err != nil {
		t.Fatal(err)
	}
	if err := caller.Refuse("not \"now\""); err != nil {
		t.Error(err)
	}
	if answer, err := io.ReadAll(conn); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 409 Conflict\r\n") || !strings.Contains(string(answer), `{"error":"not \"now\""}`) {
		t.Errorf("%s, %v", answer, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- next.Serve(ctx, &fake{status: Status{State: "running"}}) }()
	if st, err := NewClient(path).Status(t.Context()); err != nil || st.State != "running" {
		t.Errorf("%+v, %v", st, err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the file stayed: %v", err)
	}
}
