// Package h2raw has the frames of HTTP/2 as bytes: for clients that are tests and know
// nothing of what is allowed. Its HPACK is literals that nobody remembers, which every
// decoder takes; of an answer's header block it knows the status as net/http writes it.
//
//	c := h2raw.New(conn)
//	err := c.Begin()                                        // preface and settings, both ways
//	err = c.Send(h2raw.Request(1, "GET", "/", h2raw.EndStream))
//	f, err := c.Until(h2raw.Headers, 1)
package h2raw

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
)

// The types of frames.
const (
	Data byte = iota
	Headers
	Priority
	RSTStream
	Settings
	PushPromise
	Ping
	GoAway
	WindowUpdate
	Continuation
)

// Flags. Ack is of settings and pings.
const (
	EndStream  = 0x1
	Ack        = 0x1
	EndHeaders = 0x4
)

// Settings.
const (
	HeaderTableSize      = 1
	MaxConcurrentStreams = 3
	InitialWindowSize    = 4
	MaxFrameSize         = 5
	MaxHeaderListSize    = 6
)

// Error codes.
const (
	NoError         = 0
	ProtocolError   = 1
	InternalError   = 2
	RefusedStream   = 7
	EnhanceYourCalm = 11
)

// Preface is what a client begins with, in front of its settings.
const Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// Frame is one frame.
type Frame struct {
	Type, Flags byte
	Stream      uint32
	Payload     []byte
}

// Append adds the frame to b, as it is on the wire.
func (f Frame) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(f.Payload))<<8|uint32(f.Type))
	b = append(b, f.Flags)
	b = binary.BigEndian.AppendUint32(b, f.Stream)
	return append(b, f.Payload...)
}

// Code is the error code of RSTStream, and of GoAway.
func (f Frame) Code() uint32 {
	if f.Type == GoAway {
		return binary.BigEndian.Uint32(f.Payload[4:])
	}
	return binary.BigEndian.Uint32(f.Payload)
}

// Last is the last stream that a GoAway says was or will be served.
func (f Frame) Last() uint32 { return binary.BigEndian.Uint32(f.Payload) }

// OK says whether the frame begins an answer with status 200.
func (f Frame) OK() bool { return f.Type == Headers && len(f.Payload) > 0 && f.Payload[0] == 0x88 }

// Status is that of an answer which the frame begins, to a client that has HeaderTableSize 0
// among its settings: it is then written out, or is one that every encoder knows. 0 is none, or
// one that but for 100 is shorter in Huffman's code, which is not known here.
func (f Frame) Status() int {
	b := f.Payload
	if f.Type != Headers {
		return 0
	}
	if len(b) > 0 && b[0] == 0x20 { // the size of the table, which is said once
		b = b[1:]
	}
	switch { // 8 to 14 are :status in the static table
	case len(b) == 0:
	case 0x88 <= b[0] && b[0] <= 0x8e:
		return [...]int{200, 204, 206, 304, 400, 404, 500}[b[0]-0x88]
	case len(b) >= 4 && string(b[1:4]) == "\x82\x08\x01":
		return 100
	case len(b) >= 5 && 8 <= b[0] && b[0] <= 14 && b[1] == 3:
		n, _ := strconv.Atoi(string(b[2:5])) // 0, if it is none
		return n
	}
	return 0
}

// Set is a frame of settings, from pairs of identifier and value.
func Set(pairs ...uint32) Frame {
	f := Frame{Type: Settings}
	for pair := range slices.Chunk(pairs, 2) {
		f.Payload = binary.BigEndian.AppendUint16(f.Payload, uint16(pair[0]))
		f.Payload = binary.BigEndian.AppendUint32(f.Payload, pair[1])
	}
	return f
}

// Number is a frame whose payload is a number of 32 bits: Reset's code, WindowUpdate's increment.
func Number(kind byte, stream, n uint32) Frame {
	return Frame{Type: kind, Stream: stream, Payload: binary.BigEndian.AppendUint32(nil, n)}
}

// Fields is a header block of names and values.
func Fields(pairs ...string) (block []byte) {
	for pair := range slices.Chunk(pairs, 2) {
		block = append(block, 0)
		for _, s := range pair {
			block = append(integer(block, len(s)), s...)
		}
	}
	return block
}

// integer is HPACK's, with seven bits of prefix.
func integer(b []byte, n int) []byte {
	if n < 127 {
		return append(b, byte(n))
	}
	b = append(b, 127)
	for n -= 127; n >= 128; n >>= 7 {
		b = append(b, byte(n)|128)
	}
	return append(b, byte(n))
}

// Request is a whole header of a request; flags are EndStream or 0.
func Request(stream uint32, method, path string, flags byte, fields ...string) Frame {
	block := Fields(append([]string{":method", method, ":scheme", "http", ":authority", "localhost", ":path", path}, fields...)...)
	return Frame{Type: Headers, Flags: EndHeaders | flags, Stream: stream, Payload: block}
}

// Header is a header block of any length on a stream, in frames that every server takes; flags
// are EndStream or 0.
func Header(stream uint32, flags byte, block []byte) (frames []Frame) {
	for kind := Headers; ; kind = Continuation {
		n := min(len(block), 16<<10)
		frames = append(frames, Frame{Type: kind, Flags: flags, Stream: stream, Payload: block[:n]})
		if block = block[n:]; len(block) == 0 {
			frames[len(frames)-1].Flags |= EndHeaders
			return frames
		}
		flags = 0
	}
}

// Conn is a client's connection.
type Conn struct {
	net.Conn
	r *bufio.Reader
}

// New makes one of a connection on which nothing has been said.
func New(c net.Conn) *Conn { return &Conn{c, bufio.NewReader(c)} }

// Begin sends the preface with the settings, and waits for the server's, which it returns.
func (c *Conn) Begin(settings ...uint32) (map[uint16]uint32, error) {
	if _, err := c.Write(Set(settings...).Append([]byte(Preface))); err != nil {
		return nil, err
	}
	f, err := c.Next()
	if err != nil {
		return nil, err
	}
	if f.Type != Settings || f.Flags != 0 || len(f.Payload)%6 != 0 {
		return nil, fmt.Errorf("the server begins with %+v, and not with settings", f)
	}
	all := map[uint16]uint32{}
	for pair := range slices.Chunk(f.Payload, 6) {
		all[binary.BigEndian.Uint16(pair)] = binary.BigEndian.Uint32(pair[2:])
	}
	return all, c.Send(Frame{Type: Settings, Flags: Ack})
}

// Send writes frames.
func (c *Conn) Send(frames ...Frame) error {
	var b []byte
	for _, f := range frames {
		b = f.Append(b)
	}
	_, err := c.Write(b)
	return err
}

// Next reads one frame.
func (c *Conn) Next() (Frame, error) {
	var head [9]byte
	if _, err := io.ReadFull(c.r, head[:]); err != nil {
		return Frame{}, err
	}
	length := binary.BigEndian.Uint32(head[:]) >> 8
	f := Frame{Type: head[3], Flags: head[4], Stream: binary.BigEndian.Uint32(head[5:]) &^ (1 << 31), Payload: make([]byte, length)}
	_, err := io.ReadFull(c.r, f.Payload)
	return f, err
}

// Until reads up to a frame of that type and stream, and answers pings on the way.
func (c *Conn) Until(kind byte, stream uint32) (Frame, error) {
	for {
		f, err := c.Next()
		switch {
		case err != nil:
			return f, fmt.Errorf("waiting for a frame of type %d on stream %d: %w", kind, stream, err)
		case f.Type == kind && f.Stream == stream:
			return f, nil
		case f.Type == Ping && f.Flags == 0:
			f.Flags = Ack
			if err := c.Send(f); err != nil {
				return f, err
			}
		case f.Type == GoAway, f.Type == RSTStream && f.Stream == stream:
			return f, fmt.Errorf("waiting for a frame of type %d on stream %d: got %+v", kind, stream, f)
		}
	}
}
