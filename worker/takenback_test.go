package worker_test

import (
	"bufio"
	"fmt"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long at least a worker that drains lets others take what is in the
// queue.
const patience = 2 * time.Second

// eventually waits for what nothing but the shared memory says, while p lives.
func (k *kin) eventually(t *testing.T, p *proc, so func() bool) {
	t.Helper()
	for !so() {
		select {
		case <-p.exited:
			t.Fatalf("the worker has ended: %s%s", p.output, p.stderr.String())
		case <-time.After(time.Millisecond):
		}
	}
}

// TestTakenBack: a sibling that says it serves, and stands still to the end.
func TestTakenBack(t *testing.T) {
	k := newKin(t)
	fd, addr := listen(t)
	p := startAmong(t, k, fd, "LINGER=10s", "DRAIN=6s")
	clients := kept(t, addr, 5)
	sibling := startAmong(t, k, fd)
	sibling.stop(t)
	p.signal(t, syscall.SIGTERM)
	p.until(t, stopping)
	for _, c := range clients {
		for {
			answer, closing := c.must(t, "/", "again")
			if pid(answer) != p.pid() {
				t.Fatalf("answered %q", answer)
			}
			if closing {
				break
			}
		}
	}
	p.code(t, 0)
	sibling.signal(t, syscall.SIGCONT)
}

// TestPatienceEachTime: what nobody has taken is taken back, and tried again with the
// same patience as the first time. Who takes back at once what it gives away again keeps
// it from its siblings, until it is too late for them.
func TestPatienceEachTime(t *testing.T) {
	k := newKin(t)
	fd, addr := listen(t)
	p := startAmong(t, k, fd, "LINGER=1ms")
	clients := kept(t, addr, 5)
	n := uint64(len(clients))
	sibling := startAmong(t, k, fd)
	sibling.stop(t)
	p.signal(t, syscall.SIGTERM)
	p.until(t, stopping)
	for try := range uint64(2) {
		var before time.Time // when the first of this try was not given yet
		k.eventually(t, p, func() bool {
			now := time.Now()
			if k.of(t, p).Moved > try*n {
				return true
			}
			before = now
			return false
		})
		k.eventually(t, p, func() bool { return k.of(t, p).Received > try*n })
		if after := time.Since(before); after < patience {
			t.Errorf("try %d: taken back %v after it had been given", try+1, after)
		}
		k.eventually(t, p, func() bool { return k.of(t, p).Received >= (try+1)*n })
	}
	sibling.signal(t, syscall.SIGCONT)
	p.code(t, 0)
	for _, c := range clients {
		if answer, closing := c.must(t, "/", "again"); closing || pid(answer) != sibling.pid() {
			t.Errorf("answered %q, closing: %v", answer, closing)
		}
	}
}

// TestTakenInTheMoment: a connection that a worker takes as its drain begins, because it
// had let a sibling go first for a moment, is one like the others: it goes on to a
// sibling, none of them rests for it, and none is taken back for it.
func TestTakenInTheMoment(t *testing.T) {
	k := newKin(t)
	fd, addr := listen(t)
	p := startAmong(t, k, fd, "LINGER=1ms")
	clients := kept(t, addr, 10)
	sibling := startAmong(t, k, fd) // has fewer: what is in the queue is rather its own
	sibling.stop(t)
	a, b, err := tcpPair(t)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := b.(interface {
		SyscallConn() (syscall.RawConn, error)
	}).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	before := time.Now()
	if err := raw.Control(func(conn uintptr) {
		record := fmt.Sprintf(`{"v":1,"kind":3,"door":"tcp://%s","requests":1}`, addr)
		if err := unix.Sendmsg(k.out, []byte(record), unix.UnixRights(int(conn)), nil, 0); err != nil {
			t.Error(err)
		}
		p.signal(t, syscall.SIGTERM)
	}); err != nil {
		t.Fatal(err)
	}
	_ = b.Close()
	clients = append(clients, &client{a, bufio.NewReader(a)})
	// That one may stay in the queue, where it has not been taken by now.
	k.eventually(t, p, func() bool {
		if taken := k.of(t, p).Received; taken > 1 && time.Since(before) < patience {
			t.Fatalf("%d were taken back within %v, before all had been given", taken, time.Since(before))
		}
		return k.of(t, p).Moved >= uint64(len(clients))-1+k.of(t, p).Received
	})
	if took := time.Since(before); k.of(t, p).Received > 1 && took < patience {
		t.Errorf("taken back within %v", took)
	}
	sibling.signal(t, syscall.SIGCONT)
	p.code(t, 0)
	for _, c := range clients {
		if answer, closing := c.must(t, "/", "again"); closing || pid(answer) != sibling.pid() {
			t.Errorf("answered %q, closing: %v", answer, closing)
		}
	}
}
