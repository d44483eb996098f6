// Package wire has the frames of RFC 6455 as bytes: for clients that are tests. It
// knows nothing of what is allowed, so that it can send all that is not, and shares
// no code with the server.
//
//	conn.Write(wire.Frame(wire.Fin|wire.Text, "hello"))
//	f, err := wire.Read(reader)
//	f.String() // fin text "hello"
package wire

import (
	"bufio"
	"bytes"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// What a frame's first byte is made of.
const (
	Fin  = 0x80
	RSV1 = 0x40
	RSV2 = 0x20
	RSV3 = 0x10

	Cont, Text, Binary = 0x0, 0x1, 0x2
	Close, Ping, Pong  = 0x8, 0x9, 0xa
)

// Frame is a client's frame, masked.
func Frame(first byte, payload string) []byte {
	return Raw(first, len(payload), []byte{0xa1, 0x02, 0xf3, 0x54}, payload)
}

// Raw is a frame of any kind: its length may be a lie, and its mask missing.
func Raw(first byte, length int, mask []byte, payload string) []byte {
	b := make([]byte, 2, 14+len(payload))
	b[0] = first
	switch {
	case length < 126:
		b[1] = byte(length)
	case length <= 0xffff:
		b[1] = 126
		b = binary.BigEndian.AppendUint16(b, uint16(length))
	default:
		b[1] = 127
		b = binary.BigEndian.AppendUint64(b, uint64(length))
	}
	if mask == nil {
		return append(b, payload...)
	}
	b[1] |= 0x80
	b = append(b, mask...)
	head := len(b)
	b = append(b, payload...)
	subtle.XORBytes(b[head:], b[head:], bytes.Repeat(mask, len(payload)/4+1))
	return b
}

// Closing is a close frame.
func Closing(code int, reason string) []byte {
	return Frame(Fin|Close, string(binary.BigEndian.AppendUint16(nil, uint16(code)))+reason)
}

// Received is a frame of the server's.
type Received struct {
	First   byte
	Payload []byte
}

// Read reads one frame. io.EOF: the connection ended before it began. A server must
// not mask.
func Read(r *bufio.Reader) (Received, error) {
	var f Received
	head, err := r.Peek(2)
	if err != nil {
		return f, err
	}
	if f.First = head[0]; head[1]&0x80 != 0 {
		return f, errors.New("the server has masked a frame")
	}
	length, extra := uint64(head[1]&0x7f), 0
	switch length {
	case 126:
		extra = 2
	case 127:
		extra = 8
	}
	if head, err = r.Peek(2 + extra); err != nil {
		return f, unexpected(err)
	}
	switch extra {
	case 2:
		length = uint64(binary.BigEndian.Uint16(head[2:]))
	case 8:
		length = binary.BigEndian.Uint64(head[2:])
	}
	if _, err = r.Discard(2 + extra); err == nil && length > 1<<30 {
		return f, fmt.Errorf("the server announces a frame of %d bytes", length)
	}
	f.Payload = make([]byte, length)
	if _, err = io.ReadFull(r, f.Payload); err != nil {
		return f, unexpected(err)
	}
	return f, nil
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// shown is how much of a payload is shown as it is, in bytes.
const shown = 256

// String is what the frame says, such as `fin text "hello"` or
// `fin close 1000 "bye"`; of a long payload its length and checksum.
func (f Received) String() string {
	said := ""
	if f.First&Fin != 0 {
		said += "fin "
	}
	if rsv := f.First >> 4 & 7; rsv != 0 {
		said += fmt.Sprintf("rsv%03b ", rsv)
	}
	kind := f.First & 0xf
	if kind == Close && len(f.Payload) != 1 {
		if len(f.Payload) == 0 {
			return said + "close"
		}
		return said + fmt.Sprintf("close %d %q", binary.BigEndian.Uint16(f.Payload), f.Payload[2:])
	}
	name, known := map[byte]string{Cont: "cont", Text: "text", Binary: "binary", Close: "close", Ping: "ping", Pong: "pong"}[kind]
	if !known {
		name = fmt.Sprintf("kind %d", kind)
	}
	if len(f.Payload) > shown {
		return said + fmt.Sprintf("%s of %d bytes, %08x", name, len(f.Payload), crc32.ChecksumIEEE(f.Payload))
	}
	return said + fmt.Sprintf("%s %q", name, f.Payload)
}
