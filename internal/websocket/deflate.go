package websocket

import (
	"bufio"
	"compress/flate"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
)

// compressFrom is the length from which messages are compressed, in bytes.
const compressFrom = 512

// Deflate is what was agreed on of permessage-deflate. Neither side keeps its
// window from one message to the next: that would be 32 KiB and more of each
// idle connection.
type Deflate struct {
	window int // how far back the client lets us refer, in bytes
}

// tail is what every message's last block lacks, and an empty last block behind
// it: the inflater then says of itself that it is at the end.
const tail = "\x00\x00\xff\xff\x01\x00\x00\xff\xff"

// inflater is what a compressed message is read with.
type inflater struct {
	tail  strings.Reader
	in    *bufio.Reader // of body, then tail
	flate io.ReadCloser // of in
	begun bool
}

var inflaters = sync.Pool{New: func() any {
	return &inflater{in: bufio.NewReaderSize(nil, 4<<10), flate: flate.NewReader(nil)}
}}

// inflate reads a compressed message. What it becomes is bounded as it comes, so
// that a bomb is refused for the price of the limit.
func (c *Conn) inflate(body *payload, text bool) ([]byte, error) {
	i := inflaters.Get().(*inflater)
	i.begun = false
	i.tail.Reset(tail)
	i.in.Reset(io.MultiReader(body, &i.tail))
	b, err := collect(i, firstBuffer, c.cfg.ReadLimit, text)
	i.in.Reset(nil)
	inflaters.Put(i)
	var corrupt flate.CorruptInputError
	if err == io.ErrUnexpectedEOF || errors.As(err, &corrupt) { // wrapped, it is the connection's
		err = violation(1007, "compressed message is malformed")
	}
	return b, err
}

// Read inflates its input to the end: a message may hold several deflate streams,
// one after the other.
func (i *inflater) Read(b []byte) (int, error) {
	if !i.begun {
		i.begun = true
		_ = i.flate.(flate.Resetter).Reset(i.in, nil) // never fails
	}
	n, err := i.flate.Read(b)
	if err == io.EOF { // of a stream
		if _, err = i.in.Peek(1); err == nil {
			i.begun = false
		}
	}
	return n, err
}

var deflaters = sync.Pool{New: func() any {
	w, _ := flate.NewWriter(nil, flate.BestSpeed) // the level is valid
	return w
}}

// compress appends p, compressed. No reference goes back further than the client
// has room for: each stretch of that length is compressed by itself.
func (d *Deflate) compress(buf, p []byte) []byte {
	w := deflaters.Get().(*flate.Writer)
	defer deflaters.Put(w)
	out := appender{buf}
	stretch := len(p)
	if d.window < fullWindow {
		stretch = d.window
	}
	for part := range slices.Chunk(p, stretch) {
		w.Reset(&out)
		_, _ = w.Write(part) // an appender's never fail
		_ = w.Flush()
	}
	return out.b[:len(out.b)-4] // less the 00 00 ff ff of the last flush
}
