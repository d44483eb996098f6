package middleware

import (
	"fmt"
	"net/http"
	"sync"

	"github.com/tandem-go/tandem/internal/coding"
	"github.com/tandem-go/tandem/view"
)

// DefaultMinSize is the least body that is worth compressing where nothing else
// is said, in bytes: what is smaller fills one packet either way.
const DefaultMinSize = 1024

// Compression is how [Compress] does it.
type Compression struct {
	// MinSize is the least body that is compressed, in bytes; zero is
	// [DefaultMinSize]. What is flushed before it has so many is compressed too.
	MinSize int
}

// Compress compresses text, JSON, XML, JavaScript, SVG and their like with zstd or
// gzip, whichever the client prefers by its Accept-Encoding, and sets Vary. Left alone
// are small bodies, other types, which are mostly compressed already, what has a
// Content-Encoding, parts (206), what says no-transform in its Cache-Control, and
// what [Uncompressed] marks; size and type count for nothing with a client that
// refuses what is not compressed. A flush flushes the compressor, so each chunk of a
// stream and each event goes out when it is there; a connection that is hijacked is
// not touched. An answer that breaks off does so in the middle of its encoding.
//
// The ETag of a compressed answer is weak: the client has the same, in other bytes. It
// still gets a 304 for it, and no parts. A HEAD request is answered like GET, but with
// neither Content-Encoding nor the length that GET would not have.
//
// The length of a compressed page tells whoever can see it, and can have the page
// show what he chose, about a secret in the same page (BREACH). Answers that show
// both a secret and something of the request should be Uncompressed.
func Compress(c Compression) (view.Middleware, error) {
	if c.MinSize < 0 {
		return view.Middleware{}, fmt.Errorf("compress: a MinSize of %d: give bytes, or 0 for %d", c.MinSize, DefaultMinSize)
	}
	if c.MinSize == 0 {
		c.MinSize = DefaultMinSize
	}
	buffers := &sync.Pool{New: func() any { b := make([]byte, 0, c.MinSize); return &b }}
	return view.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			accept := r.Header["Accept-Encoding"]
			z := &compressing{
				ResponseWriter: w, min: c.MinSize, buffers: buffers, head: r.Method == http.MethodHead, asked: r.Header,
				coding: coding.Choose(accept, coding.Zstd, coding.Gzip),
			}
			z.anything = z.coding != coding.Identity && coding.Refused(accept)
			next.ServeHTTP(z, r)
			z.finish() // not where it has panicked: then the end must be missing
		})
	}).Named("compress"), nil
}

// unmarked is the header by which answers are marked for Compress, which takes it off.
const unmarked = "No-Gzip-Compression"

// Uncompressed returns resp such that [Compress] leaves it alone.
func Uncompressed(resp view.Response) view.Response { return view.WithHeader(resp, unmarked, "1") }
