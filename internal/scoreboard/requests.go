package scoreboard

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math/bits"
	"path"
	"runtime"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Request is one request in flight, as its worker told it. The text is
// printable, and bounded; what was cut ends with "…".
type Request struct {
	Method string        `json:"method"`
	Route  string        `json:"route"` // the matched pattern; without one the path
	ID     string        `json:"request_id"`
	Age    time.Duration `json:"-"`
	Serial uint64        `json:"-"` // the worker's requests are numbered from 1

	Matched bool `json:"-"` // Route is a pattern, and no path
}

// Slot is a request that has begun, on the worker's side.
type Slot struct {
	board  *Board
	serial uint64
	start  int64
	index  int32 // of the slot; -1: there was none
	method uint8
}

// sizes says how long the texts of a slot are, one byte each from the lowest on:
// method, path, route, id. A length beyond the room means that the text was cut.
// madeID says that the id is two numbers.
const (
	pathShift  = 8
	routeShift = 16
	idShift    = 24
	madeID     = uint64(1) << 32
)

// Begin lists and counts a request that begins. An empty id is replaced by one
// of the board's own making, see [Slot.ID]. It allocates nothing. The Slot is
// ended by exactly one call of [Slot.End].
func (b *Board) Begin(method, path, id string) Slot {
	s := Slot{board: b, serial: b.head.begun.Add(1), start: Now(), index: -1, method: methodIndex(method)}
	if b.page == nil {
		return s
	}
	s.index = b.page.take(s.start)
	if s.index < 0 {
		b.page.unlisted.Add(1)
		return s
	}
	sl := &b.page.slots[s.index]
	sl.start.set(uint64(s.start))
	put(sl.method[:], method)
	put(sl.path[:], path)
	sizes := size(method) | size(path)<<pathShift
	if id == "" {
		sl.id[0].set(b.salt)
		sl.id[1].set(s.serial)
		sizes |= madeID
	} else {
		put(sl.id[:], id)
		sizes |= size(id) << idShift
	}
	sl.sizes.Store(sizes)
	sl.serial.Store(s.serial)
	runtime.KeepAlive(b)
	return s
}

// Route says which pattern the request has matched, once that is known. It
// counts once; an empty one says nothing.
func (s Slot) Route(pattern string) {
	if s.index < 0 || pattern == "" {
		return
	}
	sl := &s.board.page.slots[s.index]
	sizes := sl.sizes.Load()
	if sizes>>routeShift&0xff != 0 || sl.serial.Load() != s.serial { // told already, or ended
		return
	}
	put(sl.route[:], pattern)
	sl.sizes.Store(sizes | size(pattern)<<routeShift)
	runtime.KeepAlive(s.board)
}

// ID is the id that Begin makes where it is given none.
func (s Slot) ID() string { return madeOf(s.board.salt, s.serial) }

func madeOf(salt, serial uint64) string { return fmt.Sprintf("%016x%016x", salt, serial) }

// End takes a request off the list and counts it by its status code; 0 says that
// there was no answer.
func (s Slot) End(code int) {
	p := s.board.page
	if p != nil {
		p.durations.add(time.Duration(Now() - s.start))
		p.codes[s.method][codeIndex(code)].Add(1)
		if s.index >= 0 {
			p.slots[s.index].serial.Store(0)
			p.busy[s.index/64].bits.And(^(uint64(1) << (s.index % 64)))
		}
	}
	s.board.head.ended.Add(1)
	runtime.KeepAlive(s.board)
}

// take takes a free slot, -1 if there is none. Where it begins to look is as
// good as random, so that cores seldom meet.
func (p *page) take(now int64) int32 {
	first := uint64(now) * 0x9e3779b97f4a7c15 >> 32
	for i := range uint64(slotWords) {
		w := (first + i) % slotWords
		for word := &p.busy[w].bits; ; {
			taken := word.Load()
			free := bits.TrailingZeros64(^taken)
			if free == 64 {
				break
			}
			if word.CompareAndSwap(taken, taken|1<<free) {
				return int32(w*64) + int32(free)
			}
		}
	}
	return -1
}

func size(s string) uint64 { return uint64(min(len(s), 0xff)) }

// put writes as much of s as there is room for. What is behind its end is left.
//
//go:norace
func put(dst []word, s string) {
	for i := range dst {
		if len(s) >= 8 {
			dst[i] = word(uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
				uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56)
			s = s[8:]
			continue
		}
		if len(s) > 0 {
			var w uint64
			for j := range len(s) {
				w |= uint64(s[j]) << (8 * j)
			}
			dst[i] = word(w)
		}
		return
	}
}

// get reads a text of n bytes, fit to be printed.
func get(src []word, n uint64) string {
	room := uint64(len(src)) * 8
	cut := n > room
	n = min(n, room)
	var store [idRoom + 8]byte // idRoom is the largest room
	raw := store[:0]
	for i := range src {
		if uint64(len(raw)) >= n {
			break
		}
		raw = binary.LittleEndian.AppendUint64(raw, src[i].load())
	}
	raw = raw[:n]
	if cut {
		for len(raw) > 0 && !utf8.Valid(raw[max(0, len(raw)-utf8.UTFMax):]) && !utf8.RuneStart(raw[len(raw)-1]) {
			raw = raw[:len(raw)-1] // the rest of a rune that was cut
		}
	}
	s := printable(string(raw))
	if cut {
		s += "…"
	}
	return s
}

// printable replaces what has no business in a log line or on a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, s)
}

// InFlight lists the requests in flight, the oldest first, at most [MaxRequests].
// Those that begin or end meanwhile may be missing.
func (b *Board) InFlight() []Request {
	defer runtime.KeepAlive(b)
	if !b.detailed() {
		return nil
	}
	var out []Request
	now := Now() // one for all: it is what they are ordered by
	for w := range b.page.busy {
		for taken := b.page.busy[w].bits.Load(); taken != 0; taken &= taken - 1 {
			if r, ok := b.page.slots[w*64+bits.TrailingZeros64(taken)].read(now); ok {
				out = append(out, r)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Request) int { return cmp.Compare(b.Age, a.Age) })
	return out
}

// Oldest lists those requests in flight that have been so for longest, the oldest
// first, at most n. Unlike [Board.InFlight] it reads the texts of these alone, so
// that looking often costs little however many there are.
func (b *Board) Oldest(n int) []Request {
	defer runtime.KeepAlive(b)
	if !b.detailed() || n <= 0 {
		return nil
	}
	type candidate struct {
		start int64
		slot  *slot
	}
	oldest := make([]candidate, 0, n+1) // ascending by start
	for w := range b.page.busy {
		for taken := b.page.busy[w].bits.Load(); taken != 0; taken &= taken - 1 {
			c := candidate{slot: &b.page.slots[w*64+bits.TrailingZeros64(taken)]}
			if c.slot.serial.Load() == 0 {
				continue // it begins or ends at this moment
			}
			c.start = int64(c.slot.start.load())
			if len(oldest) == n && c.start >= oldest[n-1].start {
				continue
			}
			at := len(oldest)
			for at > 0 && oldest[at-1].start > c.start {
				at--
			}
			oldest = slices.Insert(oldest, at, c)
			oldest = oldest[:min(len(oldest), n)]
		}
	}
	var out []Request
	now := Now()
	for _, c := range oldest {
		if r, ok := c.slot.read(now); ok {
			out = append(out, r)
		}
	}
	// A slot may have changed hands since it was chosen.
	slices.SortStableFunc(out, func(a, b Request) int { return cmp.Compare(b.Age, a.Age) })
	return out
}

// read reads a slot, if it holds one request from beginning to end. A slot that
// changes hands so quickly that it cannot be read holds none worth telling of.
func (s *slot) read(now int64) (Request, bool) {
	for range 3 {
		serial := s.serial.Load()
		if serial == 0 {
			return Request{}, false
		}
		sizes := s.sizes.Load()
		r := Request{
			Method: get(s.method[:], sizes&0xff),
			Age:    ageAt(now, int64(s.start.load())),
			Serial: serial,
		}
		if n := sizes >> routeShift & 0xff; n > 0 {
			r.Route, r.Matched = get(s.route[:], n), true
		} else if r.Route = get(s.path[:], sizes>>pathShift&0xff); r.Route != "" {
			r.Route = path.Clean(r.Route)
		}
		if sizes&madeID != 0 {
			r.ID = madeOf(s.id[0].load(), s.id[1].load())
		} else {
			r.ID = get(s.id[:], sizes>>idShift&0xff)
		}
		if s.serial.Load() == serial {
			return r, true
		}
	}
	return Request{}, false
}
