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

	"github.com/tandem-go/tandem/test/harness"
)

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

// TestOneSocketIsServedOnce: a socket that comes out of the store twice, under one
// name or two, or from the store and from a socket unit, is one listener.
func TestOneSocketIsServedOnce(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	port, err := harness.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	addr := "127.0.0.1:" + strconv.Itoa(port)
	m := manage(t)
	serves := func(s *harness.Supervisor, stored int) {
		t.Helper()
		st := ready(ctx, t, s, 2)
		if want := []string{"tcp://" + addr}; !slices.Equal(st.Listeners, want) {
			t.Errorf("listeners %q, want %q", st.Listeners, want)
		}
		s.Addr = addr
		ask(ctx, t, s, "/modern/")
		if got := m.stored(); len(got) != stored {
			t.Errorf("in the store: %q, want %d", got, stored)
		}
	}
	s := m.start(t, "--bind", addr)
	serves(s, 1)
	dies(ctx, t, s)

	twin, other := m.again(t), m.again(t)
	m.mu.Lock()
	m.files = append(m.files, twin, other)
	m.names = append(m.names, m.names[0], strings.Replace(m.names[0], "127.0.0.1", "localhost", 1))
	m.mu.Unlock()
	s = m.start(t, "--bind", addr)
	serves(s, 1)
	dies(ctx, t, s)

	unit := m.again(t)
	defer unit.Close()
	s = m.startWith(t, unit, "--bind", addr)
	serves(s, 0) // who passes it has it
	signal(t, s, syscall.SIGTERM)
	exits(ctx, t, s, 0)
	if c, err := net.Dial("tcp", addr); err != nil {
		t.Errorf("the socket unit's socket does not listen any more: %v", err)
	} else {
		c.Close()
	}
}

// TestAnUpgradeForgetsWhatWasPassed: after an exec in place the pid is still the
// one in LISTEN_PID, and descriptor 3 is something else. The program after it must
// not be told of sockets that it has in its state.
func TestAnUpgradeForgetsWhatWasPassed(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	ln, file := listening(t)
	m := manage(t)
	s := m.startWith(t, file)
	before := ready(ctx, t, s, 2)
	s.Addr = ln.Addr().String()
	told := func() []string {
		t.Helper()
		b, err := os.ReadFile("/proc/" + strconv.Itoa(s.PID) + "/environ")
		if err != nil {
			t.Fatal(err)
		}
		return slices.DeleteFunc(strings.Split(string(b), "\x00"), func(kv string) bool { return !strings.HasPrefix(kv, "LISTEN_") })
	}
	if got := told(); len(got) != 3 {
		t.Fatalf("it was started with %q", got)
	}
	for round := range 2 {
		mustUpgrade(ctx, t, s)
		if got := told(); len(got) != 0 {
			t.Errorf("round %d: after the upgrade it is told of %q", round, got)
		}
		after := ready(ctx, t, s, 2)
		if !slices.Equal(after.Listeners, before.Listeners) || !slices.Equal(harness.PIDs(after.Workers), harness.PIDs(before.Workers)) {
			t.Errorf("round %d: before %+v, after %+v", round, before, after)
		}
		ask(ctx, t, s, "/modern/")
	}
	// Workers of the program after it are told of their own.
	must(ctx, t, s, "reload", "--wait")
	ask(ctx, t, s, "/modern/")
	if got := m.stored(); len(got) != 0 {
		t.Errorf("in the store: %q", got)
	}
	signal(t, s, syscall.SIGTERM)
	exits(ctx, t, s, 0)
	if c, err := net.Dial("tcp", s.Addr); err != nil {
		t.Errorf("the socket that was passed in does not listen any more: %v", err)
	} else {
		c.Close()
	}
}
