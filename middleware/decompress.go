package middleware

import (
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"

	"github.com/tandem-go/tandem/internal/coding"
	"github.com/tandem-go/tandem/view"
)

// Defaults of [Decompression].
const (
	DefaultRatio   = 200
	DefaultWindows = 64 << 20
)

// Decompression is how [Decompress] is bounded.
type Decompression struct {
	// Ratio is how many times as long as it was sent a body may get, beyond its first
	// MiB; 0 is [DefaultRatio]. What is made to be read gets 5 to 20 times as long.
	Ratio int

	// Windows is how much memory all bodies that are being decoded may take together, in
	// bytes, for the windows of zstd that are larger than a MiB: a client can ask for
	// 8 MiB with the first ten bytes of a body. 0 is [DefaultWindows]; without room the
	// answer is 503.
	Windows int64
}

// Decompress takes request bodies in gzip, zstd and deflate: views read what was
// coded. The Content-Encoding is taken off the request, and its length is not known
// any more. Without it a body that is coded is a 415 to [view.Decode], typed views and forms.
//
// Nothing is decoded before the view reads. The route's bound on its body
// ([view.MaxBody]) is one on what was sent and on what it becomes: 413, as beyond the
// Ratio. What is not what its encoding says, breaks off, or has something behind it, is
// a 400, found when the view has read all of it. Another encoding, or more than one, is
// a 415 that names those there are. All of these are errors of reading the body, to be
// returned by the view.
//
// A body takes 50 KiB of memory in gzip and deflate, and its window in zstd, which is
// 8 MiB at most (RFC 9659). Without a bound on bodies it is as long as the client
// likes, as any body is.
func Decompress(c Decompression) (view.Middleware, error) {
	if c.Ratio == 0 {
		c.Ratio = DefaultRatio
	}
	if c.Windows == 0 {
		c.Windows = DefaultWindows
	}
	if c.Ratio < 1 {
		return view.Middleware{}, fmt.Errorf("decompress: a Ratio of %d: give how many times as long a body may get, or 0 for %d", c.Ratio, DefaultRatio)
	}
	if c.Windows < maxWindow {
		return view.Middleware{}, fmt.Errorf("decompress: Windows of %d bytes: give %d at least, which is one, or 0 for %d", c.Windows, maxWindow, DefaultWindows)
	}
	windows := &budget{limit: c.Windows}
	return view.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			codings := coding.Applied(r.Header["Content-Encoding"])
			if len(codings) == 0 || r.Body == nil || r.Body == http.NoBody {
				next.ServeHTTP(w, r)
				return
			}
			sent := r.Body
			b := &decodedBody{sent: sent, length: r.ContentLength, limit: -1, ratio: int64(c.Ratio), windows: windows}
			if len(codings) > 1 {
				b.err = unsupported("more than one content encoding")
			} else if b.open = decoderOf(codings[0]); b.open == nil {
				b.err = unsupported(fmt.Sprintf("content encoding %.50q is not known", codings[0]))
			}
			r.Body, r.ContentLength = b, -1
			delete(r.Header, "Content-Encoding")
			delete(r.Header, "Content-Length")
			defer func() {
				b.release()
				r.Body = sent // net/http looks at what was left of it
			}()
			next.ServeHTTP(w, r)
		})
	}).Named("decompress"), nil
}

// accepted are the encodings that there are, as RFC 7694 has a 415 say them.
var accepted = http.Header{"Accept-Encoding": {"zstd, gzip, deflate"}}

func unsupported(message string) error {
	return &view.Error{Status: http.StatusUnsupportedMediaType, Message: message, Header: accepted}
}

// budget is memory that many share.
type budget struct {
	limit int64
	taken atomic.Int64
}

// take takes n bytes, or none.
func (b *budget) take(n int64) bool {
	if b.taken.Add(n) > b.limit {
		b.taken.Add(-n)
		return false
	}
	return true
}

func (b *budget) give(n int64) { b.taken.Add(-n) }

// errReleased is that of a body which is read when its request is over.
var errReleased = errors.New("read of a request's body after its end")
