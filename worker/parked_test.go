package worker_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tandem-go/tandem/worker"
)

const parkAfter = 20 * time.Millisecond

// parkedIn is how many connections a process watches as those that are parked:
// by level, where the runtime watches by edge.
func parkedIn(t *testing.T, pid any) (n int) {
	t.Helper()
	all, err := filepath.Glob(fmt.Sprintf("/proc/%v/fdinfo/*", pid))
	if err != nil || len(all) == 0 {
		t.Fatalf("no descriptors of %v: %v", pid, err)
	}
	for _, name := range all {
		info, err := os.ReadFile(name)
		if err != nil {
			continue // it was closed
		}
		for line := range bytes.Lines(info) {
			var fd int
			var events uint32
			if _, err := fmt.Sscanf(string(line), "tfd: %d events: %x", &fd, &events); err == nil &&
				events&unix.EPOLLRDHUP != 0 && events&unix.EPOLLET == 0 {
				n++
			}
		}
	}
	return n
}

// awaitParked waits until so many are; the test's own time limit ends it.
func awaitParked(t *testing.T, pid any, n int) {
	t.Helper()
	for parkedIn(t, pid) != n {
		<-time.After(time.Millisecond)
	}
}

// pasts answers with what is known of a connection.
var pasts = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	fmt.Fprintf(w, "%d %s %s %v", worker.Requests(r.Context()), r.RemoteAddr, body, err)
})

// Of each kind of connection: it is as if nothing had been.
func TestAParkedConnectionIsServedOn(t *testing.T) {
	for name, kind := range map[string]struct {
		open func(*testing.T, string) *client
		opts []worker.Option
	}{
		"clear":                 {open: dial},
		"clear, without HTTP/2": {open: dial, opts: []worker.Option{onlyHTTP1()}},
		"TLS":                   {open: dialTLS, opts: []worker.Option{withTLS()}},
	} {
		t.Run(name, func(t *testing.T) {
			addr, drain := alone(t, pasts, append(kind.opts, worker.ParkAfter(parkAfter))...)
			c := kind.open(t, addr)
			request := "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\nbody"
			for i, split := range []int{0, 0, 1, 3, 14, 50} {
				if i > 0 { // the first comes at once, and the second from a silent one
					awaitParked(t, "self", 1)
				}
				if _, err := io.WriteString(c, request[:split]); err != nil {
					t.Fatal(err)
				}
				if split > 0 {
					awaitParked(t, "self", 0)
				}
				if _, err := io.WriteString(c, request[split:]); err != nil {
					t.Fatal(err)
				}
				want := fmt.Sprintf("%d %s body <nil>", i, c.LocalAddr())
				if answer, closing := c.answered(t); closing || answer != want {
					t.Errorf("answered %q (closing: %v), want %q", answer, closing, want)
				}
			}
			awaitParked(t, "self", 1)
			// Said, and nothing more to say: it is answered before the end.
			if err := c.send("POST", "/", "last"); err != nil {
				t.Fatal(err)
			}
			if err := c.Conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if answer, _ := c.answered(t); !strings.HasPrefix(answer, "6 ") {
				t.Errorf("answered %q", answer)
			}
			if err := drain(); err != nil {
				t.Error(err)
			}
		})
	}
}

func onlyHTTP1() worker.Option {
	return worker.ConfigureServer(func(s *http.Server) {
		s.Protocols = new(http.Protocols)
		s.Protocols.SetHTTP1(true)
	})
}

// One that has sent nothing yet may speak HTTP/2 when it does.
func TestASilentConnectionIsParked(t *testing.T) {
	addr, drain := alone(t, pasts, worker.ParkAfter(parkAfter))
	one, two := dial(t, addr), dial(t, addr)
	awaitParked(t, "self", 2)
	if answer, closing := one.must(t, "/", "1"); closing || answer != fmt.Sprintf("0 %s 1 <nil>", one.LocalAddr()) {
		t.Errorf("answered %q, closing: %v", answer, closing)
	}
	tr := &http.Transport{Protocols: new(http.Protocols), DialContext: func(context.Context, string, string) (net.Conn, error) { return two, nil }}
	tr.Protocols.SetUnencryptedHTTP2(true)
	resp, err := (&http.Client{Transport: tr}).Get("http://" + addr)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.ProtoMajor != 2 || resp.StatusCode != http.StatusOK {
		t.Errorf("answered %s %s", resp.Proto, resp.Status)
	}
	tr.CloseIdleConnections()
	if err := drain(); err != nil {
		t.Error(err)
	}
}

// The timeouts of the http.Server are as good as ever.
func TestAParkedConnectionsTimeEnds(t *testing.T) {
	const bound = 300 * time.Millisecond
	addr, drain := alone(t, pasts, worker.ParkAfter(parkAfter), worker.ConfigureServer(func(s *http.Server) {
		s.ReadHeaderTimeout, s.IdleTimeout = bound, bound
	}))
	begun := time.Now()
	silent, idle := dial(t, addr), kept(t, addr, 1)[0]
	for name, c := range map[string]*client{"silent": silent, "idle": idle} {
		if _, err := c.r.ReadByte(); err != io.EOF || time.Since(begun) < bound {
			t.Errorf("%s: ended after %v with %v", name, time.Since(begun), err)
		}
	}
	awaitParked(t, "self", 0)
	if err := drain(); err != nil {
		t.Error(err)
	}
}

// An empty line behind a request, as old clients send one, begins none.
func TestAnEmptyLineIsNoRequest(t *testing.T) {
	addr, drain := alone(t, pasts, worker.ParkAfter(parkAfter))
	c := kept(t, addr, 1)[0]
	if _, err := io.WriteString(c, "\r\n"); err != nil {
		t.Fatal(err)
	}
	awaitParked(t, "self", 1)
	c.must(t, "/", "")
	if err := drain(); err != nil {
		t.Error(err)
	}
}

// A first request that begins when the time for it is nearly up is not cut in the middle.
func TestAFirstRequestThatBeginsLateIsServed(t *testing.T) {
	t.Parallel()
	const bound = time.Second
	addr, drain := alone(t, pasts, worker.ParkAfter(parkAfter), worker.ConfigureServer(func(s *http.Server) {
		s.ReadHeaderTimeout = bound
	}))
	late := func() (in time.Duration, err error) {
		c := dial(t, addr)
		<-time.After(bound * 8 / 10)
		begun := time.Now()
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHo")
		<-time.After(bound * 4 / 10)
		if _, err := io.WriteString(c, "st: test\r\n\r\n"); err != nil {
			return 0, err
		}
		resp, err := http.ReadResponse(c.r, nil)
		if err == nil && resp.StatusCode != http.StatusOK {
			err = errors.New(resp.Status)
		}
		return time.Since(begun), err
	}
	in, err := late()
	for tries := 0; err != nil && in > bound*8/10 && tries < 5; tries++ {
		in, err = late() // a machine that stood still for so long has shown nothing
	}
	if err != nil {
		t.Error(err)
	}
	if err := drain(); err != nil {
		t.Error(err)
	}
}

// hooked notes what a ConnState hook is told, of all connections.
type hooked struct {
	mu   sync.Mutex
	more *sync.Cond
	of   map[net.Conn][]http.ConnState
}

func (h *hooked) option() worker.Option {
	h.more, h.of = sync.NewCond(&h.mu), map[net.Conn][]http.ConnState{}
	return worker.ConfigureServer(func(s *http.Server) {
		s.ConnState = func(c net.Conn, state http.ConnState) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.of[c] = append(h.of[c], state)
			h.more.Broadcast()
		}
	})
}

// closed waits until the only connection is.
func (h *hooked) closed() []http.ConnState {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		for _, states := range h.of {
			if slices.Contains(states, http.StateClosed) {
				return states
			}
		}
		h.more.Wait()
	}
}

// Hooks are told what is true of a connection, not where it waits; and whoever
// ends it while it is parked, its end.
func TestHooksDoNotSeeParking(t *testing.T) {
	used := []http.ConnState{http.StateNew, http.StateActive, http.StateIdle, http.StateActive, http.StateIdle, http.StateClosed}
	for name, test := range map[string]struct {
		tls  bool
		idle time.Duration
		end  func(c *client, drain func() error) error
	}{
		"the client":           {end: func(c *client, _ func() error) error { return c.Close() }},
		"the client, over TLS": {end: func(c *client, _ func() error) error { return c.Close() }, tls: true},
		"the drain":            {end: func(_ *client, drain func() error) error { return drain() }},
		"the drain, over TLS":  {end: func(_ *client, drain func() error) error { return drain() }, tls: true},
		"its time":             {end: func(*client, func() error) error { return nil }, idle: 500 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			var h hooked
			open, opts := dial, []worker.Option{h.option(), worker.ParkAfter(parkAfter), worker.ConfigureServer(func(s *http.Server) {
				s.IdleTimeout = test.idle
			})}
			if test.tls {
				open, opts = dialTLS, append(opts, withTLS())
			}
			addr, drain := alone(t, pasts, opts...)
			c := open(t, addr)
			c.must(t, "/", "")
			awaitParked(t, "self", 1)
			c.must(t, "/", "")
			awaitParked(t, "self", 1)
			if err := test.end(c, drain); err != nil {
				t.Error(err)
			}
			if got := h.closed(); !slices.Equal(got, used) {
				t.Errorf("told %v, want %v", got, used)
			}
			awaitParked(t, "self", 0)
			if name != "the drain" && name != "the drain, over TLS" {
				if err := drain(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// Whom the bound on connections is for does not matter to it.
func TestParkedConnectionsCount(t *testing.T) {
	addr, drain := alone(t, pasts, worker.ParkAfter(parkAfter), worker.Limit(worker.Limits{Connections: 2}))
	kept(t, addr, 2)
	awaitParked(t, "self", 2)
	if status, _, closing, err := dial(t, addr).get("/"); status != http.StatusServiceUnavailable || !closing || err != nil {
		t.Errorf("one too many: %d, closing: %v, %v", status, closing, err)
	}
	if err := drain(); err != nil {
		t.Error(err)
	}
}

// A user's hook closes what it was told is idle, about the moment in which it is parked.
func TestWhoIsClosedWhileParkingIsClosed(t *testing.T) {
	idle := make(chan net.Conn, 1)
	addr, drain := alone(t, pasts, worker.ParkAfter(time.Millisecond), worker.ConfigureServer(func(s *http.Server) {
		s.ConnState = func(c net.Conn, state http.ConnState) {
			if state == http.StateIdle {
				idle <- c
			}
		}
	}))
	for i := range 50 {
		client := kept(t, addr, 1)[0]
		c := <-idle
		<-time.After(time.Duration(i) * 50 * time.Microsecond) // the shape of the test: before it, within or after
		_ = c.Close()
		if _, err := client.r.ReadByte(); err != io.EOF {
			t.Errorf("a connection that was closed: %v", err)
		}
	}
	if err := drain(); err != nil {
		t.Error(err)
	}
}
