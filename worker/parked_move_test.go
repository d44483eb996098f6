package worker_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tandem-go/tandem/worker"
)

// TestParkedConnectionsGoToASibling: without a nudge, and they are parked there
// until their clients send something.
func TestParkedConnectionsGoToASibling(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			const n = 40
			k := newKin(t)
			fd, addr := listen(t)
			if network == "unix" {
				fd, addr = listenUnix(t)
			}
			old := startAmong(t, k, fd, "PARK=20ms")
			clients := kept(t, addr, n)
			awaitParked(t, old.pid(), n)
			fresh := startAmong(t, k, fd, "PARK=20ms")
			old.signal(t, syscall.SIGTERM)
			old.code(t, 0)
			awaitParked(t, fresh.pid(), n)
			if w := k.of(t, fresh); w.Connections != n || w.Received != n || k.of(t, old).Moved != n {
				t.Errorf("%d connections, %d received, %d moved, of %d", w.Connections, w.Received, k.of(t, old).Moved, n)
			}
			for i := range 2 {
				for _, c := range clients {
					want := fmt.Sprintf("%s %d ", fresh.pid(), 1+i)
					if answer, closing := c.must(t, "/past", ""); closing || !strings.HasPrefix(answer, want) {
						t.Errorf("answered %q (closing: %v), want %q", answer, closing, want)
					}
				}
				awaitParked(t, fresh.pid(), n)
			}
		})
	}
}

// TestParkedConnectionsAreDrained, where nobody is there to take them: closed
// after the linger, by TERM and at once by INT.
func TestParkedConnectionsAreDrained(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		for _, env := range []string{"TLS=", "TLS=1"} {
			t.Run(fmt.Sprint(signal, " ", env), func(t *testing.T) {
				fd, addr := listen(t)
				p := start(t, fd, "PARK=20ms", "LINGER=50ms", env)
				open := dial
				if env == "TLS=1" {
					open = dialTLS
				}
				clients := []*client{open(t, addr), open(t, addr), open(t, addr)}
				for _, c := range clients[1:] {
					c.must(t, "/", "first")
				}
				awaitParked(t, p.pid(), len(clients))
				p.signal(t, signal)
				p.code(t, 0)
				for _, c := range clients {
					if _, err := c.r.ReadByte(); err != io.EOF {
						t.Error(err)
					}
				}
			})
		}
	}
}

// TestALineThatHasBegunIsReadWhereItWas: of the empty line that old clients send
// after a body one half has come. net/http knows nothing of it, and a sibling would
// take the other half for the beginning of a request.
func TestALineThatHasBegunIsReadWhereItWas(t *testing.T) {
	k := newKin(t)
	fd, addr := listen(t)
	old := startAmong(t, k, fd, "PARK=20ms")
	c := dial(t, addr)
	if _, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nfirst\r"); err != nil {
		t.Fatal(err)
	}
	c.answered(t)
	other := kept(t, addr, 1)[0]
	awaitParked(t, old.pid(), 1) // by then this one would be, too
	startAmong(t, k, fd)
	old.signal(t, syscall.SIGTERM)
	old.until(t, stopping)
	if _, err := io.WriteString(c, "\n"); err != nil {
		t.Fatal(err)
	}
	c.must(t, "/", "second")
	other.must(t, "/", "second")
	old.code(t, 0)
}

// TestNothingIsLostWhileConnectionsAreParked: clients whose pauses are about as
// long as it takes to be parked, through a roll of all workers, again and again.
// They repeat nothing.
func TestNothingIsLostWhileConnectionsAreParked(t *testing.T) {
	const each, clients = 2, 40
	seed := rand.Uint64()
	t.Log("seed ", seed)
	k := newKin(t)
	fd, addr := listen(t)
	env := []string{"PARK=5ms", "LINGER=10s"}
	var old []*proc
	for range each {
		old = append(old, startAmong(t, k, fd, env...))
	}
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(seed, 0))
	l := applyWith(addr, clients, true, func() time.Duration {
		mu.Lock()
		defer mu.Unlock()
		return time.Duration(random.Int64N(int64(12 * time.Millisecond)))
	})
	for range 3 {
		for i, p := range old {
			l.goOn(20 * clients)
			old[i] = startAmong(t, k, fd, env...)
			p.signal(t, syscall.SIGTERM)
			p.code(t, 0)
		}
	}
	l.goOn(20 * clients)
	l.end(t, 100*clients, 4*each)
}

// TestAByteAndTheEndAtTheSameTime: the request of a client that has sent it before
// its time was up is answered, or it finds the connection closed before it has sent
// all; it never has the beginning of an answer, nor waits for ever.
func TestAByteAndTheEndAtTheSameTime(t *testing.T) {
	const bound = 40 * time.Millisecond
	addr, drain := alone(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "yes") }),
		worker.ParkAfter(5*time.Millisecond), worker.ConfigureServer(func(s *http.Server) { s.IdleTimeout = bound }))
	var answered, closed atomic.Int64
	for i := range 40 {
		c := kept(t, addr, 1)[0]
		<-time.After(bound - 5*time.Millisecond + time.Duration(i)*250*time.Microsecond) // the shape of the test
		if err := c.send("GET", "/", ""); err != nil {
			closed.Add(1)
			continue
		}
		switch status, body, _, err := c.receive(); {
		case err == nil && status == http.StatusOK && body == "yes":
			answered.Add(1)
		case err != nil && status == 0 && !isTimeout(err):
			closed.Add(1)
		default:
			t.Errorf("answered %d %q, %v", status, body, err)
		}
	}
	t.Logf("%d answered, %d closed", answered.Load(), closed.Load())
	if err := drain(); err != nil {
		t.Error(err)
	}
}

func isTimeout(err error) bool {
	timeout, ok := err.(net.Error)
	return ok && timeout.Timeout()
}
