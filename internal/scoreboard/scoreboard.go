// Package scoreboard is what a worker's supervisor can read about it without
// asking: a few pages of shared memory, written by the worker with atomics and
// mapped by both.
//
// Invariant: a board can be read at any time, while its worker is wedged and
// after it is dead, and no reader or writer ever waits for another. Whatever the
// worker has written, a reader gets bounded, printable text and numbers.
//
// Smallest use:
//
//	board, err := scoreboard.Create()         // supervisor: hands board.FD() to the worker
//	board, err := scoreboard.Open(fd)         // worker
//	r := board.Begin("GET", r.URL.Path, id)   // worker: defer r.End(200)
//	counters := board.Read()                  // supervisor, whenever it likes
//	requests := board.InFlight()
//
// The memory belongs to a sealed memfd: neither side can change its size, so
// that a broken worker cannot make its supervisor fault on a page that is gone.
//
// Boards of other versions, which a supervisor meets after an upgrade in place
// and a worker under an older or newer supervisor, are used as far as their head
// goes: requests, connections and the beat. The rest is not known then.
package scoreboard

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const seals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL

// Counters is what a board said at one moment. The values are read one after
// another, so they may be apart by what happened in between: InFlight and
// Connections may be too small by that, never too large and never negative.
type Counters struct {
	Requests    uint64 // requests begun since the worker started
	InFlight    int64  // requests begun and not ended
	Connections int64  // connections open, WebSockets among them
	Beat        int64  // when the worker last beat, see Now; 0: never

	// Detailed says that the worker writes what follows. It does not when it was
	// built with another version of the layout, and before it has opened the
	// board; all of it is zero then.
	Detailed bool
	Unlisted uint64      // requests that found no room in the list of those in flight, since the start
	ByCode   []CodeCount // requests that have ended; those that are not 0
	Duration Histogram   // of requests that have ended, from the header's arrival to the handler's return
	Permits  []Permits   // of each limiter, in the worker's order
	Parked   int64       // of Connections, those that wait outside of net/http
	Refused  uint64      // connections beyond the worker's bound, since the start
	Pool     Pool        // of all pools of database connections that the worker shows
}

// Board is one worker's page. All methods may be called concurrently.
type Board struct {
	head *head // shared memory, or the heap for Local
	page *page // the same; nil: of another version
	salt uint64
	mu   sync.Mutex
	fd   int // -1 for Local and after Close
}

// Create makes a new board, its counters at zero. The caller owns it and calls
// Close.
func Create() (*Board, error) {
	fd, err := unix.MemfdCreate("tandem-scoreboard", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("create scoreboard: memfd_create: %w", err)
	}
	if err := unix.Ftruncate(fd, int64(pageSize)); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("create scoreboard: set its size to %d bytes: %w", pageSize, err)
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("create scoreboard: seal its size: %w", err)
	}
	board, err := mapped(fd, pageSize)
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("create scoreboard: %w", err)
	}
	board.page = (*page)(unsafe.Pointer(board.head))
	board.page.init()
	return board, nil
}

// Open is the worker's: it maps the board that fd names, after checking that it
// is one and sealed, and says on it what this worker writes. The board owns fd
// from then on (and sets close-on-exec); when Open fails fd stays the caller's.
func Open(fd int) (*Board, error) {
	board, err := Adopt(fd)
	if err == nil && board.page != nil {
		board.head.writer.Store(Version)
	}
	return board, err
}

// Adopt maps a board like [Open], to read it: for a supervisor that was upgraded
// in place, whose predecessor made it.
func Adopt(fd int) (*Board, error) {
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return nil, fmt.Errorf("open scoreboard on fd %d: %w", fd, err)
	}
	if stat.Size < int64(headSize) || stat.Size > maxSize {
		return nil, fmt.Errorf("open scoreboard on fd %d: it has %d bytes, a scoreboard has %d to %d", fd, stat.Size, headSize, maxSize)
	}
	got, err := unix.FcntlInt(uintptr(fd), unix.F_GET_SEALS, 0)
	if err != nil {
		return nil, fmt.Errorf("open scoreboard on fd %d: not a memfd: %w", fd, err)
	}
	if got&unix.F_SEAL_SHRINK == 0 {
		return nil, fmt.Errorf("open scoreboard on fd %d: its size is not sealed", fd)
	}
	board, err := mapped(fd, int(stat.Size))
	if err != nil {
		return nil, fmt.Errorf("open scoreboard on fd %d: %w", fd, err)
	}
	if err := board.head.check(stat.Size); err != nil {
		board.fd = -1
		return nil, fmt.Errorf("open scoreboard on fd %d: %w", fd, err)
	}
	// Decided once, and by the size that the kernel holds: what the page says of
	// itself may change under a hostile worker.
	if board.head.version == Version && stat.Size >= int64(pageSize) {
		board.page = (*page)(unsafe.Pointer(board.head))
	}
	unix.CloseOnExec(fd)
	return board, nil
}

// Local is a board in this process's own memory, for a worker that nobody
// supervises: it counts, and FD is -1.
func Local() *Board {
	p := &page{}
	p.init()
	p.writer.Store(Version)
	return &Board{head: &p.head, page: p, salt: rand.Uint64(), fd: -1}
}

func mapped(fd, size int) (*Board, error) {
	mem, err := unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map %d bytes: %w", size, err)
	}
	board := &Board{head: (*head)(unsafe.Pointer(unsafe.SliceData(mem))), salt: rand.Uint64(), fd: fd}
	// The mapping ends with the last reference and not at Close: whoever still
	// holds a closed board reads old figures instead of faulting.
	runtime.AddCleanup(board, func(mem []byte) { _ = unix.Munmap(mem) }, mem)
	return board, nil
}

// FD is the descriptor to hand to the other side. It stays the board's, it is
// close-on-exec, and it is -1 after Close and for Local.
func (b *Board) FD() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.fd
}

// Close gives the descriptor back. The counters stay readable, and a worker
// that has mapped them goes on writing to them. Closing twice is nothing.
func (b *Board) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	fd := b.fd
	b.fd = -1
	if fd < 0 {
		return nil
	}
	if err := unix.Close(fd); err != nil {
		return os.NewSyscallError("close scoreboard", err)
	}
	return nil
}

// Opened counts a connection that was accepted.
func (b *Board) Opened() { b.head.opened.Add(1); runtime.KeepAlive(b) }

// Closed counts a connection that was closed.
func (b *Board) Closed() { b.head.closed.Add(1); runtime.KeepAlive(b) }

// Beat says that the worker is alive now.
func (b *Board) Beat() { b.head.beat.Store(Now()); runtime.KeepAlive(b) }

// LastBeat is when the worker last beat, see [Now]; 0: never.
func (b *Board) LastBeat() int64 {
	beat := b.head.beat.Load()
	runtime.KeepAlive(b)
	return beat
}

// Brief returns what a board of any version says. It reads five words; who
// needs no more should not have [Board.Read] touch the pages of all codes.
func (b *Board) Brief() Counters {
	defer runtime.KeepAlive(b)
	// The beginning of a pair first: what ends before the other is read makes the
	// difference too small, and never larger than it was.
	begun, opened := b.head.begun.Load(), b.head.opened.Load()
	ended, closed := b.head.ended.Load(), b.head.closed.Load()
	return Counters{
		Requests:    min(begun, exact),
		InFlight:    exactly(int64(begun - ended)),
		Connections: exactly(int64(opened - closed)),
		Beat:        b.head.beat.Load(),
	}
}

// exact is the largest number that every reader of JSON takes for what it is. No
// worker has counted so far; one that says so is broken.
const exact = 1 << 53

func exactly(n int64) int64 { return min(max(0, n), exact) }

// Read returns the counters. It costs no system call and some microseconds.
func (b *Board) Read() Counters {
	defer runtime.KeepAlive(b)
	counters := b.Brief()
	counters.Duration = newHistogram(DurationBounds[:])
	if b.detailed() {
		counters.Detailed = true
		counters.Unlisted = b.page.unlisted.Load()
		counters.ByCode = b.page.byCode()
		counters.Duration.read(b.page.durations.counts[:], &b.page.durations.nanos)
		counters.Permits = b.Permits()
		counters.Refused = b.page.refused.Load()
		counters.Parked, counters.Pool = b.page.resources.read()
	}
	return counters
}

// Durations is how long the requests took that have ended, as in [Counters]; false
// where the worker does not count that.
func (b *Board) Durations() (Histogram, bool) {
	defer runtime.KeepAlive(b)
	if !b.detailed() {
		return Histogram{}, false
	}
	h := newHistogram(DurationBounds[:])
	h.read(b.page.durations.counts[:], &b.page.durations.nanos)
	for i := range h.Counts {
		h.Counts[i] = min(h.Counts[i], exact)
	}
	return h, true
}

func (b *Board) detailed() bool { return b.page != nil && b.head.writer.Load() == Version }

// Idle says that no request is in flight. It errs to false only, while one ends
// at this very moment, so that whoever waits for it looks again after each End.
func (b *Board) Idle() bool {
	ended := b.head.ended.Load()
	idle := b.head.begun.Load() == ended
	runtime.KeepAlive(b)
	return idle
}

// Age is how long ago the worker beat, and false when it never did.
func (c Counters) Age() (time.Duration, bool) {
	if c.Beat == 0 {
		return 0, false
	}
	return age(c.Beat), true
}
