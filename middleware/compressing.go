package middleware

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzhttp/writer/gzkp"
	"github.com/klauspost/compress/gzhttp/writer/zstdkp"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/tandem-go/tandem/internal/coding"
)

// compressing is the writer of an answer that may be compressed. It keeps the header,
// and up to min bytes of the body, until it is clear whether it is.
type compressing struct {
	http.ResponseWriter
	coding   string // what the client prefers
	anything bool   // whatever the size and the type
	head     bool
	asked    http.Header
	min      int
	buffers  *sync.Pool // of *[]byte

	status  int // 0: none was said
	buf     *[]byte
	size    int // of what was written, for HEAD
	settled state
	enc     encoder // nil until there is something to compress
}

type state uint8

const (
	undecided state = iota
	plain
	coded
	hijacked // by its handler
)

// encoder compresses. Close ends the encoding and gives the encoder to the next.
type encoder interface {
	io.WriteCloser
	Flush() error
}

// Unwrap lets http.ResponseController reach deadlines and full duplex.
func (z *compressing) Unwrap() http.ResponseWriter { return z.ResponseWriter }

// WriteHeader keeps the status until the header is sent.
func (z *compressing) WriteHeader(code int) {
	switch {
	case code < 200 && code != http.StatusSwitchingProtocols, z.settled != undecided:
		z.ResponseWriter.WriteHeader(code) // not the answer, or one too many, which net/http says
	case z.status == 0:
		z.status = code
		if !z.mayCode() && !z.head {
			z.settle(plain, nil)
		}
	}
}

// mayCode says whether, by what is known of the header, the answer may be compressed.
func (z *compressing) mayCode() bool {
	if z.coding == coding.Identity {
		return false
	}
	switch z.status {
	case http.StatusSwitchingProtocols, http.StatusNoContent, http.StatusPartialContent, http.StatusNotModified:
		return false
	}
	h := z.Header()
	if len(h[unmarked]) > 0 || h.Get("Content-Encoding") != "" || h.Get("Content-Range") != "" || noTransform(h["Cache-Control"]) {
		return false
	}
	if z.anything {
		return true
	}
	if kinds, said := h["Content-Type"]; said && (len(kinds) == 0 || !coding.Compressible(kinds[0])) {
		return false
	}
	n, known := z.length()
	return !known || n >= z.min
}

// length is the body's length, if the header says it.
func (z *compressing) length() (int, bool) {
	n, err := strconv.Atoi(z.Header().Get("Content-Length"))
	return n, err == nil && n >= 0
}

// noTransform says whether the answer is to reach the client as it is (RFC 9111, 5.2.2.6).
func noTransform(lines []string) bool {
	for _, line := range lines {
		for directive := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.Trim(directive, " \t"), "no-transform") {
				return true
			}
		}
	}
	return false
}

// settle decides, and sends the header. The body begins with begin.
func (z *compressing) settle(s state, begin []byte) {
	if s == coded && !z.typed(begin) {
		s = plain
	}
	z.settled = s
	h := z.Header()
	h["Vary"] = coding.Vary(h["Vary"])
	delete(h, unmarked)
	switch {
	case s == coded:
		changed(h)
		if !z.head {
			h["Content-Encoding"] = []string{z.coding}
		}
	case z.status == http.StatusNotModified && z.coding != coding.Identity && !hasStrong(z.asked["If-None-Match"], h.Get("Etag")):
		weaken(h) // the client may have it compressed
	}
	if z.status != 0 {
		z.ResponseWriter.WriteHeader(z.status)
	}
}

// typed says whether the body is of a type to be compressed. A type that was not said
// is what net/http would take it for: of the compressed bytes it could not tell.
func (z *compressing) typed(begin []byte) bool {
	h := z.Header()
	if _, said := h["Content-Type"]; said {
		return true
	}
	if len(begin) == 0 {
		return false
	}
	kind := http.DetectContentType(begin)
	if !z.anything && !coding.Compressible(kind) {
		return false
	}
	h["Content-Type"] = []string{kind}
	return true
}

// changed takes off an answer what is not true of its compressed bytes.
func changed(h http.Header) {
	for _, key := range []string{"Content-Length", "Accept-Ranges", "Content-Digest", "Repr-Digest", "Digest", "Content-Md5"} {
		delete(h, key)
	}
	weaken(h)
}

// hasStrong says whether the client, by its If-None-Match, has the answer under a strong tag,
// hence not compressed.
func hasStrong(has []string, tag string) bool {
	lines := strings.Join(has, ",")
	return strings.HasPrefix(tag, `"`) && strings.Contains(lines, tag) && !strings.Contains(lines, "W/"+tag)
}

func weaken(h http.Header) {
	if tag := h.Get("Etag"); strings.HasPrefix(tag, `"`) {
		h["Etag"] = []string{"W/" + tag}
	}
}

// Write compresses, or keeps what there is until it is clear whether to.
func (z *compressing) Write(b []byte) (int, error) {
	switch z.settled {
	case plain, hijacked:
		return z.ResponseWriter.Write(b)
	case coded:
		return z.code(b)
	}
	z.size += len(b)
	_, known := z.length()
	trailers := len(z.Header()["Trailer"]) > 0 // they must not be in the header
	switch {
	case !z.mayCode():
		z.settle(plain, nil)
		return z.ResponseWriter.Write(b)
	case z.head: // there is no body: what it would be is decided at its end
		return len(b), nil
	case z.buf == nil && (known || trailers || len(b) >= z.min || z.anything && len(b) > 0):
		z.settle(coded, b)
		return z.Write(b)
	}
	if z.buf == nil {
		z.buf = z.buffers.Get().(*[]byte)
	}
	if len(*z.buf)+len(b) < z.min {
		*z.buf = append(*z.buf, b...)
		return len(b), nil
	}
	begin := len(*z.buf)
	*z.buf = append(*z.buf, b[:min(len(b), z.min-begin)]...)
	z.settle(coded, *z.buf)
	if err := z.flushBuffer(); err != nil {
		return 0, err
	}
	n, err := z.Write(b[min(len(b), z.min-begin):])
	return n + min(len(b), z.min-begin), err
}

// flushBuffer writes what was kept, once it has been decided how.
func (z *compressing) flushBuffer() error {
	if z.buf == nil {
		return nil
	}
	kept := z.buf
	z.buf = nil
	_, err := z.Write(*kept)
	if cap(*kept) <= 2*z.min {
		*kept = (*kept)[:0]
		z.buffers.Put(kept)
	}
	return err
}

// code compresses.
func (z *compressing) code(b []byte) (int, error) {
	if z.head || len(b) == 0 {
		return len(b), nil
	}
	if z.enc == nil {
		z.begin()
	}
	return z.enc.Write(b)
}

func (z *compressing) begin() {
	if z.coding == coding.Zstd {
		z.enc = zstdkp.NewWriter(z.ResponseWriter, int(zstd.SpeedFastest))
	} else {
		z.enc = gzkp.NewWriter(z.ResponseWriter, gzip.DefaultCompression)
	}
}

// ReadFrom lets files go out by sendfile where they are not compressed.
func (z *compressing) ReadFrom(r io.Reader) (int64, error) {
	if z.settled == undecided && !z.mayCode() {
		z.settle(plain, nil)
	}
	if z.settled == plain {
		return io.Copy(z.ResponseWriter, r)
	}
	return io.Copy(struct{ io.Writer }{z}, r)
}

// Flush is http.Flusher's.
func (z *compressing) Flush() { _ = z.FlushError() }

// FlushError sends what was written so far; before the first byte, the header.
func (z *compressing) FlushError() error {
	if z.settled == undecided {
		var begin []byte
		if z.buf != nil {
			begin = *z.buf
		}
		if z.mayCode() {
			z.settle(coded, begin)
		} else {
			z.settle(plain, nil)
		}
		if err := z.flushBuffer(); err != nil {
			return err
		}
	}
	if z.enc != nil {
		if err := z.enc.Flush(); err != nil {
			return err
		}
	}
	return http.NewResponseController(z.ResponseWriter).Flush()
}

// Hijack is http.Hijacker's.
func (z *compressing) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(z.ResponseWriter).Hijack()
	if err == nil {
		z.settled = hijacked
	}
	return conn, rw, err
}

// emptyFrame is zstd's of nothing, which its encoder leaves out.
const emptyFrame = "\x28\xb5\x2f\xfd\x20\x00\x01\x00\x00"

// finish ends the answer. What cannot be sent any more nobody waits for.
func (z *compressing) finish() {
	switch z.settled {
	case undecided:
		s := plain
		if _, known := z.length(); z.head && z.mayCode() && (known || z.size >= z.min || z.anything) {
			s = coded
		}
		z.settle(s, nil)
		_ = z.flushBuffer()
	case coded:
		switch {
		case z.head:
		case z.enc != nil:
			_ = z.enc.Close()
		case z.coding == coding.Zstd: // it was flushed, and had nothing to say
			_, _ = io.WriteString(z.ResponseWriter, emptyFrame)
		default:
			z.begin()
			_ = z.enc.Close()
		}
	}
}
