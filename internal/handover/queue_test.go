package handover

import (
	"errors"
	"fmt"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// queue is a worker's hold on both ends, and the supervisor's.
func queue(t *testing.T) (q *Queue, in, out int) {
	t.Helper()
	in, out, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(in); _ = unix.Close(out) })
	return worker(t, in, out), in, out
}

func worker(t *testing.T, in, out int) *Queue {
	t.Helper()
	twin := func(fd int) int {
		twin, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		return twin
	}
	q, err := Open(twin(in), twin(out))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close() })
	return q
}

// connection is both ends of one; the server's as a descriptor.
func connection(t *testing.T) (client, server int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fds[0]) })
	return fds[0], fds[1]
}

func TestAConnectionGoesOver(t *testing.T) {
	old, in, out := queue(t)
	fresh := worker(t, in, out)
	if _, _, err := fresh.Receive(); err != ErrEmpty || !fresh.Empty() {
		t.Fatal("a new queue is not empty:", err)
	}
	client, server := connection(t)
	was := Record{Kind: 1, Door: "tcp://127.0.0.1:8000", Requests: 7, Idle: time.Second, Remote: "tcp [2001:db8::1]:4711"}
	if err := old.Send(was, server); err != nil {
		t.Fatal(err)
	}
	_ = unix.Close(server)
	_ = old.Close() // the one that goes is gone
	if err := fresh.Waiting(); err != nil {
		t.Fatal(err)
	}
	got, fd, err := fresh.Receive()
	was.Version = Version
	if err != nil || !reflect.DeepEqual(got, was) {
		t.Fatalf("received %+v, %v; sent was %+v", got, err, was)
	}
	defer unix.Close(fd)
	if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Error("it goes on to children", err)
	}
	if _, err := unix.Write(client, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if n, err := unix.Read(fd, make([]byte, 2)); n != 1 || err != nil {
		t.Error("it does not lead to its client:", n, err)
	}
}

func TestFullIsSaidAndWaitedFor(t *testing.T) {
	q, _, _ := queue(t)
	_, server := connection(t)
	defer unix.Close(server)
	sent := 0
	var err error
	for err == nil {
		if err = q.Send(Record{}, server); err == nil {
			sent++
		}
	}
	if err != ErrFull || sent < 10 {
		t.Fatalf("after %d: %v", sent, err)
	}
	begin := time.Now()
	q.Room(20 * time.Millisecond)
	if took := time.Since(begin); took < 20*time.Millisecond {
		t.Errorf("there is no room, and waiting for it took %v", took)
	}
	room := make(chan struct{})
	go func() { defer close(room); q.Room(time.Minute) }()
	for range sent {
		_, fd, err := q.Receive()
		if err != nil {
			t.Fatal(err)
		}
		_ = unix.Close(fd)
	}
	<-room
	if err := q.Send(Record{}, server); err != nil {
		t.Error("after room was made:", err)
	}
}

func TestWithoutADescriptorItStays(t *testing.T) {
	q, _, _ := queue(t)
	_, server := connection(t)
	defer unix.Close(server)
	if err := q.Send(Record{}, server); err != nil {
		t.Fatal(err)
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	none := unix.Rlimit{Cur: 3, Max: limit.Max}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	_, _, err := q.Receive()
	if e := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); e != nil {
		t.Fatal(e)
	}
	if !errors.Is(err, ErrNoDescriptor) {
		t.Errorf("received without a descriptor to receive it with: %v", err)
	}
	if _, fd, err := q.Receive(); err != nil {
		t.Error("the connection is gone:", err)
	} else {
		_ = unix.Close(fd)
	}
}

func TestCloseEndsWaiting(t *testing.T) {
	q, _, _ := queue(t)
	ended := make(chan error)
	go func() { ended <- q.Waiting() }()
	_ = q.Close()
	if err := <-ended; err == nil {
		t.Error("nothing came, and waiting ended well")
	}
}

func TestOpenRefuses(t *testing.T) {
	client, server := connection(t)
	defer unix.Close(server)
	if q, err := Open(client, server); q != nil || err == nil || !strings.Contains(err.Error(), "type") {
		t.Errorf("streams are taken for a queue: %v", err)
	}
	if q, err := Open(1<<20, server); q != nil || err == nil {
		t.Errorf("a descriptor that is not open: %v", err)
	}
}

func TestAddresses(t *testing.T) {
	for _, a := range []net.Addr{
		&net.TCPAddr{IP: net.IPv4(192, 0, 2, 1).To4(), Port: 80},
		&net.TCPAddr{IP: net.ParseIP("fe80::1"), Port: 1, Zone: "lo"},
	} {
		got, err := ParseAddr(FormatAddr(a))
		if err != nil || got.String() != a.String() {
			t.Errorf("%v became %v, %v", a, got, err)
		}
	}
}

// TestALeapOfTheClock: whatever the clock said, the connection goes over.
func TestALeapOfTheClock(t *testing.T) {
	for _, idle := range []time.Duration{-time.Hour, 1000 * time.Hour} {
		body, err := Record{Idle: idle}.encode()
		if err != nil {
			t.Fatal(err)
		}
		if r, err := decode(body); err != nil || r.Idle < 0 || r.Idle > maxIdle {
			t.Errorf("idle for %v: %v, %v", idle, r.Idle, err)
		}
		if r, err := decode(fmt.Appendf(nil, `{"v":1,"idle":%d}`, idle)); err != nil || r.Idle < 0 || r.Idle > maxIdle {
			t.Errorf("idle for %v, from another sender: %v, %v", idle, r.Idle, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"v":1,"kind":1,"door":"tcp://127.0.0.1:8000","requests":3,"idle":5}`))
	f.Add([]byte(`{"v":1,"remote":"tcp 192.0.2.1:80"}`))
	f.Add([]byte(`{"v":1,"idle":-1}`))
	f.Add([]byte(`{"v":2}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := decode(body)
		if err != nil {
			return
		}
		if r.Version != Version || r.Idle < 0 || r.Idle > maxIdle {
			t.Errorf("%q decoded as %+v", body, r)
		}
		if r.Remote != "" {
			if _, err := ParseAddr(r.Remote); err != nil {
				t.Errorf("%q: %v", body, err)
			}
		}
	})
}

// TestWhatCannotBeSent: a connection that is not there is its own fault; a queue without
// the other end, or closed, is that of all.
func TestWhatCannotBeSent(t *testing.T) {
	in, out, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	q := worker(t, in, out)
	if err := q.Send(Record{Kind: 1}, 1<<20); !errors.Is(err, unix.EBADF) || errors.Is(err, ErrBroken) {
		t.Errorf("of no descriptor: %v", err)
	}
	if err := q.Send(Record{Kind: 1, Door: strings.Repeat("x", maxRecord)}, in); err == nil || errors.Is(err, ErrBroken) {
		t.Errorf("of a record that is too long: %v", err)
	}
	_, conn := connection(t)
	defer unix.Close(conn)
	if err := q.Send(Record{Kind: 1}, conn); err != nil {
		t.Errorf("after these: %v", err)
	}
	_ = q.in.Close()
	_ = unix.Close(in)
	if err := q.Send(Record{Kind: 1}, conn); !errors.Is(err, ErrBroken) {
		t.Errorf("into a queue that nobody can receive from: %v", err)
	}
	_ = q.Close()
	_ = unix.Close(out)
	if err := q.Send(Record{Kind: 1}, conn); !errors.Is(err, ErrBroken) {
		t.Errorf("into a queue that was closed: %v", err)
	}
}
