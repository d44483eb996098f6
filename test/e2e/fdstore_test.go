package e2e

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tandem-go/tandem/test/harness"
)

// manager plays the part of systemd that keeps descriptors.
type manager struct {
	addr string
	conn *net.UnixConn
	done chan struct{}

	mu    sync.Mutex
	files []*os.File // in the store
	names []string
}

func manage(t *testing.T) *manager {
	t.Helper()
	m := &manager{addr: filepath.Join(t.TempDir(), "notify"), done: make(chan struct{})}
	var err error
	if m.conn, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.addr, Net: "unixgram"}); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(m.done)
		b, oob := make([]byte, 4096), make([]byte, 4096)
		for {
			n, o, _, _, err := m.conn.ReadMsgUnix(b, oob)
			if err != nil {
				return
			}
			m.take(string(b[:n]), oob[:o])
		}
	}()
	t.Cleanup(func() { m.conn.Close(); <-m.done; m.release() })
	return m
}

func (m *manager) take(state string, oob []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	lines := strings.Split(state, "\n")
	name := ""
	for _, line := range lines {
		if v, ok := strings.CutPrefix(line, "FDNAME="); ok {
			name = v
		}
	}
	messages, _ := unix.ParseSocketControlMessage(oob)
	for _, msg := range messages {
		fds, _ := unix.ParseUnixRights(&msg)
		for _, fd := range fds {
			if !slices.Contains(lines, "FDSTORE=1") {
				unix.Close(fd) // the answer to BARRIER=1
				continue
			}
			m.files, m.names = append(m.files, os.NewFile(uintptr(fd), name)), append(m.names, name)
		}
	}
	if slices.Contains(lines, "FDSTOREREMOVE=1") {
		for i := len(m.names) - 1; i >= 0; i-- {
			if m.names[i] == name {
				m.files[i].Close()
				m.files, m.names = slices.Delete(m.files, i, i+1), slices.Delete(m.names, i, i+1)
			}
		}
	}
}

func (m *manager) release() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, f := range m.files {
		f.Close()
	}
	m.files, m.names = nil, nil
}

func (m *manager) stored() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.names)
}

// start starts the service with what is in the store.
func (m *manager) start(t *testing.T, args ...string) *harness.Supervisor {
	t.Helper()
	return m.startWith(t, nil, args...)
}

// startWith starts the service with the socket of a socket unit, which is called
// web, and what is in the store.
func (m *manager) startWith(t *testing.T, unit *os.File, args ...string) *harness.Supervisor {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	dir := t.TempDir()
	env := []string{"NOTIFY_SOCKET=" + m.addr}
	files, names := slices.Clone(m.files), slices.Clone(m.names)
	if unit != nil { // systemd, too, puts these first
		files, names = slices.Insert(files, 0, unit), slices.Insert(names, 0, "web")
	}
	if len(files) > 0 {
		env = append(env, "LISTEN_FDS="+strconv.Itoa(len(files)), "LISTEN_FDNAMES="+strings.Join(names, ":"))
	}
	return launch(t, harness.Config{
		Dir: dir, Bare: true, Args: append([]string{"--workers", "2", "--control", filepath.Join(dir, "control.sock")}, args...),
		Prefix: []string{"sh", "-c", `LISTEN_PID=$$ exec "$@"`, "sh"}, Env: env, Files: files,
	})
}

// TestAKilledSupervisorRefusesNobody: connections wait in the socket that the
// service manager keeps until the next start takes it.
func TestAKilledSupervisorRefusesNobody(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	port, err := harness.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	addr := "127.0.0.1:" + strconv.Itoa(port)
	unixPath := filepath.Join(t.TempDir(), "web.sock")
	m := manage(t)
	bind := []string{"--bind", addr, "--bind", "unix:" + unixPath}
	s := m.start(t, bind...)
	s.Addr = addr
	ready(ctx, t, s, 2)
	if got := m.stored(); len(got) != 2 {
		t.Fatalf("in the store: %q", got)
	}

	load, stop := context.WithCancel(ctx)
	defer stop()
	var served atomic.Int64
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for load.Err() == nil {
				_, _, err := get(ctx, &harness.Supervisor{Addr: addr}, "/modern/")
				if err != nil && !errors.Is(err, context.Canceled) {
					t.Errorf("a request failed: %v", err)
					return
				}
				served.Add(1)
			}
		})
	}
	more := func(n int64) {
		t.Helper()
		until := served.Load() + n
		if err := harness.Poll(ctx, "requests", func() bool { return t.Failed() || served.Load() >= until }); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		more(20)
		signal(t, s, syscall.SIGKILL)
		if _, err := s.Wait(ctx); err != nil {
			t.Fatal(err)
		}
		s = m.start(t, bind...)
		ready(ctx, t, s, 2)
		more(20)
	}
	c, err := net.Dial("unix", unixPath)
	if err != nil {
		t.Errorf("the unix socket: %v", err)
	} else {
		c.Close()
	}
	stop()
	clients.Wait()
	if got := m.stored(); len(got) != 2 {
		t.Errorf("in the store: %q", got)
	}

	// A stop that turns out to be a restart: what it refused is admitted again.
	signal(t, s, syscall.SIGTERM)
	exits(ctx, t, s, 0)
	s = m.start(t, bind...)
	s.Addr = addr
	ready(ctx, t, s, 2)
	ask(ctx, t, s, "/modern/")

	// Another address: the old one is nobody's any more, and not in the way.
	signal(t, s, syscall.SIGKILL)
	if _, err := s.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	wait(t, s, "the workers gone, which have the old socket, too", func() bool { return len(s.Strays()) == 0 })
	s = m.start(t, "--bind", "0.0.0.0:"+strconv.Itoa(port))
	s.Addr = addr
	ready(ctx, t, s, 2)
	ask(ctx, t, s, "/modern/")
	if got := m.stored(); len(got) != 1 || !strings.Contains(got[0], "0.0.0.0") {
		t.Errorf("in the store: %q", got)
	}
}

// dies kills the supervisor and waits until its workers, which have the sockets,
// too, have ended.
func dies(ctx context.Context, t *testing.T, s *harness.Supervisor) {
	t.Helper()
	signal(t, s, syscall.SIGKILL)
	if _, err := s.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	wait(t, s, "the workers gone", func() bool { return len(s.Strays()) == 0 })
}

// TestAnAbstractSocketIsKept: it has no file by which one could see that it is
// still the same, and needs none.
func TestAnAbstractSocketIsKept(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	m := manage(t)
	name := "@tandem-e2e-" + strconv.Itoa(os.Getpid())
	s := m.start(t, "--bind", "unix:"+name)
	ready(ctx, t, s, 2)
	stored := m.stored()
	if len(stored) != 1 {
		t.Fatalf("in the store: %q", stored)
	}
	dies(ctx, t, s)
	// Nobody is there, and it waits.
	c, err := net.Dial("unix", name)
	if err != nil {
		t.Fatalf("while nobody serves: %v", err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("GET /modern/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	s = m.start(t, "--bind", "unix:"+name)
	ready(ctx, t, s, 2)
	if answer, err := io.ReadAll(c); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 200 ") {
		t.Errorf("who waited got %q, %v", answer, err)
	}
	if got := m.stored(); !slices.Equal(got, stored) {
		t.Errorf("in the store: %q, and was %q", got, stored)
	}
	// A stop takes it out: what it refused cannot be admitted again.
	signal(t, s, syscall.SIGTERM)
	exits(ctx, t, s, 0)
	if err := harness.Poll(ctx, "an empty store", func() bool { return len(m.stored()) == 0 }); err != nil {
		t.Errorf("%v: %q", err, m.stored())
	}
	if c, err := net.Dial("unix", name); err == nil {
		c.Close()
		t.Error("after the stop it takes connections")
	}
	s = m.start(t, "--bind", "unix:"+name)
	ready(ctx, t, s, 2)
}

// TestASocketUnitAndTheStore: who gets a socket unit after a start without one has
// the old socket in the store, which is given up, so that nobody waits in it.
func TestASocketUnitAndTheStore(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	port, err := harness.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	old := "127.0.0.1:" + strconv.Itoa(port)
	m := manage(t)
	s := m.start(t, "--bind", old)
	ready(ctx, t, s, 2)
	dies(ctx, t, s)

	ln, file := listening(t)
	s = m.startWith(t, file, "--bind", old) // which a socket unit overrides
	st := ready(ctx, t, s, 2)
	if want := []string{"tcp://" + ln.Addr().String()}; !slices.Equal(st.Listeners, want) {
		t.Errorf("listeners %q, want %q", st.Listeners, want)
	}
	s.Addr = ln.Addr().String()
	ask(ctx, t, s, "/modern/")
	if got := m.stored(); len(got) != 0 {
		t.Errorf("in the store: %q", got)
	}
	if c, err := net.Dial("tcp", old); err == nil {
		c.Close()
		t.Error("the old address takes connections that nobody serves")
	}

	// And back again.
	dies(ctx, t, s)
	s = m.start(t, "--bind", old)
	s.Addr = old
	ready(ctx, t, s, 2)
	ask(ctx, t, s, "/modern/")
	if got := m.stored(); len(got) != 1 {
		t.Errorf("in the store: %q", got)
	}
}
