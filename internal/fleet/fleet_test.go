package fleet

import (
	"math"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// both is the supervisor's fleet and a worker's mapping of the same.
func both(t *testing.T) (supervisor, worker *Fleet) {
	t.Helper()
	supervisor, err := Create()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = supervisor.Close() })
	twin, err := unix.FcntlInt(uintptr(supervisor.FD()), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if worker, err = Open(twin); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = worker.Close() })
	return supervisor, worker
}

func TestWorkersSeeEachOther(t *testing.T) {
	supervisor, worker := both(t)
	if worker.Member(1) != nil || worker.Member(0) != nil {
		t.Fatal("a slot that nobody has claimed")
	}
	for id := uint64(1); id <= 3; id++ {
		if !supervisor.Claim(id, nil) {
			t.Fatal("no slot")
		}
	}
	a, b, other := worker.Member(1), worker.Member(2), worker.Member(3)
	if p := a.Peers(Plain); p.Serving != 0 || p.Mixed {
		t.Errorf("before anybody serves: %+v", p)
	}
	a.Serve(Plain)
	b.Serve(Plain)
	for range 6 {
		b.Opened()
	}
	b.Closed()
	b.Received()
	if p := a.Peers(Plain); p != (Peers{Present: 1, Serving: 1, Connections: 5, Received: 1}) || p.Mean(1) != 3 {
		t.Errorf("of one sibling with 5: %+v, mean %v", p, p.Mean(1))
	}
	other.Serve(Encrypted)
	if p := a.Peers(Plain); !p.Mixed || p.Serving != 1 {
		t.Errorf("with one of another kind: %+v", p)
	}
	b.Leave()
	if p := a.Peers(Plain); p.Serving != 0 || p.Received != 1 {
		t.Errorf("after it left: %+v", p)
	}
	supervisor.Release(2)
	if n := len(supervisor.Workers()); n != 2 {
		t.Errorf("%d workers have slots after one of 3 is gone", n)
	}
	if !supervisor.Claim(4, nil) || worker.Member(4).Connections() != 0 {
		t.Error("a slot that is used again is not as new")
	}
	if worker.Stopping() {
		t.Error("it stops before it is told to")
	}
	supervisor.Stop()
	if !worker.Stopping() {
		t.Error("the worker does not see the stop")
	}
}

func TestASilentSiblingDoesNotServe(t *testing.T) {
	supervisor, worker := both(t)
	supervisor.Claim(1, nil)
	supervisor.Claim(2, nil)
	me, silent := worker.Member(1), worker.Member(2)
	silent.Serve(Plain)
	if me.Peers(Plain).Serving != 1 {
		t.Fatal("it does not serve")
	}
	silent.slot.beat.Store(now() - int64(stale))
	if p := me.Peers(Plain); p.Present != 1 || p.Mixed {
		t.Errorf("it is gone, and has only not beaten: %+v", p)
	}
	if me.Peers(Plain).Serving != 0 || supervisor.Workers()[1].Serving {
		t.Error("it serves although it has not beaten for so long")
	}
	silent.Beat()
	if me.Peers(Plain).Serving != 1 {
		t.Error("it beats and does not serve")
	}
}

// TestLiesAreBounded: whatever a broken worker writes, nobody faults and the sum
// stays one.
func TestLiesAreBounded(t *testing.T) {
	supervisor, worker := both(t)
	supervisor.Claim(1, nil)
	supervisor.Claim(2, nil)
	me, liar := worker.Member(1), worker.Member(2)
	liar.Serve(Plain)
	for _, lie := range []int64{math.MinInt64, -1, math.MaxInt64} {
		liar.slot.open.Store(lie)
		if p := me.Peers(Plain); p.Connections < 0 || p.Mean(0) < 0 {
			t.Errorf("%d is believed: %+v", lie, p)
		}
		if w := supervisor.Workers()[1]; w.Connections < 0 {
			t.Errorf("%d is shown as %d", lie, w.Connections)
		}
	}
	for _, lie := range []int64{math.MinInt64, math.MaxInt64} {
		liar.slot.beat.Store(lie)
		if p := me.Peers(Plain); p.Serving != 0 {
			t.Errorf("it serves, and beat at %d", lie)
		}
	}
	worker.memory.header.high.Store(0)
	supervisor.Release(2)
	supervisor.Claim(3, nil)
	if n := len(supervisor.Workers()); n != 2 {
		t.Errorf("a slot is lost: %d workers", n)
	}
	worker.memory.header.high.Store(math.MaxUint32)
	if n := len(supervisor.Workers()); n != 2 {
		t.Errorf("%d workers", n)
	}
}

func TestFull(t *testing.T) {
	supervisor, _ := both(t)
	for id := uint64(1); id <= Slots; id++ {
		if !supervisor.Claim(id, nil) {
			t.Fatal("no slot for", id)
		}
	}
	if supervisor.Claim(Slots+1, nil) {
		t.Error("one more than there is room for")
	}
	supervisor.Release(7)
	if !supervisor.Claim(Slots+1, nil) {
		t.Error("a slot that was given back is not used")
	}
}

// A worker that writes all over the fleet takes nothing from those that come
// after it.
func TestWhatIsNobodysIsClaimed(t *testing.T) {
	supervisor, worker := both(t)
	supervisor.Claim(1, nil)
	m := worker.memory
	m.header.magic, m.header.version, m.header.size = 1, 77, 3
	m.header.high.Store(math.MaxUint32)
	for i := range m.slots {
		m.slots[i].id.Store(math.MaxUint64 - uint64(i))
		m.slots[i].open.Store(99)
	}
	nobody := func(uint64) bool { return false }
	if !supervisor.Claim(2, nobody) {
		t.Fatal("no slot, though no owner of one is alive")
	}
	twin, err := unix.FcntlInt(uintptr(supervisor.FD()), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	next, err := Open(twin)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = next.Close() })
	if me := next.Member(2); me == nil || me.Connections() != 0 {
		t.Errorf("the next worker's slot: %+v", me)
	}
	if !supervisor.Claim(3, func(id uint64) bool { return id == 2 }) || next.Member(2) == nil || next.Member(3) == nil {
		t.Error("a slot was taken from a worker that is alive")
	}
}

func TestOpenRefuses(t *testing.T) {
	memfd := func(size int64, sealed bool) int {
		fd, err := unix.MemfdCreate("test", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Close(fd) })
		if err := unix.Ftruncate(fd, size); err != nil {
			t.Fatal(err)
		}
		if sealed {
			if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
				t.Fatal(err)
			}
		}
		return fd
	}
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	if err := file.Truncate(int64(size)); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		fd   int
		want string
	}{
		"too small":    {memfd(100, true), "bytes"},
		"not sealed":   {memfd(int64(size), false), "sealed"},
		"not a fleet":  {memfd(int64(size), true), "begin"},
		"not a memfd":  {int(file.Fd()), "memfd"},
		"not open":     {1 << 20, "bad file descriptor"},
		"another's fd": {0, ""},
	} {
		if f, err := Open(tc.fd); f != nil || err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAWorkerCannotCloseTheFleetToOthers: it can write what the fleet begins with.
func TestAWorkerCannotCloseTheFleetToOthers(t *testing.T) {
	supervisor, worker := both(t)
	h := &worker.memory.header
	h.magic, h.version, h.size = 0, 77, 1
	twin, err := unix.FcntlInt(uintptr(supervisor.FD()), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	next, err := Open(twin)
	if err != nil {
		t.Fatal(err)
	}
	_ = next.Close()
}
