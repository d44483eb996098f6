package middleware

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"

	"github.com/tandem-go/tandem/internal/coding"
	"github.com/tandem-go/tandem/view"
)

const (
	maxWindow   = 8 << 20 // of zstd, in bytes: RFC 9659
	freeWindow  = 1 << 20 // one that every body may have
	ratioCounts = 1 << 20 // what is decoded before the ratio counts, in bytes
)

// decoder reads what was coded from a source, which it has all of when it is at its end.
// free lets its memory go, or gives it to the next.
type decoder interface {
	io.Reader
	free()
}

// decodedBody is a request's body as it was before it was coded. It is made when it is
// read first, so that a client which waits to be asked for it waits until then. What decoding
// takes is given back at its end, or when the request is over, by whoever reads it still.
type decodedBody struct {
	mu       sync.Mutex // held by who reads
	released atomic.Bool

	sent    io.ReadCloser
	length  int64 // as the client says; -1: it does not
	limit   int64 // of what was sent, in bytes; less than zero: none
	ratio   int64
	windows *budget
	open    func(b *decodedBody) (decoder, error)

	in       *bufio.Reader // the source of dec
	dec      decoder
	taken    int64 // of windows
	read     int64 // of what was sent
	out      int64 // of what it has become
	err      error // how it has ended
	sentFail error // of reading what was sent
}

// Limit bounds what was sent. Package view looks for it.
func (b *decodedBody) Limit(n int64) { b.limit = n }

// Read gives errors that are answers.
func (b *decodedBody) Read(p []byte) (int, error) {
	n, err := b.readLocked(p)
	b.giveBack()
	return n, err
}

func (b *decodedBody) readLocked(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil && b.released.Load() {
		b.err = errReleased
	}
	if b.err == nil && b.dec == nil {
		b.err = b.begin()
	}
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.dec.Read(p)
	b.out += int64(n)
	if b.out > ratioCounts && b.out > b.read*b.ratio {
		err = &view.Error{Status: http.StatusRequestEntityTooLarge, Message: fmt.Sprintf("request body gets more than %d times as long by being decoded", b.ratio)}
	}
	if err != nil && err != io.EOF {
		err = b.answer(err)
	}
	if b.err = err; err != nil {
		b.free()
	}
	return n, err
}

func (b *decodedBody) begin() error {
	if b.limit >= 0 && b.length > b.limit {
		return &http.MaxBytesError{Limit: b.limit}
	}
	b.in = bufio.NewReader(source{b})
	dec, err := b.open(b)
	if err != nil {
		return b.answer(err)
	}
	b.dec = dec
	return nil
}

// answer is the answer to an error: those of reading what was sent are what they were,
// others say that it is not what its encoding says.
func (b *decodedBody) answer(err error) error {
	said := (*view.Error)(nil)
	switch {
	case b.sentFail != nil:
		return b.sentFail
	case errors.As(err, &said):
		return said
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return &view.Error{Status: http.StatusBadRequest, Message: "request body breaks off in the middle of its content encoding", Err: err}
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return &view.Error{Status: http.StatusBadRequest, Message: "request body: a zstd frame has a window that is larger than 8 MiB, or than that of the first frame", Err: err}
	}
	return &view.Error{Status: http.StatusBadRequest, Message: "request body is not what its content encoding says", Err: err}
}

// Close closes what was sent.
func (b *decodedBody) Close() error { return b.sent.Close() }

// release ends it with its request. A view may have handed it to somebody who reads it still,
// as an http.Transport does whose server has answered early: that read gives back what it uses.
func (b *decodedBody) release() {
	b.released.Store(true)
	b.giveBack()
}

// giveBack frees what a released body has taken, unless somebody reads: he does so afterwards.
func (b *decodedBody) giveBack() {
	if b.released.Load() && b.mu.TryLock() {
		defer b.mu.Unlock()
		b.free()
		b.err = errReleased
	}
}

// free gives back what decoding has taken. b.mu is held.
func (b *decodedBody) free() {
	if b.in != nil {
		b.in.Reset(nil) // a decoder that is kept holds on to it
	}
	if b.dec != nil {
		b.dec.free()
		b.dec = nil
	}
	if b.taken > 0 {
		b.windows.give(b.taken)
		b.taken = 0
	}
}

// source is what was sent, counted and bounded.
type source struct{ *decodedBody }

func (s source) Read(p []byte) (int, error) {
	if s.sentFail != nil {
		return 0, s.sentFail
	}
	if left := s.limit - s.read; s.limit >= 0 && int64(len(p))-1 > left {
		p = p[:left+1] // one more, to tell a body of just that size
	}
	n, err := s.sent.Read(p)
	s.read += int64(n)
	if s.limit >= 0 && s.read > s.limit {
		err = &http.MaxBytesError{Limit: s.limit}
	}
	if err != nil && err != io.EOF {
		s.sentFail = err
	}
	return n, err
}

func decoderOf(name string) func(*decodedBody) (decoder, error) {
	switch {
	case coding.Same(name, coding.Gzip):
		return openGzip
	case coding.Same(name, coding.Deflate):
		return openZlib
	case coding.Same(name, coding.Zstd):
		return openZstd
	}
	return nil
}

var gzips, zlibs sync.Pool // of those that have read something

type gzipDecoder struct{ *gzip.Reader }

// openGzip reads members one behind another; what is behind the last is an error.
func openGzip(b *decodedBody) (decoder, error) {
	if z, ok := gzips.Get().(*gzip.Reader); ok {
		return gzipDecoder{z}, z.Reset(b.in)
	}
	z, err := gzip.NewReader(b.in)
	return gzipDecoder{z}, err
}

func (d gzipDecoder) free() { gzips.Put(d.Reader) }

// zlibDecoder is deflate: the zlib format, as RFC 9110, 8.4.1.2 has it.
type zlibDecoder struct {
	io.ReadCloser
	in *bufio.Reader
}

var errBehind = errors.New("there is something behind its end")

func openZlib(b *decodedBody) (decoder, error) {
	if z, ok := zlibs.Get().(io.ReadCloser); ok {
		return zlibDecoder{z, b.in}, z.(zlib.Resetter).Reset(b.in, nil)
	}
	z, err := zlib.NewReader(b.in)
	return zlibDecoder{z, b.in}, err
}

func (d zlibDecoder) Read(p []byte) (int, error) {
	n, err := d.ReadCloser.Read(p)
	if err == io.EOF {
		if _, behind := d.in.ReadByte(); behind == nil {
			err = errBehind
		} else if behind != io.EOF {
			err = behind
		}
	}
	return n, err
}

func (d zlibDecoder) free() { zlibs.Put(d.ReadCloser) }

// zstds are decoders of windows that every body may have.
var zstds = sync.Pool{New: func() any { return newZstd(freeWindow) }}

// newZstd makes a decoder that runs on the reader's goroutine.
func newZstd(window int64) *zstd.Decoder {
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(uint64(window)), zstd.WithDecoderMaxMemory(uint64(window)), zstd.WithDecodeBuffersBelow(0))
	if err != nil {
		panic(err) // of the options
	}
	return z
}

type zstdDecoder struct {
	*zstd.Decoder
	pooled bool
}

// openZstd takes the memory that the first frame asks for before it is allocated. Frames
// behind it must do with as much.
func openZstd(b *decodedBody) (decoder, error) {
	// Fewer bytes may be a whole body.
	head, err := b.in.Peek(zstd.HeaderMaxSize)
	if err != nil && err != io.EOF {
		return nil, err
	}
	var h zstd.Header
	if err := h.Decode(head); err != nil {
		return nil, err
	}
	window := h.WindowSize
	if h.SingleSegment {
		window = h.FrameContentSize
	}
	switch {
	case h.Skippable || window <= freeWindow:
		d := zstdDecoder{zstds.Get().(*zstd.Decoder), true}
		return d, d.Reset(b.in)
	case window > maxWindow:
		return nil, zstd.ErrWindowSizeExceeded
	case !b.windows.take(int64(window)):
		return nil, &view.Error{Status: http.StatusServiceUnavailable, Message: "too many request bodies are being decoded, try again"}
	}
	b.taken = int64(window)
	d := zstdDecoder{newZstd(int64(window)), false}
	return d, d.Reset(b.in)
}

func (d zstdDecoder) free() {
	if d.pooled && d.Reset(nil) == nil {
		zstds.Put(d.Decoder)
		return
	}
	d.Close()
}
