package protocols

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/test/h2raw"
	"github.com/tandem-go/tandem/test/served"
)

// What a flood may cost the worker's process while it goes on: bytes, most of which are the
// race detector's, and goroutines.
const (
	roomForOne       = 192 << 20
	goroutinesForOne = 100 + 20 // the handlers that one connection may have
)

// What no error code says.
const (
	goOn = uint32(1<<31) + iota // the connection lives on
	cut                         // it ends without a GOAWAY, which would queue behind what is not read
	calm                        // it lives on, or the client is told to calm down: a matter of who is faster
)

// flood is what one connection sends until it is stopped, or has sent all.
type flood struct {
	settings []uint32
	send     func(c *h2raw.Conn) error
	deaf     bool   // what is answered is read when all is sent, and not before
	want     uint32 // the GOAWAY's error code; or one of those below
}

// many sends frames n times, some at once, each time with another stream's number if next
// is not 0.
func many(n int, next uint32, frames ...h2raw.Frame) func(c *h2raw.Conn) error {
	return func(c *h2raw.Conn) error {
		for sent := 0; sent < n; sent += 100 {
			var b []h2raw.Frame
			for i := range 100 {
				for _, f := range frames {
					f.Stream += next * uint32(sent+i)
					b = append(b, f)
				}
			}
			if err := c.Send(b...); err != nil {
				return err
			}
		}
		return nil
	}
}

// bomb is a header block of some kilobytes that becomes a thousand times as much: a
// field that is remembered, and repeated by its number.
func bomb(repeated int) []byte {
	block := h2raw.Fields(":method", "GET", ":scheme", "http", ":authority", "localhost", ":path", "/echo")
	entry := h2raw.Fields("x-bomb", strings.Repeat("b", 3900))
	entry[0] = 0x40 // to be remembered
	block = append(block, entry...)
	return append(block, bytes.Repeat([]byte{0x80 | 62}, repeated)...)
}

func floods() map[string]flood {
	stubborn := h2raw.Request(1, "POST", "/stubborn", 0)
	ended := h2raw.Request(1, "GET", "/stubborn", h2raw.EndStream)
	filler := h2raw.Fields("x-filler", strings.Repeat("f", 16<<10-20))
	open := h2raw.Request(1, "GET", "/echo", h2raw.EndStream)
	open.Flags &^= h2raw.EndHeaders
	return map[string]flood{
		"rapid resets": {
			want: h2raw.EnhanceYourCalm,
			send: many(20_000, 2, ended, h2raw.Number(h2raw.RSTStream, 1, 8)),
		},
		"rapid resets of what ends with its request": {
			want: calm,
			send: many(20_000, 2, h2raw.Request(1, "GET", "/events?n=1&hold", h2raw.EndStream), h2raw.Number(h2raw.RSTStream, 1, 8)),
		},
		"streams that are reset for a fault of their own": { // CVE-2025-8671
			want: h2raw.EnhanceYourCalm,
			send: many(20_000, 2, stubborn, h2raw.Number(h2raw.WindowUpdate, 1, 0)),
		},
		"pings that nobody wants answered":    {deaf: true, want: cut, send: many(4_000_000, 0, h2raw.Frame{Type: h2raw.Ping, Payload: make([]byte, 8)})},
		"settings that nobody wants answered": {deaf: true, want: goOn, send: many(200_000, 0, h2raw.Set(h2raw.InitialWindowSize, 1<<16))},
		"pings":                               {want: goOn, send: many(100_000, 0, h2raw.Frame{Type: h2raw.Ping, Payload: make([]byte, 8)})},
		"settings":                            {want: goOn, send: many(50_000, 0, h2raw.Set(h2raw.InitialWindowSize, 1<<16))},
		"priorities":                          {want: goOn, send: many(200_000, 2, h2raw.Frame{Type: h2raw.Priority, Stream: 1, Payload: make([]byte, 5)})},
		"empty DATA": {
			want: goOn,
			send: func(c *h2raw.Conn) error {
				err := c.Send(h2raw.Request(1, "POST", "/echo", 0))
				return errors.Join(err, many(200_000, 0, h2raw.Frame{Type: h2raw.Data, Stream: 1})(c), c.Send(h2raw.Frame{Type: h2raw.Data, Flags: h2raw.EndStream, Stream: 1}))
			},
		},
		"CONTINUATION": { // CVE-2023-45288
			want: h2raw.ProtocolError,
			send: func(c *h2raw.Conn) error {
				err := c.Send(open)
				return errors.Join(err, many(10_000, 0, h2raw.Frame{Type: h2raw.Continuation, Stream: 1, Payload: filler})(c))
			},
		},
		"header lists": {
			want: goOn, // each is answered with 431
			send: many(1000, 2, h2raw.Frame{Type: h2raw.Headers, Flags: h2raw.EndHeaders | h2raw.EndStream, Stream: 1, Payload: bomb(10_000)}),
		},
		"a header list that goes on and on": {
			want: h2raw.ProtocolError,
			send: many(1, 0,
				h2raw.Frame{Type: h2raw.Headers, Flags: h2raw.EndStream, Stream: 1, Payload: bomb(10_000)},
				h2raw.Frame{Type: h2raw.Continuation, Stream: 1, Payload: bomb(10_000)}),
		},
		"windows of a byte": {
			settings: []uint32{h2raw.InitialWindowSize, 1}, want: goOn,
			send: func(c *h2raw.Conn) error {
				err := c.Send(h2raw.Request(1, "GET", "/bytes/1000000", h2raw.EndStream))
				return errors.Join(err, many(20_000, 0, h2raw.Number(h2raw.WindowUpdate, 1, 1))(c), c.Send(h2raw.Number(h2raw.RSTStream, 1, 8)))
			},
		},
		"a window that is none": {want: 3, send: many(2, 0, h2raw.Number(h2raw.WindowUpdate, 0, 1<<31-1))},
		"a frame that is too long": {
			want: 6, // FRAME_SIZE_ERROR, before it has come
			send: func(c *h2raw.Conn) error {
				_, err := c.Write(h2raw.Frame{Type: h2raw.Data, Stream: 1, Payload: make([]byte, 16<<10+1)}.Append(nil)[:9])
				return err
			},
		},
		"a frame out of place": {want: h2raw.ProtocolError, send: many(100, 0, h2raw.Frame{Type: h2raw.Continuation, Stream: 1})},
		"an even stream":       {want: h2raw.ProtocolError, send: many(100, 0, h2raw.Request(2, "GET", "/echo", h2raw.EndStream))},
	}
}

// A flood is stopped with a GOAWAY, or goes on and gets nowhere: others are served, and
// the worker grows no more than one connection may make it.
func TestFloodsOfHTTP2(t *testing.T) {
	for _, mode := range []served.Mode{served.Clear, served.TLS} {
		t.Run(string(mode), func(t *testing.T) {
			for name, f := range floods() {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					f.hold(t, served.Start(t, mode))
				})
			}
		})
	}
}

func (f flood) hold(t *testing.T, s *served.Server) {
	c := speak(t, s, f.settings...)
	base, before := goroutines(t, s), s.Resident(t)
	beside(t, s, func() {
		heard := make(chan error, 1)
		if !f.deaf {
			go func() { heard <- f.listen(c) }()
		}
		err := f.send(c)
		if f.want == cut && err == nil {
			t.Error("all of it was taken of a client that reads nothing")
		}
		if f.want != cut && err == nil {
			err = c.Send(h2raw.Frame{Type: h2raw.Ping, Payload: last})
		}
		if f.want == goOn && err != nil {
			t.Errorf("it was not taken to its end: %v", err)
		}
		if n := goroutines(t, s); n > base+goroutinesForOne {
			t.Errorf("%d goroutines, %d before", n, base)
		}
		if f.deaf {
			heard <- f.listen(c)
		}
		if err := <-heard; err != nil {
			t.Error(err)
		}
	})
	if by := s.Resident(t) - before; by > roomForOne {
		t.Errorf("the worker has grown by %d MiB", by>>20)
	}
}

// last is the ping behind a flood.
var last = []byte("the last")

// listen reads until the connection has ended as it is to, or has outlived the flood.
func (f flood) listen(c *h2raw.Conn) error {
	for {
		got, err := c.Next()
		switch {
		case err != nil && f.want == cut && !errors.Is(err, os.ErrDeadlineExceeded):
			return nil
		case err != nil:
			return fmt.Errorf("the connection ended without a GOAWAY: %w", err)
		case got.Type == h2raw.GoAway:
			if code := got.Code(); code != f.want && (f.want != calm || code != h2raw.EnhanceYourCalm) {
				return fmt.Errorf("GOAWAY with code %d, %q; want %d", code, got.Payload[8:], f.want)
			}
			for err == nil { // and ends
				_, err = c.Next()
			}
			if errors.Is(err, os.ErrDeadlineExceeded) {
				return fmt.Errorf("the connection did not end after its GOAWAY: %w", err)
			}
			return nil
		case got.Type == h2raw.Ping && bytes.Equal(got.Payload, last):
			if f.want != goOn && f.want != calm {
				return errors.New("it went on")
			}
			return nil
		}
	}
}
