package fleet

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

// Version is the version of the layout. What is added goes into the room that
// is left in header and slot; whatever else changes raises it.
const Version = 1

// Slots is how many workers may have a slot at the same time. One more gets
// none, and is a worker that stands alone.
const Slots = 2048

// magic opens every fleet: "tandemfl" read as a little-endian number.
const magic uint64 = 0x6c666d65646e6174

const (
	headerSize = 128
	slotSize   = 128
	size       = int(unsafe.Sizeof(memory{}))
	seals      = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL
)

type memory struct {
	header header
	slots  [Slots]slot
}

type header struct {
	magic    uint64
	version  uint32
	size     uint32
	stopping atomic.Uint32 // the whole service stops
	high     atomic.Uint32 // slots from here on have never been used
	kept     atomic.Uint32 // the queue outlives the supervisor
	_        [headerSize - 28]byte
}

// slot has cache lines of its own: workers that accept do not slow each other.
type slot struct {
	id       atomic.Uint64 // of the worker; 0: free. Written by the supervisor
	kind     atomic.Uint32 // what it serves; 0: not serving, yet or any more
	_        [4]byte
	open     atomic.Int64 // connections, WebSockets among them
	beat     atomic.Int64 // when it last beat, CLOCK_MONOTONIC in nanoseconds
	accepted atomic.Uint64
	passed   atomic.Uint64
	moved    atomic.Uint64
	received atomic.Uint64
	calls    atomic.Uint64
	_        [slotSize - 72]byte
}

// stale is how long a worker that does not beat counts as one that shares the load. It
// is there all the same, until its supervisor says otherwise: on a machine that is
// short of time nobody beats.
const stale = 3 * time.Second

// BeatInterval is how often a worker beats.
const BeatInterval = time.Second

// Fleet is the shared memory. All methods may be called concurrently.
type Fleet struct {
	memory *memory
	mu     sync.Mutex
	fd     int // -1 after Close
}

// Create makes an empty fleet. The caller owns it and calls Close.
func Create() (*Fleet, error) {
	fd, err := unix.MemfdCreate("tandem-fleet", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("create fleet: memfd_create: %w", err)
	}
	f, err := create(fd)
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("create fleet: %w", err)
	}
	return f, nil
}

func create(fd int) (*Fleet, error) {
	if err := unix.Ftruncate(fd, int64(size)); err != nil {
		return nil, fmt.Errorf("set its size to %d bytes: %w", size, err)
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		return nil, fmt.Errorf("seal its size: %w", err)
	}
	f, err := mapped(fd)
	if err != nil {
		return nil, err
	}
	f.begin()
	return f, nil
}

// begin writes what every fleet begins with.
func (f *Fleet) begin() {
	f.memory.header.version, f.memory.header.size = Version, uint32(size)
	f.memory.header.magic = magic
}

// Open maps the fleet that fd names, after checking that it is one, of this
// version and sealed. The fleet owns fd from then on; when Open fails it stays
// the caller's.
func Open(fd int) (*Fleet, error) {
	f, err := open(fd)
	if err != nil {
		return nil, fmt.Errorf("open fleet on fd %d: %w", fd, err)
	}
	unix.CloseOnExec(fd)
	return f, nil
}

func open(fd int) (*Fleet, error) {
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return nil, err
	}
	if stat.Size != int64(size) {
		return nil, fmt.Errorf("it has %d bytes, a fleet has %d", stat.Size, size)
	}
	if got, err := unix.FcntlInt(uintptr(fd), unix.F_GET_SEALS, 0); err != nil {
		return nil, fmt.Errorf("not a memfd: %w", err)
	} else if got&unix.F_SEAL_SHRINK == 0 {
		return nil, errors.New("its size is not sealed")
	}
	f, err := mapped(fd)
	if err != nil {
		return nil, err
	}
	switch h := &f.memory.header; {
	case h.magic != magic:
		err = errors.New("it does not begin like a fleet")
	case h.version != Version:
		err = fmt.Errorf("its layout has version %d, this program reads version %d: run a supervisor and an application of the same release", h.version, Version)
	case int(h.size) != size:
		err = fmt.Errorf("it claims %d bytes and has %d", h.size, size)
	}
	if err != nil {
		f.fd = -1
		return nil, err
	}
	return f, nil
}

func mapped(fd int) (*Fleet, error) {
	mem, err := unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map %d bytes: %w", size, err)
	}
	f := &Fleet{memory: (*memory)(unsafe.Pointer(unsafe.SliceData(mem))), fd: fd}
	runtime.AddCleanup(f, func(mem []byte) { _ = unix.Munmap(mem) }, mem)
	return f, nil
}

// FD is the descriptor to hand to a worker, or to the supervisor's next
// version. It stays the fleet's; -1 after Close. What it leads to begins like a
// fleet, whatever a worker has written there: one must not keep the others, or the
// next version, from opening it.
func (f *Fleet) FD() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.begin()
	return f.fd
}

// Close gives the descriptor back. The memory stays readable. Closing twice is
// nothing.
func (f *Fleet) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	fd := f.fd
	f.fd = -1
	if fd < 0 {
		return nil
	}
	if err := unix.Close(fd); err != nil {
		return os.NewSyscallError("close fleet", err)
	}
	return nil
}

// Claim gives the worker a slot, and reports whether there was one left. The
// supervisor alone calls it, before the worker starts. alive says which workers
// there are (nil: all that have a slot): a slot of nobody is free, whatever a broken worker has written into
// it, and what such a one has made of the header is put right.
func (f *Fleet) Claim(id uint64, alive func(id uint64) bool) bool {
	f.mend()
	for i := range f.memory.slots {
		s := &f.memory.slots[i]
		if owner := s.id.Load(); owner == 0 || alive != nil && !alive(owner) {
			s.clear()
			s.id.Store(id)
			if high := uint32(i + 1); f.memory.header.high.Load() < high {
				f.memory.header.high.Store(high)
			}
			runtime.KeepAlive(f)
			return true
		}
	}
	return false
}

// mend writes what never changes in the header.
func (f *Fleet) mend() {
	h := &f.memory.header
	if h.magic != magic || h.version != Version || int(h.size) != size {
		h.version, h.size, h.magic = Version, uint32(size), magic
	}
	if h.high.Load() > Slots {
		h.high.Store(Slots)
	}
}

// Release takes the slot of a worker that is dead. The supervisor alone calls it.
func (f *Fleet) Release(id uint64) {
	// All of them, whatever a worker has written about how many are used: a slot that
	// is not found here is lost for ever.
	for i := range f.memory.slots {
		if s := &f.memory.slots[i]; s.id.Load() == id {
			s.clear()
			s.id.Store(0)
		}
	}
	runtime.KeepAlive(f)
}

// Stop says that the whole service stops: no worker has anybody to hand a
// connection to. It is said before the first of them is asked to go.
func (f *Fleet) Stop() {
	f.memory.header.stopping.Store(1)
	runtime.KeepAlive(f)
}

// Stopping reports whether Stop has been called, by whatever process.
func (f *Fleet) Stopping() bool {
	stopping := f.memory.header.stopping.Load() != 0
	runtime.KeepAlive(f)
	return stopping
}

// Keep says that somebody keeps the queue over the supervisor's death, for the
// workers of the next one: those of this one can leave connections in it.
func (f *Fleet) Keep() {
	f.memory.header.kept.Store(1)
	runtime.KeepAlive(f)
}

// Kept reports whether Keep has been called, by whatever process.
func (f *Fleet) Kept() bool {
	kept := f.memory.header.kept.Load() != 0
	runtime.KeepAlive(f)
	return kept
}

func (s *slot) clear() {
	s.kind.Store(0)
	s.open.Store(0)
	s.beat.Store(0)
	s.accepted.Store(0)
	s.passed.Store(0)
	s.moved.Store(0)
	s.received.Store(0)
	s.calls.Store(0)
}

// used are the slots that may have an owner.
func (f *Fleet) used() []slot {
	return f.memory.slots[:min(f.memory.header.high.Load(), Slots)]
}

func (f *Fleet) find(id uint64) *slot {
	if id == 0 {
		return nil
	}
	used := f.used()
	for i := range used {
		if used[i].id.Load() == id {
			return &used[i]
		}
	}
	return nil
}

// Worker is what one slot says.
type Worker struct {
	ID          uint64
	Serving     bool // it said so, has not left, and beats
	Connections int64
	AcceptCalls uint64 // accept calls, those in vain among them
	Accepted    uint64 // of these: that gave a connection
	Passed      uint64 // of these: given to a sibling before anything was read
	Moved       uint64 // idle connections given to siblings in a drain
	Received    uint64 // connections taken from siblings
}

// Workers reads all slots. What a broken worker has written is bounded to what
// can be.
func (f *Fleet) Workers() []Worker {
	var all []Worker
	used, now := f.used(), now()
	for i := range used {
		s := &used[i]
		id := s.id.Load()
		if id == 0 {
			continue
		}
		all = append(all, Worker{
			ID: id, Serving: s.serving(now), Connections: max(0, s.open.Load()),
			AcceptCalls: s.calls.Load(), Accepted: s.accepted.Load(),
			Passed: s.passed.Load(), Moved: s.moved.Load(), Received: s.received.Load(),
		})
	}
	runtime.KeepAlive(f)
	return all
}

// serving is false also for one that says it will beat: no clock is ahead of ours.
func (s *slot) serving(now int64) bool {
	beat := s.beat.Load()
	return s.kind.Load() != 0 && beat > now-int64(stale) && beat < now+int64(stale)
}

// now is the same clock in every process of the machine.
func now() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		return 0 // cannot fail for this clock and an address of ours
	}
	return t.Nano()
}
