package worker_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tandem-go/tandem/internal/fleet"
	"github.com/tandem-go/tandem/internal/handover"
	"github.com/tandem-go/tandem/internal/notify"
)

// kin is the supervisor's side of what workers share.
type kin struct {
	fleet   *fleet.Fleet
	in, out int
	last    uint64
	also    []int // listening sockets besides the one that each worker is given
}

func newKin(t *testing.T) *kin {
	t.Helper()
	k := &kin{}
	var err error
	if k.fleet, err = fleet.Create(); err != nil {
		t.Fatal(err)
	}
	if k.in, k.out, err = handover.Pair(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.fleet.Close(); _ = unix.Close(k.in); _ = unix.Close(k.out) })
	return k
}

func (k *kin) next(t *testing.T) string {
	t.Helper()
	k.last++
	if !k.fleet.Claim(k.last, nil) {
		t.Fatal("no slot")
	}
	return strconv.FormatUint(k.last, 10)
}

// of is what one worker says of itself.
func (k *kin) of(t *testing.T, p *proc) fleet.Worker {
	t.Helper()
	for _, w := range k.fleet.Workers() {
		if strconv.FormatUint(w.ID, 10) == p.id {
			return w
		}
	}
	t.Fatal("the worker has no slot")
	return fleet.Worker{}
}

// kept are clients that have sent a request each and keep their connections.
func kept(t *testing.T, addr string, n int) []*client {
	t.Helper()
	var all []*client
	for range n {
		c := dial(t, addr)
		c.must(t, "/", "first")
		all = append(all, c)
	}
	return all
}

// stop stops every thread of the worker, and waits until they have stopped:
// until then one may still take a connection along.
func (p *proc) stop(t *testing.T) {
	t.Helper()
	p.signal(t, syscall.SIGSTOP)
	for {
		err := unix.Waitid(unix.P_PID, p.cmd.Process.Pid, nil, unix.WSTOPPED|unix.WNOWAIT, nil)
		if err == nil {
			return
		}
		if err != unix.EINTR {
			t.Fatal(err)
		}
	}
}

func stopping(m notify.Message) bool { return m.Stopping }

// listenUnix makes the shared socket in a directory of its own.
func listenUnix(t *testing.T) (fd int, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "s")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 128); err != nil {
		t.Fatal(err)
	}
	return fd, path
}

// tcpPair is both ends of a connection.
func tcpPair(t *testing.T) (client, server net.Conn, err error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	if client, err = net.Dial("tcp", l.Addr().String()); err != nil {
		return nil, nil, err
	}
	t.Cleanup(func() { _ = client.Close() })
	server, err = l.Accept()
	return client, server, err
}

func pid(answer string) string {
	pid, _, _ := strings.Cut(answer, " ")
	return pid
}

func (p *proc) pid() string { return strconv.Itoa(p.cmd.Process.Pid) }

// TestIdleConnectionsGoToASibling drains a worker under clients that think, one
// of which has sent half a request: all are answered, by the sibling in the end,
// and no answer says that the connection ends.
func TestIdleConnectionsGoToASibling(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			k := newKin(t)
			fd, addr := listen(t)
			if network == "unix" {
				fd, addr = listenUnix(t)
			}
			old := startAmong(t, k, fd, "HEADER=30s") // one request takes as long as the other worker's start
			clients := kept(t, addr, 10)
			slow := clients[0]
			request := "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\nslow"
			if _, err := io.WriteString(slow, request[:1]); err != nil {
				t.Fatal(err)
			}
			fresh := startAmong(t, k, fd, "HEADER=1s")
			old.signal(t, syscall.SIGTERM)
			for _, c := range clients[1:] {
				// By the old one, where that is quicker than the move.
				if _, closing := c.must(t, "/", "second"); closing {
					t.Error("an answer said that the connection ends")
				}
			}
			for i := 1; i < len(request); i++ {
				if _, err := io.WriteString(slow, request[i:i+1]); err != nil {
					t.Fatal(err)
				}
			}
			if _, closing := slow.answered(t); closing {
				t.Error("the answer to a request that had begun said that the connection ends")
			}
			old.code(t, 0)
			<-time.After(1100 * time.Millisecond) // longer than a new connection may be silent
			for _, c := range clients {
				answer, closing := c.must(t, "/past", "")
				if fields := strings.Fields(answer); closing || fields[0] != fresh.pid() || fields[1] != "2" {
					t.Errorf("answered %q (closing: %v), want by %s after 2 requests", answer, closing, fresh.pid())
				}
			}
			if moved := k.of(t, old).Moved; moved < 10 {
				t.Errorf("%d connections were moved, of 10", moved)
			}
		})
	}
}

// TestNobodyToTakeThem: drained as if there were no siblings, and said why, unless all go.
func TestNobodyToTakeThem(t *testing.T) {
	for name, test := range map[string]struct {
		alone func(*kin, *proc)
		said  string // "": nothing is
	}{
		"the last worker":           {func(k *kin, sibling *proc) { k.fleet.Release(2) }, "no sibling is there"},
		"the whole service stops":   {func(k *kin, _ *proc) { k.fleet.Stop() }, ""},
		"a sibling that is foreign": {func(k *kin, _ *proc) { k.fleet.Release(2); k.fleet.Claim(2, nil) }, "no sibling is there"},
		"another protocol":          {func(k *kin, _ *proc) { k.fleet.Member(2).Serve(fleet.Plain) }, "other protocols"},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKin(t)
			fd, addr := listen(t)
			p := startAmong(t, k, fd, "LINGER=10s")
			c := kept(t, addr, 1)[0]
			test.alone(k, startAmong(t, k, fd))
			p.signal(t, syscall.SIGTERM)
			p.until(t, stopping)
			for { // answers may be on their way before the drain has begun
				if answer, closing := c.must(t, "/", "again"); closing {
					if pid(answer) != p.pid() {
						t.Error("answered by another")
					}
					break
				}
			}
			p.code(t, 0)
			if moved := k.of(t, p).Moved; moved != 0 {
				t.Errorf("%d connections were moved to nobody", moved)
			}
			said := strings.Contains(p.stderr.String(), "idle connections are closed")
			if said != (test.said != "") || !strings.Contains(p.stderr.String(), test.said) {
				t.Errorf("it said %q", p.stderr.String())
			}
		})
	}
}

// TestNobodyAndAKeptQueue: nobody to take them may be the supervisor's death, which is seen
// later. Where it was not, it is said when the first of them is closed.
func TestNobodyAndAKeptQueue(t *testing.T) {
	k := newKin(t)
	k.fleet.Keep()
	fd, addr := listen(t)
	p := startAmong(t, k, fd, "LINGER=1ms")
	kept(t, addr, 3)
	p.signal(t, syscall.SIGTERM)
	p.code(t, 0)
	if said := p.stderr.String(); !strings.Contains(said, "idle connections are closed") || !strings.Contains(said, "connections=3") {
		t.Errorf("it said %q", said)
	}
}

// TestOrphansLeaveConnectionsForTheNextOnes: the supervisor dies, and somebody
// keeps the queue. The kernel's signal for its death comes before its channel ends.
func TestOrphansLeaveConnectionsForTheNextOnes(t *testing.T) {
	k := newKin(t)
	k.fleet.Keep()
	fd, addr := listen(t)
	all := []*proc{startAmong(t, k, fd, "LINGER=5s"), startAmong(t, k, fd, "LINGER=5s")}
	clients := kept(t, addr, 10)
	for _, p := range all {
		p.signal(t, syscall.SIGTERM)
		p.until(t, stopping)
	}
	for _, p := range all {
		_ = p.channel.Close()
	}
	for _, p := range all {
		p.code(t, 0)
	}
	next := newKin(t)
	next.in, k.in = k.in, next.in
	next.out, k.out = k.out, next.out
	fresh := startAmong(t, next, fd)
	for _, c := range clients {
		if answer, closing := c.must(t, "/past", ""); closing || !strings.HasPrefix(answer, fresh.pid()+" 1 ") {
			t.Errorf("answered %q (closing: %v), want by %s after one request", answer, closing, fresh.pid())
		}
	}
}

// TestASiblingThatIsShortOfTime has not beaten for so long that nobody counts on it
// any more, as on a machine that is overloaded. It is waited for: clients are served
// meanwhile, and none is told to go.
func TestASiblingThatIsShortOfTime(t *testing.T) {
	k := newKin(t)
	fd, addr := listen(t)
	p := startAmong(t, k, fd, "LINGER=1ms")
	clients := kept(t, addr, 5)
	sibling := startAmong(t, k, fd)
	sibling.stop(t)
	for k.of(t, sibling).Serving {
		<-time.After(10 * time.Millisecond) // the test's own time limit ends it
	}
	p.signal(t, syscall.SIGTERM)
	p.until(t, stopping)
	for k.of(t, p).Moved < uint64(len(clients)) {
		<-time.After(time.Millisecond)
	}
	for _, c := range clients {
		if answer, closing := c.must(t, "/", "meanwhile"); closing || pid(answer) != p.pid() {
			t.Fatalf("answered %q, closing: %v", answer, closing)
		}
	}
	sibling.signal(t, syscall.SIGCONT)
	p.code(t, 0)
	for _, c := range clients {
		if answer, closing := c.must(t, "/", "again"); closing || pid(answer) != sibling.pid() {
			t.Errorf("answered %q, closing: %v", answer, closing)
		}
	}
}

// TestADeadReceiverLeavesTheQueue: what it has not taken is there for others.
func TestADeadReceiverLeavesTheQueue(t *testing.T) {
	k := newKin(t)
	fd, addr := listen(t)
	p := startAmong(t, k, fd, "LINGER=10s")
	clients := kept(t, addr, 5)
	stopped := startAmong(t, k, fd)
	stopped.stop(t)
	p.signal(t, syscall.SIGTERM)
	p.until(t, stopping)
	if err := stopped.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	stopped.wait()
	k.fleet.Release(2)
	startAmong(t, k, fd)
	for _, c := range clients {
		c.must(t, "/", "again") // by either; never by nobody
	}
	p.code(t, 0)
}

// TestTheQueueIsNotTrusted: whatever a sibling puts into it, the worker serves on.
func TestTheQueueIsNotTrusted(t *testing.T) {
	k := newKin(t)
	fd, addr := listen(t)
	p := startAmong(t, k, fd)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close(); _ = w.Close() }()
	put := func(body string, fds ...int) {
		t.Helper()
		if err := unix.Sendmsg(k.out, []byte(body), unix.UnixRights(fds...), nil, 0); err != nil {
			t.Fatal(err)
		}
	}
	put("no record", fd)
	put(`{"v":1,"kind":3}`, int(w.Fd()))
	put(`{"v":1,"kind":3}`, fd) // it listens
	put(`{"v":2,"kind":3}`, fd)
	put(`{"v":1,"kind":3,"remote":"tcp nobody"}`, fd)
	put(`{"v":1,"kind":3}`+strings.Repeat(" ", 2000), fd)
	put(`{"v":1,"kind":3}`, fd, fd, fd)
	if err := unix.Sendmsg(k.out, []byte(`{"v":1}`), nil, nil, 0); err != nil {
		t.Fatal(err)
	}

	// And one that is right, with an address that somebody in between has told.
	a, b, err := tcpPair(t)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := b.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(conn uintptr) {
		put(fmt.Sprintf(`{"v":1,"kind":3,"door":"tcp://%s","requests":41,"idle":1000000,"remote":"tcp 192.0.2.7:4711","later":1}`, addr), int(conn))
	}); err != nil {
		t.Fatal(err)
	}
	_ = b.Close()
	c := &client{a, bufio.NewReader(a)}
	if answer, closing := c.must(t, "/past", ""); closing || answer != p.pid()+" 41 192.0.2.7:4711" {
		t.Errorf("answered %q, closing: %v", answer, closing)
	}
	if answer, _ := kept(t, addr, 1)[0].must(t, "/past", ""); !strings.HasPrefix(answer, p.pid()+" 1 127.0.0.1:") {
		t.Errorf("after all that: %q", answer)
	}
}

// TestStoppedSiblingsDoNotBlockAccepting: balance is not waited for.
func TestStoppedSiblingsDoNotBlockAccepting(t *testing.T) {
	k := newKin(t)
	fd, addr := listen(t)
	p := startAmong(t, k, fd)
	kept(t, addr, 20)
	for range 3 {
		startAmong(t, k, fd).stop(t)
	}
	begin := time.Now()
	for _, c := range kept(t, addr, 20) {
		if answer, _ := c.must(t, "/", "again"); pid(answer) != p.pid() {
			t.Errorf("answered %q", answer)
		}
	}
	if took := time.Since(begin); took > 3*time.Second {
		t.Errorf("20 connections took %v while all siblings with fewer stood still", took)
	}
}
