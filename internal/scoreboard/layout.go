package scoreboard

import (
	"errors"
	"fmt"
	"sync/atomic"
	"unsafe"
)

// Version is the version of the layout. The head is the same in every version;
// whoever maps a board of another version uses the head and nothing behind it.
const Version = 4

// magic opens every board: "tandemsb" read as a little-endian number.
const magic uint64 = 0x62736d65646e6174

const (
	cacheLine = 64
	headSize  = int(unsafe.Sizeof(head{}))
	pageSize  = int(unsafe.Sizeof(page{}))
	maxSize   = 2 << 20 // of a board that a later version may have made
)

// How much a board holds.
const (
	// MaxRequests is how many requests in flight a board lists; those beyond are
	// counted like all others.
	MaxRequests = slotWords * 64
	// MaxLimiters is how many limiters' permits a board tells of.
	MaxLimiters = 4

	slotWords = 16
)

// The room for text in a slot, in bytes. What is longer is cut.
const (
	methodRoom = 16
	pathRoom   = 96
	routeRoom  = 120
	idRoom     = 128
	nameRoom   = 16 // of a limiter
)

// head is the beginning of every board of every version. Every counter has a
// cache line of its own: cores that begin requests do not slow down cores that
// end them.
type head struct {
	magic   uint64
	version uint32
	size    uint32
	writer  atomic.Uint32 // the version that the worker writes; 0: it has not opened the board
	_       [cacheLine - 20]byte

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

// page is the whole of this version.
type page struct {
	head
	busy      [slotWords]busyWord
	unlisted  atomic.Uint64
	_         [cacheLine - 8]byte
	durations durations
	limiters  [MaxLimiters]limiter
	codes     [len(methods)][codeCount]atomic.Uint64
	_         [cacheLine - len(methods)*codeCount*8%cacheLine]byte
	slots     [MaxRequests]slot
	refused   atomic.Uint64 // connections that were turned away
	_         [cacheLine - 8]byte
	resources resources
}

// resources is written by one goroutine of the worker.
type resources struct {
	parked atomic.Int64
	pools  atomic.Int64 // how many pools of database connections the rest is of; 0: of none
	limit  atomic.Int64
	open   atomic.Int64
	inUse  atomic.Int64
	waits  atomic.Uint64
	waited atomic.Int64 // nanoseconds
	_      [cacheLine - 7*8]byte
}

// busyWord says which of 64 slots are taken. It comes before a slot is written
// and goes after it is void, so that a reader need not look at the others.
type busyWord struct {
	bits atomic.Uint64
	_    [cacheLine - 8]byte
}

type durations struct {
	nanos  atomic.Uint64
	counts [len(DurationBounds) + 1]atomic.Uint64
	_      [cacheLine - (len(DurationBounds)+2)*8%cacheLine]byte
}

// limiter is written by one goroutine of the worker.
type limiter struct {
	name     [nameRoom / 8]word
	limit    atomic.Int64
	inUse    atomic.Int64
	queue    atomic.Int64
	starving atomic.Int64 // for so long, in nanoseconds, when it was written; 0: it is not
	rejected atomic.Uint64
	nanos    atomic.Uint64
	counts   [len(WaitBounds) + 1]atomic.Uint64

	abandoned      atomic.Int64 // go on although nobody waits for them
	oldest         atomic.Int64 // for so long, in nanoseconds, when it was written
	abandonedTotal atomic.Uint64
	_              [cacheLine - (len(WaitBounds)+12)*8%cacheLine]byte
}

// slot is one request in flight. Its words are written without atomics, which
// would cost a request more than all the rest, in an order that makes them whole:
// a slot is void (serial 0) from before its busy bit goes until all its words are
// there, and a text comes before the size that says it is there and is never
// changed after. So a reader that finds the same serial before and after has read
// one request. All of it holds under Go's memory model, in which a word is never
// torn and an atomic store publishes what was written before it.
type slot struct {
	serial atomic.Uint64 // of the request, from 1; 0: void
	sizes  atomic.Uint64 // see sizes
	start  word          // by Now
	method [methodRoom / 8]word
	path   [pathRoom / 8]word
	route  [routeRoom / 8]word
	id     [idRoom / 8]word
}

// word is written by its slot's owner alone.
type word uint64

// The race detector cannot know that a read which may meet a write is thrown
// away, see slot.
//
//go:norace
func (w *word) set(v uint64) { *w = word(v) }

func (w *word) load() uint64 { return atomic.LoadUint64((*uint64)(w)) }

func (p *page) init() {
	p.version, p.size, p.magic = Version, uint32(pageSize), magic
}

// check says whether h can be used at all: it is the head of a board, of
// whatever version, that fits into size bytes.
func (h *head) check(size int64) error {
	switch {
	case h.magic != magic:
		return errors.New("it does not begin like a scoreboard")
	case int64(h.size) > size || int(h.size) < headSize:
		return fmt.Errorf("it claims %d bytes and has %d", h.size, size)
	case h.version == Version && int(h.size) < pageSize:
		return fmt.Errorf("it claims %d bytes, version %d has %d", h.size, Version, pageSize)
	}
	return nil
}
