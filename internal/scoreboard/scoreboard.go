// Package scoreboard is what a worker's supervisor can read about it without
// asking: one page of shared memory, written by the worker with atomics and
// mapped by both.
//
// Invariant: a board can be read at any time, while its worker is wedged and
// after it is dead, and no reader or writer ever waits for another.
//
// Smallest use:
//
//	board, err := scoreboard.Create() // supervisor: hands board.FD() to the worker
//	board, err := scoreboard.Open(fd) // worker: board.Begin(); defer board.End()
//	counters := board.Read()          // supervisor, whenever it likes
//
// The memory belongs to a sealed memfd: neither side can change its size, so
// that a broken worker cannot make its supervisor fault on a page that is gone.
package scoreboard

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Version is the version of the layout. Fields are only ever added behind the
// ones that are there, with a larger size; whatever else changes raises it.
const Version = 1

// magic opens every board: "tandemsb" read as a little-endian number.
const magic uint64 = 0x62736d65646e6174

const (
	cacheLine = 64
	pageSize  = int(unsafe.Sizeof(page{}))
	maxSize   = 1 << 20
	seals     = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL
)

// page is the layout of version 1. Every counter has a cache line of its own:
// cores that begin requests do not slow down cores that end them.
type page struct {
	magic   uint64
	version uint32
	size    uint32
	_       [cacheLine - 16]byte

	begun  atomic.Uint64
	_      [cacheLine - 8]byte
	ended  atomic.Uint64
	_      [cacheLine - 8]byte
	opened atomic.Uint64
	_      [cacheLine - 8]byte
	closed atomic.Uint64
	_      [cacheLine - 8]byte
	beat   atomic.Int64
	_      [cacheLine - 8]byte
}

// Counters is what a board said at one moment. The values are read one after
// another, so they may be apart by what happened in between: InFlight and
// Connections may be too small by that, never too large and never negative.
type Counters struct {
	Requests    uint64 // requests begun since the worker started
	InFlight    int64  // requests begun and not ended
	Connections int64  // connections open, WebSockets among them
	Beat        int64  // when the worker last beat, see Now; 0: never
}

// Board is one worker's page. All methods may be called concurrently.
type Board struct {
	page *page // shared memory, or the heap for Local
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
	board.page.version, board.page.size = Version, uint32(pageSize)
	board.page.magic = magic
	return board, nil
}

// Open maps the board that fd names, after checking that it is one, of this
// version and sealed. The board owns fd from then on (and sets close-on-exec);
// when Open fails fd stays the caller's.
func Open(fd int) (*Board, error) {
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return nil, fmt.Errorf("open scoreboard on fd %d: %w", fd, err)
	}
	if stat.Size < int64(pageSize) || stat.Size > maxSize {
		return nil, fmt.Errorf("open scoreboard on fd %d: it has %d bytes, a scoreboard has %d to %d", fd, stat.Size, pageSize, maxSize)
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
	if err := board.page.check(stat.Size); err != nil {
		board.fd = -1
		return nil, fmt.Errorf("open scoreboard on fd %d: %w", fd, err)
	}
	unix.CloseOnExec(fd)
	return board, nil
}

// Local is a board in this process's own memory, for a worker that nobody
// supervises: it counts, and FD is -1.
func Local() *Board {
	return &Board{page: &page{magic: magic, version: Version, size: uint32(pageSize)}, fd: -1}
}

func (p *page) check(size int64) error {
	switch {
	case p.magic != magic:
		return errors.New("it does not begin like a scoreboard")
	case p.version != Version:
		return fmt.Errorf("its layout has version %d, this program reads version %d: run a supervisor and an application of the same release", p.version, Version)
	case int64(p.size) > size || int(p.size) < pageSize:
		return fmt.Errorf("it claims %d bytes and has %d", p.size, size)
	}
	return nil
}

func mapped(fd, size int) (*Board, error) {
	mem, err := unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map %d bytes: %w", size, err)
	}
	board := &Board{page: (*page)(unsafe.Pointer(unsafe.SliceData(mem))), fd: fd}
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

// Begin counts a request that begins: one atomic add.
func (b *Board) Begin() { b.page.begun.Add(1); runtime.KeepAlive(b) }

// End counts a request that ends: one atomic add.
func (b *Board) End() { b.page.ended.Add(1); runtime.KeepAlive(b) }

// Opened counts a connection that was accepted.
func (b *Board) Opened() { b.page.opened.Add(1); runtime.KeepAlive(b) }

// Closed counts a connection that was closed.
func (b *Board) Closed() { b.page.closed.Add(1); runtime.KeepAlive(b) }

// Beat says that the worker is alive now.
func (b *Board) Beat() { b.page.beat.Store(Now()); runtime.KeepAlive(b) }

// Read returns the counters. It costs no system call.
func (b *Board) Read() Counters {
	// The beginning of a pair first: what ends before the other is read makes the
	// difference too small, and never larger than it was.
	begun, opened := b.page.begun.Load(), b.page.opened.Load()
	ended, closed := b.page.ended.Load(), b.page.closed.Load()
	counters := Counters{
		Requests:    begun,
		InFlight:    max(0, int64(begun-ended)),
		Connections: max(0, int64(opened-closed)),
		Beat:        b.page.beat.Load(),
	}
	runtime.KeepAlive(b)
	return counters
}

// Idle says that no request is in flight. It errs to false only, while one ends
// at this very moment, so that whoever waits for it looks again after each End.
func (b *Board) Idle() bool {
	ended := b.page.ended.Load()
	idle := b.page.begun.Load() == ended
	runtime.KeepAlive(b)
	return idle
}

// Now is the clock of Beat: CLOCK_MONOTONIC in nanoseconds, the same in every
// process of the machine, and untouched when somebody sets the time.
func Now() int64 {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return 0 // cannot fail for this clock and an address of ours
	}
	return now.Nano()
}

// Age is how long ago the worker beat, and false when it never did.
func (c Counters) Age() (time.Duration, bool) {
	if c.Beat == 0 {
		return 0, false
	}
	return time.Duration(Now() - c.Beat), true
}
