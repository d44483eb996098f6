package middleware

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/klauspost/compress/gzhttp"

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
// gzip for clients that ask for it, and sets Vary. Left alone are small bodies,
// other types, which are mostly compressed already, what has a Content-Encoding or
// Content-Range, and what [Uncompressed] marks. A flush flushes the compressor,
// so each chunk of a stream and each event goes out when it is there; a connection
// that is hijacked is not touched.
//
// A compressed answer loses its ETag, which was that of other bytes; a view that
// needs it answers Uncompressed.
//
// The length of a compressed page tells whoever can see it, and can have the page
// show what he chose, about a secret in the same page (BREACH). Answers that show
// both a secret and something of the request should be Uncompressed.
func Compress(c Compression) (view.Middleware, error) {
	if c.MinSize == 0 {
		c.MinSize = DefaultMinSize
	}
	wrap, err := gzhttp.NewWrapper(gzhttp.MinSize(c.MinSize), gzhttp.EnableZstd(true),
		gzhttp.ContentTypeFilter(compressible), gzhttp.DropETag())
	if err != nil {
		return view.Middleware{}, fmt.Errorf("compress: %w", err)
	}
	return view.Use(func(next http.Handler) http.Handler { return wrap(next) }).Named("compress"), nil
}

// compressible says whether a body of this type gets smaller.
func compressible(contentType string) bool {
	kind, _, _ := strings.Cut(contentType, ";")
	kind = strings.ToLower(strings.TrimSpace(kind))
	switch kind {
	case "application/json", "application/x-ndjson", "application/xml", "application/javascript", "application/x-javascript",
		"application/wasm", "application/vnd.ms-fontobject", "font/ttf", "font/otf", "image/bmp", "image/x-icon":
		return true
	}
	return strings.HasPrefix(kind, "text/") || strings.HasSuffix(kind, "+json") || strings.HasSuffix(kind, "+xml")
}

// Uncompressed returns resp such that [Compress] leaves it alone.
func Uncompressed(resp view.Response) view.Response {
	return view.WithHeader(resp, gzhttp.HeaderNoCompression, "1")
}
