package http1

import (
	"fmt"
	"math"
)

// Limits bound what a client can send. Lengths are in octets and exact: what is as
// long as the limit passes. A zero value means the default; see [Limits.Complete].
type Limits struct {
	// RequestLine bounds the request line without its CRLF. Default 16 KiB; beyond
	// it the answer is 414. RFC 9112 3 wants 8000 at least.
	RequestLine int
	// HeaderLine bounds one field line, of the header or the trailer, without its
	// CRLF. Default 16 KiB; 431.
	HeaderLine int
	// HeaderBytes bounds all field lines of a header with their CRLFs. Default 64 KiB;
	// 431.
	HeaderBytes int
	// Headers bounds how many field lines a header has. Default 128; 431.
	Headers int
	// TrailerBytes bounds all field lines of a trailer with their CRLFs. Default
	// and maximum 4094: net/http reads a trailer, with the empty line that ends it,
	// into a buffer of 4 KiB. 431.
	TrailerBytes int
	// Trailers bounds how many field lines a trailer has. Default 32; 431.
	Trailers int
	// ChunkLine bounds the line before a chunk without its CRLF. Default 1 KiB, at
	// most 4094, which is net/http's own. 400.
	ChunkLine int
	// ChunkExtensions bounds all chunk extensions of a body together. Default 8 KiB,
	// at most 16382, beyond which net/http may give the body up. 400.
	ChunkExtensions int
	// Body bounds a body; a chunked one counts without its framing. Default: none;
	// 413.
	Body int64
	// H2C lets the preface of HTTP/2 pass at the beginning of a connection, and ends
	// the guarding there.
	H2C bool
}

// defaults are what a zero value of each means.
var defaults = Limits{
	RequestLine: 16 << 10, HeaderLine: 16 << 10, HeaderBytes: 64 << 10, Headers: 128,
	TrailerBytes: 4<<10 - 2, Trailers: 32, ChunkLine: 1 << 10, ChunkExtensions: 8 << 10,
	Body: math.MaxInt64,
}

// DefaultLimits are the default of each limit. HTTP/2's preface is refused.
func DefaultLimits() Limits { return defaults }

// Complete puts the default in place of what is zero. It is an error if a limit is
// negative, or more than can be kept to.
func (l Limits) Complete() (Limits, error) {
	for _, f := range []struct {
		name          string
		value         *int
		standard, max int
	}{
		{"RequestLine", &l.RequestLine, defaults.RequestLine, 1 << 20},
		{"HeaderLine", &l.HeaderLine, defaults.HeaderLine, 1 << 20},
		{"HeaderBytes", &l.HeaderBytes, defaults.HeaderBytes, 16 << 20},
		{"HeaderFields", &l.Headers, defaults.Headers, math.MaxInt16 - 1},
		{"TrailerBytes", &l.TrailerBytes, defaults.TrailerBytes, defaults.TrailerBytes},
		{"Trailers", &l.Trailers, defaults.Trailers, math.MaxInt16 - 1},
		{"ChunkLine", &l.ChunkLine, defaults.ChunkLine, 4<<10 - 2},
		{"ChunkExtensions", &l.ChunkExtensions, defaults.ChunkExtensions, 16<<10 - 2},
	} {
		if *f.value < 0 || *f.value > f.max {
			return l, fmt.Errorf("http1: limit %s is %d, which is not between 1 and %d (0: the default, %d)", f.name, *f.value, f.max, f.standard)
		}
		if *f.value == 0 {
			*f.value = f.standard
		}
	}
	if l.Body < 0 {
		return l, fmt.Errorf("http1: limit Body is %d octets, which is less than 0 (0: none)", l.Body)
	}
	if l.Body == 0 {
		l.Body = defaults.Body
	}
	return l, nil
}

// bounds are the guard's limits.
func (g *Guard) bounds() *Limits {
	if g.limits == nil {
		return &defaults
	}
	return g.limits
}
