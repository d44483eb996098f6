package scoreboard

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

func create(t *testing.T) *Board {
	t.Helper()
	board, err := Create()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := board.Close(); err != nil {
			t.Error(err)
		}
	})
	return board
}

func dup(t *testing.T, fd int) int {
	t.Helper()
	twin, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return twin
}

// The layout is a promise between programs that were built apart.
func TestLayout(t *testing.T) {
	var p page
	for name, at := range map[string][2]uintptr{
		"magic":     {unsafe.Offsetof(p.magic), 0},
		"version":   {unsafe.Offsetof(p.version), 8},
		"size":      {unsafe.Offsetof(p.size), 12},
		"writer":    {unsafe.Offsetof(p.writer), 16},
		"begun":     {unsafe.Offsetof(p.begun), 64},
		"ended":     {unsafe.Offsetof(p.ended), 128},
		"opened":    {unsafe.Offsetof(p.opened), 192},
		"closed":    {unsafe.Offsetof(p.closed), 256},
		"beat":      {unsafe.Offsetof(p.beat), 320},
		"head":      {unsafe.Sizeof(p.head), 384},
		"busy":      {unsafe.Offsetof(p.busy), 384},
		"unlisted":  {unsafe.Offsetof(p.unlisted), 1408},
		"durations": {unsafe.Offsetof(p.durations), 1472},
		"limiters":  {unsafe.Offsetof(p.limiters), 1664},
		"codes":     {unsafe.Offsetof(p.codes), 2688},
		"slots":     {unsafe.Offsetof(p.slots), 42816},
		"one slot":  {unsafe.Sizeof(p.slots[0]), 384},
		"refused":   {unsafe.Offsetof(p.refused), 436032},
		"resources": {unsafe.Offsetof(p.resources), 436096},
		"end":       {unsafe.Sizeof(p), 436160},
	} {
		if at[0] != at[1] {
			t.Errorf("%s is at %d, version %d has it at %d", name, at[0], Version, at[1])
		}
		if name != "magic" && name != "version" && name != "size" && name != "writer" && at[0]%cacheLine != 0 {
			t.Errorf("%s, at %d, does not begin a cache line", name, at[0])
		}
	}
}

func TestBothSidesSeeOnePage(t *testing.T) {
	mine := create(t)
	theirs, err := Open(dup(t, mine.FD()))
	if err != nil {
		t.Fatal(err)
	}
	if _, ever := mine.Read().Age(); ever {
		t.Error("a new board has beaten")
	}
	var writers sync.WaitGroup
	for range 8 {
		writers.Go(func() {
			for range 1000 {
				request := theirs.Begin("GET", "/", "")
				theirs.Opened()
				request.End(200)
				theirs.Closed()
				if c := mine.Read(); c.InFlight < 0 || c.InFlight > 8 || c.Connections < 0 || c.Connections > 8 {
					t.Errorf("impossible counters %+v", c)
				}
			}
			theirs.Begin("GET", "/", "")
			theirs.Opened()
		})
	}
	writers.Wait()
	before := Now()
	theirs.Beat()
	if err := theirs.Close(); err != nil {
		t.Fatal(err)
	}
	got := mine.Read()
	if got.Requests != 8008 || got.InFlight != 8 || got.Connections != 8 || got.Beat < before || got.Beat > Now() {
		t.Errorf("read %+v", got)
	}
	if age, ever := got.Age(); !ever || age < 0 {
		t.Errorf("age %v, %v", age, ever)
	}
}

func TestClosedBoardStaysReadable(t *testing.T) {
	board := create(t)
	board.Begin("GET", "/", "")
	if err := board.Close(); err != nil {
		t.Fatal(err)
	}
	if err := board.Close(); err != nil {
		t.Fatal("second close:", err)
	}
	if got := board.Read(); got.InFlight != 1 || board.FD() != -1 {
		t.Errorf("read %+v, fd %d", got, board.FD())
	}
}

// A worker that could truncate the file would kill its supervisor by SIGBUS.
func TestSizeIsSealed(t *testing.T) {
	board := create(t)
	if err := unix.Ftruncate(board.FD(), 0); err != unix.EPERM {
		t.Errorf("truncate: %v, want EPERM", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	memfd := func(size int, seal int, fill func(p *page)) int {
		fd, err := unix.MemfdCreate("test", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Close(fd) })
		p := &page{}
		p.init()
		if fill != nil {
			fill(p)
		}
		raw := unsafe.Slice((*byte)(unsafe.Pointer(p)), pageSize)
		if _, err := unix.Write(fd, raw); err != nil {
			t.Fatal(err)
		}
		if err := unix.Ftruncate(fd, int64(size)); err != nil {
			t.Fatal(err)
		}
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seal); err != nil {
			t.Fatal(err)
		}
		return fd
	}
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(pipe[0]); _ = unix.Close(pipe[1]) })
	for name, c := range map[string]struct {
		fd   int
		want string
	}{
		"no descriptor": {-1, "bad file descriptor"},
		"a pipe":        {pipe[0], "0 bytes"},
		"no head":       {memfd(headSize-1, seals, nil), "bytes"},
		"too small":     {memfd(pageSize-1, seals, nil), "claims"},
		"too large":     {memfd(maxSize+1, seals, nil), "bytes"},
		"not sealed":    {memfd(pageSize, 0, nil), "not sealed"},
		"another magic": {memfd(pageSize, seals, func(p *page) { p.magic++ }), "does not begin like"},
		"a lie on size": {memfd(pageSize, seals, func(p *page) { p.size++ }), "claims"},
		"half a page":   {memfd(pageSize, seals, func(p *page) { p.size-- }), "version 4 has"},
	} {
		t.Run(name, func(t *testing.T) {
			board, err := Open(c.fd)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("opened %v, error %v; want one that says %q", board, err, c.want)
			}
			if c.fd >= 0 {
				if _, err := unix.FcntlInt(uintptr(c.fd), unix.F_GETFD, 0); err != nil {
					t.Error("the refused descriptor was closed: it is the caller's")
				}
			}
		})
	}
	if board, err := Open(memfd(2*pageSize, seals, func(p *page) { p.size *= 2 })); err != nil {
		t.Error("a larger board of this version is refused:", err)
	} else {
		board.fd = -1 // the descriptor goes with the test's own cleanup
	}
}

// A supervisor that was upgraded in place meets boards that were made before,
// and a worker may be older or newer than its supervisor.
func TestAnotherVersionIsUsedAsFarAsItsHeadGoes(t *testing.T) {
	for name, other := range map[string]struct {
		version uint32
		size    int
	}{
		"older and smaller": {1, headSize}, "the one before": {3, 436032}, "newer and larger": {Version + 1, pageSize + 4096},
	} {
		t.Run(name, func(t *testing.T) {
			size := other.size
			fd, err := unix.MemfdCreate("test", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
			if err != nil {
				t.Fatal(err)
			}
			raw := make([]byte, size)
			p := head{magic: magic, version: other.version, size: uint32(size)}
			copy(raw, unsafe.Slice((*byte)(unsafe.Pointer(&p)), headSize))
			for i := headSize; i < size; i++ {
				raw[i] = 0xa5 // whatever it means, it is not ours to change
			}
			if _, err := unix.Write(fd, raw); err != nil {
				t.Fatal(err)
			}
			if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
				t.Fatal(err)
			}
			theirs, err := Open(dup(t, fd))
			if err != nil {
				t.Fatal(err)
			}
			mine, err := Adopt(fd)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = theirs.Close(); _ = mine.Close() })
			theirs.Beat()
			request := theirs.Begin("GET", "/", "")
			theirs.Begin("GET", "/", "").End(200)
			theirs.SetPermits(0, Sample{Name: "blocking", Limit: 4})
			theirs.SetResources(3, Pool{Pools: 1, Limit: 4})
			theirs.Refused()
			request.Route("GET /{$}")
			got := mine.Read()
			if got.Requests != 2 || got.InFlight != 1 || got.Beat == 0 || got.Detailed || got.ByCode != nil || got.Duration.Count() != 0 {
				t.Errorf("read %+v", got)
			}
			if list := mine.InFlight(); list != nil {
				t.Errorf("listed %+v", list)
			}
			after := make([]byte, size)
			if _, err := unix.Pread(fd, after, 0); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(after[headSize:], raw[headSize:]) {
				t.Error("something was written behind the head")
			}
		})
	}
}

// What nobody has opened yet, or a worker of another version, says nothing of
// requests by code; zero would be a lie.
func TestDetailsAreTheWritersToGive(t *testing.T) {
	mine := create(t)
	if mine.Read().Detailed {
		t.Error("a board that no worker has opened has details")
	}
	theirs, err := Open(dup(t, mine.FD()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = theirs.Close() })
	if !mine.Read().Detailed {
		t.Error("a board that a worker of this version has opened has none")
	}
}

func TestLocal(t *testing.T) {
	board := Local()
	if !board.Idle() {
		t.Error("a new board is not idle")
	}
	board.Begin("GET", "/", "")
	if board.Idle() {
		t.Error("a board with a request in flight is idle")
	}
	if c := board.Read(); c.Requests != 1 || board.FD() != -1 || board.Close() != nil {
		t.Errorf("read %+v, fd %d", c, board.FD())
	}
}
