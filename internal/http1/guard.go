// Package http1 follows the framing of HTTP/1 requests on a connection as bytes
// pass to net/http, and says what must not pass.
//
// Its invariant: what passes is read by net/http with the same framing, request
// for request and octet for octet, and a request that is refused for its head, or
// for what came of its body together with the head, never reaches a handler.
//
// It does no I/O, starts no goroutine and knows no clock. A connection that reads
// through a [Guard]:
//
//	for {
//		n := guard.Take(b) // what was kept aside and may be judged now
//		if n == 0 {
//			if n, err = socket.Read(b); n == 0 {
//				return 0, err
//			}
//		}
//		pass, refused := guard.Scan(b[:n])
//		if refused != nil {
//			// b[:pass] still goes up; then, with the next read, the answer
//		}
//		if pass > 0 {
//			return pass, nil
//		}
//	}
//
// Requests of HTTP/2, which net/http has read, are held to the same rules by [Limits.Judge].
//
// Who answers a refusal waits for [Guard.Pending] to be 0, or 1 if the refusal is
// InBody: a read that fails before, and be it the single byte that net/http waits for
// beside a handler, ends the context of a request that was in order. After that answer
// nothing may be written: of a line that a read error cuts short net/http says itself
// that it is malformed.
package http1

import "bytes"

// phase is what is expected next.
type phase uint8

const (
	atStart     phase = iota // a request, or an empty line before it
	inBlank                  // the LF of an empty line whose CR was taken out
	requestLine              // the rest of it
	fieldLines               // one more, or the empty line that ends the head
	// From here on the head of the request has been judged.
	inBody    // octets counted by Content-Length
	chunkSize // the line before a chunk
	chunkData // octets of a chunk
	chunkCR   // the CR after these
	chunkLF   // its LF
	trailers  // one more field line, or the empty line that ends the request
	holding   // nothing, until the upgrade is answered
	inPreface // the rest of HTTP/2's preface
	unguarded // whatever may come
)

// What is known of the request at hand.
const (
	version11 uint8 = 1 << iota
	sawHost
	sawLength
	sawChunked
	sawUpgrade    // the field
	wantsUpgrade  // the option of Connection
	isConnect     // the method
	sawOneRequest // on this connection; stays
)

// maxBlanks is how many empty lines may come before a request (RFC 9112 2.2: a
// server should ignore at least one). Old clients send one after a body.
const maxBlanks = 2

// maxHeld is how many octets are kept aside while an upgrade is not answered.
const maxHeld = 4 << 10

// preface is what HTTP/2 begins with where both sides know that it is spoken
// (RFC 9113 3.4). Its first line is judged as a request line.
const (
	prefaceLine = "PRI * HTTP/2.0"
	prefaceRest = "\r\nSM\r\n\r\n"
)

// Guard follows the requests on one connection. The zero value is ready, with the
// default limits. It holds memory only for a line that was split over two reads,
// and for what is kept aside. It is for one goroutine at a time.
type Guard struct {
	limits  *Limits
	refused *Refusal
	spare   *spare // nil: nothing is kept
	left    int64  // octets of the body or the chunk that are still to come; in a head the Content-Length, else 0
	allowed int64  // octets that chunks may still have
	block   int32  // octets of the field lines so far, or of a body's chunk extensions
	pending int32  // requests that passed and were not answered
	fields  int16  // lines of them
	phase   phase
	seen    uint8
	blanks  uint8
}

// spare is what a guard keeps between two reads.
type spare struct {
	line []byte // the beginning of one that is not whole; it has passed
	held []byte // what is kept aside; it has not
}

// New is a guard with limits, which it shares and which must not change any more.
// They are complete: see [Limits.Complete].
func New(limits *Limits) Guard { return Guard{limits: limits} }

// Reset makes it as new.
func (g *Guard) Reset() { *g = Guard{limits: g.limits} }

// AtRest reports whether the framing of the last request has ended and nothing of
// a next one has come: whoever goes on with the connection needs to know nothing
// of what was. An upgrade that is not answered is no rest; of other answers it
// knows nothing, see [Guard.Pending].
func (g *Guard) AtRest() bool { return g.phase == atStart && g.refused == nil && g.spare == nil }

// InHead reports whether the head of a request has begun and is not whole.
func (g *Guard) InHead() bool { return g.phase == requestLine || g.phase == fieldLines }

// Pending is how many requests have passed, in whole or with their head, and have
// not been answered. A refusal is answered when none is left, or only the one whose
// body was refused.
func (g *Guard) Pending() int { return int(g.pending) }

// Answered notes that the oldest of the pending requests was answered, and that
// the connection goes on: it is not hijacked. If that one had asked for an upgrade,
// what was kept aside can be taken now, see [Guard.Take].
func (g *Guard) Answered() {
	g.pending = max(0, g.pending-1)
	if g.pending == 0 && g.phase == holding {
		g.phase = atStart
	}
}

// Release ends the guarding: the connection was hijacked. What was kept aside can
// be taken, and passes, as does all that comes.
func (g *Guard) Release() {
	g.phase = unguarded
	g.keepLine(nil)
}

// Held is how many octets are kept aside. They have not passed.
func (g *Guard) Held() int {
	if g.spare == nil {
		return 0
	}
	return len(g.spare.held)
}

// Waits reports that octets are kept aside until an upgrade is answered. More need not be
// read meanwhile: beyond 4 KiB they are refused.
func (g *Guard) Waits() bool { return g.phase == holding && g.Held() > 0 }

// Take moves octets that were kept aside to b, as if they came from the connection
// now: they are for [Guard.Scan]. It moves none while the upgrade that they follow is
// not answered. All must be taken before more is read.
func (g *Guard) Take(b []byte) int {
	if g.phase == holding || g.phase == inPreface || g.Held() == 0 {
		return 0
	}
	n := copy(b, g.spare.held)
	g.keepHeld(g.spare.held[n:])
	return n
}

// Scan judges the octets that came next. The first pass octets of b may go on to
// net/http; with no refusal the others are none of its business: they were taken
// out (empty lines before a request; b is edited in place) or are kept aside, see
// [Guard.Take]. pass may be 0: then read on.
//
// Octets of a line that is not whole pass, except that nothing passes which would
// complete a head that is refused. Whole requests before it pass. After a refusal
// nothing passes any more, and the refusal stays the same.
//
// After the end of a request that asks for an upgrade, or is a CONNECT, nothing
// passes until [Guard.Answered] has been called for it, or [Guard.Release]: what
// comes may be of the next protocol.
func (g *Guard) Scan(b []byte) (pass int, refused *Refusal) {
	if g.refused != nil {
		return 0, g.refused
	}
	// Of the request at hand: where it begins in b, and whether its head has passed before.
	begin, passed := 0, g.phase >= inBody
	for i := 0; i < len(b); {
		var n int
		var r *Refusal
		switch g.phase {
		case atStart, inBlank:
			begin, passed = i, false
			b, r = g.start(b, i)
		case requestLine, fieldLines, chunkSize, trailers:
			n, r = g.line(b[i:])
		case inBody, chunkData:
			n = g.data(len(b) - i)
		case chunkCR, chunkLF:
			n, r = 1, g.chunkEnd(b[i])
		case holding:
			// What is held already comes before b if it came before.
			if r = g.hold(b[i:], i == 0 && passed); r == nil {
				return i, nil
			}
			begin, passed = i, false
		case inPreface:
			if r = g.preface(b[i:]); r == nil {
				return i, nil
			}
		case unguarded:
			return len(b), nil
		}
		if r != nil {
			return g.refuse(r, i, begin, passed), g.refused
		}
		i += n
	}
	return len(b), nil
}

// refuse notes a refusal of what b[at] begins, and says how much of b passes.
func (g *Guard) refuse(r *Refusal, at, begin int, passed bool) int {
	if !passed {
		if inBody <= g.phase && g.phase < holding {
			g.pending-- // its head does not pass after all
		}
		at = begin
	}
	g.refused = &Refusal{Status: r.Status, Reason: r.Reason, Clause: r.Clause, InBody: passed, Limit: r.Limit}
	g.spare = nil
	return at
}

// start looks at b[i], the first octet of a request or of an empty line before
// one, and takes the latter out of b.
func (g *Guard) start(b []byte, i int) ([]byte, *Refusal) {
	switch c := b[i]; {
	case g.phase == inBlank && c != '\n':
		return b, bareCR
	case g.phase == inBlank:
		if g.blanks++; g.blanks > maxBlanks {
			return b, tooManyBlanks
		}
		g.phase = atStart
	case c == '\r':
		g.phase = inBlank
	case c == '\n':
		return b, bareLF
	case c == 0x16: // a TLS handshake
		return b, isTLS
	case class[c]&token == 0:
		return b, badMethod
	default:
		g.phase, g.blanks = requestLine, 0
		return b, nil
	}
	return append(b[:i], b[i+1:]...), nil
}

// line takes what b has of the next line, and judges it if it is whole.
func (g *Guard) line(b []byte) (n int, r *Refusal) {
	end := bytes.IndexByte(b, '\n')
	line := b
	if end >= 0 {
		line = b[:end]
	}
	if r := g.tooLong(line); r != nil {
		return 0, r
	}
	if end < 0 {
		g.keepLine(append(g.begun(), b...))
		return len(b), nil
	}
	if begun := g.begun(); begun != nil {
		line = append(begun, line...)
		g.keepLine(nil)
	}
	last := len(line) - 1
	if last < 0 || line[last] != '\r' {
		return 0, bareLF
	}
	line = line[:last]
	switch g.phase {
	case requestLine:
		r = g.request(line)
	case fieldLines:
		if len(line) > 0 {
			r = g.field(line)
		} else {
			r = g.endHead()
		}
	case chunkSize:
		r = g.chunk(line)
	case trailers:
		if len(line) > 0 {
			r = g.trailer(line)
		} else {
			g.finish()
		}
	}
	return end + 1, r
}

// tooLong judges the length of a line that begins with what is kept, goes on with
// more and, but for its LF, may end there.
func (g *Guard) tooLong(more []byte) *Refusal {
	begun := g.begun()
	n := len(begun) + len(more)
	if endsInCR(more) || len(more) == 0 && endsInCR(begun) {
		n--
	}
	l := g.bounds()
	switch g.phase {
	case requestLine:
		if n > l.RequestLine {
			if bytes.IndexByte(begun, ' ') < 0 && bytes.IndexByte(more[:min(len(more), l.RequestLine+1-len(begun))], ' ') < 0 {
				return badMethod // all of it
			}
			return longRequestLine
		}
	case fieldLines:
		return tooLongField(n, l.HeaderLine, l.HeaderBytes-int(g.block), longHeaderLine, longHeader)
	case trailers:
		return tooLongField(n, l.HeaderLine, l.TrailerBytes-int(g.block), longTrailerLine, longTrailer)
	case chunkSize:
		if n > l.ChunkLine {
			return longChunkLine
		}
	}
	return nil
}

func endsInCR(b []byte) bool { return len(b) > 0 && b[len(b)-1] == '\r' }

// tooLongField says which of two bounds a field line of n octets crosses first:
// that on a line, or what is left of that on the whole block, line ends included.
func tooLongField(n, line, rest int, longLine, long *Refusal) *Refusal {
	switch rest -= len("\r\n"); {
	case n == 0 || n <= line && n <= rest:
		return nil
	case rest < line:
		return long
	}
	return longLine
}

// data takes as much of n octets as belongs to the body or the chunk at hand.
func (g *Guard) data(n int) int {
	n = int(min(int64(n), g.left))
	if g.left -= int64(n); g.left > 0 {
		return n
	}
	if g.phase == chunkData {
		g.phase = chunkCR
	} else {
		g.finish()
	}
	return n
}

// finish ends the request at hand.
func (g *Guard) finish() {
	const all = version11 | sawUpgrade | wantsUpgrade
	upgrades := g.seen&isConnect != 0 || g.seen&all == all
	g.seen, g.phase = sawOneRequest, atStart
	if upgrades && g.pending > 0 {
		g.phase = holding
	}
}
