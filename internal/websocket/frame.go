package websocket

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// firstBuffer is what is set aside for a message that has only been announced.
const firstBuffer = 4 << 10

// next reads one message, and whatever control frames come before and in it.
func (c *Conn) next() (message, error) {
	h, err := c.dataHeader(false)
	if err != nil {
		return message{}, err
	}
	body := &payload{conn: c}
	if err := body.begin(h); err != nil {
		return message{}, err
	}
	m := message{op: h.OpCode}
	if h.Rsv1() {
		m.payload, err = c.inflate(body, m.op == ws.OpText)
	} else {
		m.payload, err = collect(body, min(h.Length, firstBuffer), c.cfg.ReadLimit, m.op == ws.OpText)
	}
	return m, err
}

// dataHeader reads up to the header of the next data frame. Control frames may
// come before it, also in the middle of a message.
func (c *Conn) dataHeader(fragmented bool) (ws.Header, error) {
	for {
		h, err := c.header(fragmented)
		if err != nil || h.OpCode.IsData() {
			return h, err
		}
		if err := c.answer(h); err != nil {
			return h, err
		}
	}
}

// header reads one frame header and checks all that can be told from it alone.
func (c *Conn) header(fragmented bool) (ws.Header, error) {
	first, err := c.in.Peek(2)
	if err != nil {
		return ws.Header{}, lost(err)
	}
	code := first[1] & 0x7f
	h, err := ws.ReadHeaderBuffer(c.in, c.scratch[:])
	switch {
	case errors.Is(err, ws.ErrHeaderLengthMSB):
		return h, violation(1002, "%v", err)
	case err != nil:
		return h, lost(err)
	case code == 126 && h.Length < 126, code == 127 && h.Length <= 0xffff:
		return h, violation(1002, "payload length not in its shortest form")
	}
	rsv := h.Rsv
	if c.deflate != nil && (h.OpCode == ws.OpText || h.OpCode == ws.OpBinary) {
		h.Rsv = ws.Rsv(false, h.Rsv2(), h.Rsv3()) // the first is permessage-deflate's there
	}
	state := ws.StateServerSide
	if fragmented {
		state = state.Set(ws.StateFragmented)
	}
	if err := ws.CheckHeader(h, state); err != nil {
		return h, violation(1002, "%v", err)
	}
	h.Rsv = rsv
	return h, nil
}

// answer reads a control frame's payload and does what it asks for.
func (c *Conn) answer(h ws.Header) error {
	b, err := c.in.Peek(int(h.Length))
	if err != nil {
		return lost(err)
	}
	defer c.in.Discard(len(b))
	ws.Cipher(b, h.Mask, 0)
	switch h.OpCode {
	case ws.OpPing:
		if err := c.control(ws.OpPong, b); err != nil && !errors.Is(err, ErrClosed) {
			return err
		}
	case ws.OpClose:
		return closeFrame(b)
	}
	return nil
}

// closeFrame is the error that a close frame is.
func closeFrame(b []byte) error {
	if len(b) == 0 {
		return &CloseError{Code: int(ws.StatusNoStatusRcvd)}
	}
	if len(b) == 1 {
		return violation(1002, "close frame with half a code")
	}
	code := int(binary.BigEndian.Uint16(b))
	switch {
	case !sendable(code):
		return violation(1002, "close code %d is not one to be sent", code)
	case !utf8.Valid(b[2:]):
		return violation(1007, "close reason is not UTF-8")
	}
	return &CloseError{Code: code, Reason: string(b[2:])}
}

// sendable says whether a close frame may carry the code: those of IANA's
// registry that are not for local use, those of libraries, and private ones.
func sendable(code int) bool {
	switch {
	case code >= 1000 && code <= 1003, code >= 1007 && code <= 1014, code >= 3000 && code <= 4999:
		return true
	}
	return false
}

// lost is the error of a connection that ended without a close frame.
func lost(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("the WebSocket's connection was lost: %w", err)
}

// payload is the content of a message, unmasked, over all its frames. It is read
// as it comes: a Read returns what there is.
type payload struct {
	conn  *Conn
	frame ws.Header
	off   int   // into the frame
	left  int64 // of the frame
	total int64 // of all frames so far, as announced
	bound int64
}

// begin turns to a frame. A message that is announced to be too long is refused
// before it comes; one that is compressed may be a little longer than its content.
func (p *payload) begin(h ws.Header) error {
	if p.bound == 0 {
		p.bound = p.conn.cfg.ReadLimit
		if h.Rsv1() {
			p.bound += p.bound/1024 + 64
		}
	}
	p.frame, p.off, p.left = h, 0, h.Length
	if p.left > p.bound-p.total {
		return tooLong(p.conn.cfg.ReadLimit)
	}
	p.total += p.left
	return nil
}

func tooLong(limit int64) error { return violation(1009, "message longer than %d bytes", limit) }

// advance goes on to the next frame that has content; io.EOF if none is left.
func (p *payload) advance() error {
	for p.left == 0 {
		if p.frame.Fin {
			return io.EOF
		}
		h, err := p.conn.dataHeader(true)
		if err != nil {
			return err
		}
		if err := p.begin(h); err != nil {
			return err
		}
	}
	return nil
}

func (p *payload) Read(b []byte) (int, error) {
	if err := p.advance(); err != nil || len(b) == 0 {
		return 0, err
	}
	n, err := p.conn.in.Read(b[:min(int64(len(b)), p.left)])
	ws.Cipher(b[:n], p.frame.Mask, p.off)
	p.off += n
	p.left -= int64(n)
	if err != nil {
		err = lost(err)
	}
	return n, err
}

// collect reads all of src. It stops beyond the limit, and at the first byte of a
// text that cannot become UTF-8 whatever follows.
func collect(src io.Reader, hint, limit int64, text bool) ([]byte, error) {
	buf, checked := make([]byte, 0, hint), 0
	for {
		var n int
		var err error
		if len(buf) == cap(buf) {
			if _, err = src.Read(nil); err == nil { // there is more
				buf = append(buf, 0)[:len(buf)]
			}
		}
		if err == nil {
			n, err = src.Read(buf[len(buf):cap(buf)])
			buf = buf[:len(buf)+n]
		}
		if int64(len(buf)) > limit {
			return nil, tooLong(limit)
		}
		if text {
			whole, ok := wholeRunes(buf[checked:])
			if checked += whole; !ok || errors.Is(err, io.EOF) && checked != len(buf) {
				return nil, violation(1007, "text is not UTF-8")
			}
		}
		switch {
		case err == io.EOF: // wrapped, it is the connection's
			return buf, nil
		case err != nil:
			return nil, err
		}
	}
}

// wholeRunes says how much of b, which may end in the middle of a rune, is
// whole; false if that is not UTF-8, or the end cannot become a rune.
func wholeRunes(b []byte) (int, bool) {
	end := len(b)
	for i := end - 1; i >= 0 && i > end-utf8.UTFMax; i-- {
		if utf8.RuneStart(b[i]) {
			if !utf8.FullRune(b[i:]) {
				end = i
			}
			break
		}
	}
	return end, utf8.Valid(b[:end])
}
