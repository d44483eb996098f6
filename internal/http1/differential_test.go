package http1_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/internal/http1"
)

// stricter is why the guard refuses what net/http hands to a handler, with the
// clause that says so.
var stricter = map[string]string{
	"a line that ends in LF without CR":                           "RFC 9112 2.2", // MAY be taken for a line end
	"a CR without LF":                                             "RFC 9112 2.2", // before a request, after a POST
	"only HTTP/1.0 and HTTP/1.1 are spoken here":                  "RFC 9110 15.6.6",
	"an octet in the request target that must be percent-encoded": "RFC 3986 2",
	"a fragment in the request target":                            "RFC 9112 3.2",
	"the target * is for OPTIONS alone":                           "RFC 9112 3.2.4",
	"a request target that is no path and no http or https URI":   "RFC 9112 3.2.2",
	"malformed authority in the request target":                   "RFC 9110 4.2",
	"the target of CONNECT must be host and port":                 "RFC 9112 3.2.3",
	"a folded field line, or a blank before a field name":         "RFC 9112 5.2",
	"no Host":                                  "RFC 9112 3.2", // with CONNECT
	"empty Host":                               "RFC 9110 4.2.1",
	"malformed Host":                           "RFC 9112 3.2",
	"more than one Content-Length":             "RFC 9112 6.3", // the same value twice
	"Content-Length with Transfer-Encoding":    "RFC 9112 6.1",
	"Transfer-Encoding in HTTP/1.0":            "RFC 9112 6.1",
	"malformed chunk size":                     "RFC 9112 7.1", // a blank after it
	"malformed chunk extension":                "RFC 9112 7.1.1",
	"an expectation other than 100-continue":   "RFC 9110 10.1.1", // beside it
	"a blank before the colon of a field line": "RFC 9112 5.1",    // in a trailer
	"malformed request line":                   "RFC 9112 3",      // CONNECT without a target
	"a field that must not be in a trailer":    "RFC 9110 6.5.1",
}

// seen is what a handler sees of a request.
type seen struct {
	head, body, trailer string
	whole, closes       bool
}

// sent is a connection whose client has sent all that it has to say.
type sent struct {
	net.Conn
	octets  *bytes.Reader
	random  *rand.Rand // of the size of reads
	guard   *http1.Guard
	refused *http1.Refusal
	passed  []byte
	seen    []seen
	once    sync.Once
	closed  chan struct{}
}

func (c *sent) Read(b []byte) (int, error) {
	b = b[:1+c.random.IntN(len(b))]
	if c.guard == nil {
		return c.octets.Read(b)
	}
	for c.refused == nil {
		n := c.guard.Take(b)
		if n == 0 {
			if n, _ = c.octets.Read(b); n == 0 {
				break
			}
		}
		n, c.refused = c.guard.Scan(b[:n])
		if c.passed = append(c.passed, b[:n]...); n > 0 {
			return n, nil
		}
	}
	return 0, io.EOF
}

func (c *sent) Write(b []byte) (int, error) { return len(b), nil }
func (c *sent) RemoteAddr() net.Addr        { return &net.TCPAddr{} }
func (c *sent) LocalAddr() net.Addr         { return &net.TCPAddr{} }

func (c *sent) SetReadDeadline(time.Time) error  { return nil }
func (c *sent) SetWriteDeadline(time.Time) error { return nil }

func (c *sent) Close() error {
	c.once.Do(func() { close(c.closed) }) // the server closes what it has not forgotten yet
	return nil
}

// backend is net/http with a handler that notes what it sees.
type backend struct {
	net.Listener
	conns chan net.Conn
	http  http.Server
}

type sentKey struct{}

func serve(t *testing.T) *backend {
	b := &backend{conns: make(chan net.Conn)}
	b.http = http.Server{
		ErrorLog:    log.New(io.Discard, "", 0),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, sentKey{}, c) },
		ConnState: func(c net.Conn, state http.ConnState) {
			if g := c.(*sent).guard; g != nil && state == http.StateIdle {
				g.Answered()
			}
		},
		Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			c := r.Context().Value(sentKey{}).(*sent)
			body, err := io.ReadAll(r.Body)
			c.seen = append(c.seen, seen{
				head: fmt.Sprint(r.Method, r.RequestURI, r.Proto, r.Host, r.Header, r.ContentLength),
				body: string(body), trailer: fmt.Sprint(r.Trailer), whole: err == nil, closes: r.Close,
			})
		}),
	}
	done := make(chan struct{})
	go func() {
		_ = b.http.Serve(b)
		close(done)
	}()
	t.Cleanup(func() {
		_ = b.http.Close()
		<-done
	})
	return b
}

func (b *backend) Accept() (net.Conn, error) {
	c, ok := <-b.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (b *backend) Close() error {
	close(b.conns)
	return nil
}

// see is what a handler sees of an input.
func (b *backend) see(input []byte, g *http1.Guard, random *rand.Rand) *sent {
	c := &sent{octets: bytes.NewReader(input), guard: g, random: random, closed: make(chan struct{})}
	b.conns <- c
	<-c.closed
	return c
}

// whole is how many of the requests came whole.
func whole(all []seen) int {
	return len(slices.DeleteFunc(slices.Clone(all), func(s seen) bool { return !s.whole }))
}

func TestWhatPassesIsServedAsByNetHTTPAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := serve(t)
		random := rand.New(rand.NewPCG(9112, 9110))
		reasons := map[string]bool{}
		var corpus [][]byte
		for _, in := range inputs() {
			corpus = append(corpus, wire(in))
		}
		for range 5000 {
			corpus = append(corpus, generate(random))
		}
		for _, in := range corpus {
			alone := b.see(in, nil, random)
			var g http1.Guard
			behind := b.see(in, &g, random)

			judged := feed(t, nil, in)
			sameFraming(t, judged)
			cut := random.IntN(len(in) + 1)
			if split := feed(t, nil, in[:cut], in[cut:]); split.reason() != judged.reason() {
				t.Errorf("%q split at %d: refused %q, at once %q", in, cut, split.reason(), judged.reason())
			}
			passed := b.see(behind.passed, nil, random)
			if !slices.Equal(behind.seen, passed.seen) {
				t.Errorf("%q: behind the guard\n%+v\nwhat it let pass alone\n%+v", in, behind.seen, passed.seen)
			}
			switch n := len(behind.seen); {
			case behind.refused == nil && len(behind.passed) == len(in) && !slices.Equal(behind.seen, alone.seen):
				t.Errorf("%q: behind the guard\n%+v\nalone\n%+v", in, behind.seen, alone.seen)
			case behind.refused != nil && whole(alone.seen) > whole(behind.seen):
				reasons[behind.refused.Reason] = true
				if want := stricter[behind.refused.Reason]; want != behind.refused.Clause {
					t.Errorf("%q: refused %q by %s, the list has %q", in, behind.refused.Reason, behind.refused.Clause, want)
				}
			case n > 0 && n < len(alone.seen) && behind.refused == nil && len(behind.passed) == len(in):
				t.Errorf("%q: %d requests behind the guard, %d alone", in, n, len(alone.seen))
			}
		}
		for reason := range stricter {
			if !reasons[reason] {
				t.Errorf("%q: net/http refuses all of it too", reason)
			}
		}
	})
}

func TestNetHTTPReadsWhatIsAtTheLargestLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := serve(t)
		limits := complete(t, http1.Limits{TrailerBytes: 4094, ChunkLine: 4094, ChunkExtensions: 16382})
		for name, in := range map[string]string{
			"trailer":          chunked + "0\nX: " + strings.Repeat("y", 4094-5) + "\n\n",
			"chunk line":       chunked + "1;" + strings.Repeat("a", 4092) + "\nx\n0\n\n",
			"chunk extensions": chunked + extensions(16382),
			"length":           get + "Content-Length: 9223372036854775807\n\n",
		} {
			for seed := range uint64(20) {
				g := http1.New(limits)
				c := b.see(wire(in), &g, rand.New(rand.NewPCG(seed, 0)))
				if c.refused != nil || len(c.seen) != 1 || c.seen[0].whole != g.AtRest() {
					t.Errorf("%s: %v, %d seen, at rest %v", name, c.refused, len(c.seen), g.AtRest())
				}
			}
		}
	})
}

// generate makes requests of parts that are well-formed or nearly so, and then may
// damage an octet or two.
func generate(random *rand.Rand) []byte {
	pick := func(of ...string) string { return of[random.IntN(len(of))] }
	var s string
	for range 1 + random.IntN(3) {
		if random.IntN(20) == 0 {
			s += pick("\n", "\n\n", "␊", "␍")
		}
		s += pick("GET", "GET", "POST", "POST", "HEAD", "PUT", "OPTIONS", "CONNECT", "get", "PRI") + " "
		s += pick("/", "/", "/", "/a/b?c=d", "/%41?%", "*", "http://a/", "https://a:1?b", "a:443", "//", "/a;b=c|d", "http://u@a/") + " "
		s += pick("HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/1.2") + pick("\n", "\n", "\n", "\n", "␊")
		if random.IntN(8) > 0 {
			s += pick("Host: a\n", "Host: a\n", "host:a:80\n", "Host: [::1]\n", "Host:\n", "Host: a, b\n", "HOST: b \n")
		}
		for range random.IntN(3) {
			s += pick("A: b\n", "A: b\n", "Cookie: c=\"d\"\n", "X_Y:\tz\t\n", "A:\n b\n", "A : b\n", "Connection: close\n", "Connection: keep-alive\n", "Connection: upgrade\nUpgrade: x\n", "Expect: 100-continue\n", "Expect: x\n", "A: \xe9\n")
		}
		body := pick("", "", "hello", "hello", "G", "\n\n", "GET / HTTP/1.1\nHost: a\n\n")
		octets := len(wire(body))
		switch random.IntN(6) {
		case 0, 1:
			s += fmt.Sprintf("Content-Length: %d\n", octets)
			s += pick("", "", "", "", fmt.Sprintf("Content-Length: %d\n", octets), "Transfer-Encoding: chunked\n") + "\n" + body
		case 2, 3:
			s += pick("Transfer-Encoding: chunked\n", "Transfer-Encoding: chunked\n", "transfer-encoding:\tChunked \n", "Transfer-Encoding: gzip, chunked\n", "Transfer-Encoding: identity\n") + "\n"
			if octets > 0 {
				s += fmt.Sprintf("%x", octets) + pick("", "", "", ";a", "; a=\"b;c\" ; d = e", ";", " ", ";a=\x00") + "\n" + body + pick("\n", "\n", "\n", "\n", "␊", "")
			}
			s += pick("0", "0", "0", "000", "0;a=b") + "\n" + pick("", "", "", "A: b\n", "Content-Length: 5\n", "A\n") + "\n"
		default:
			s += "\n"
		}
	}
	b := wire(s)
	for range max(0, random.IntN(5)-2) {
		const damage = "\r\n\x00 \t:;,=\"#\x7f\x80\xff0aG(/"
		i := random.IntN(len(b))
		switch c := damage[random.IntN(len(damage))]; random.IntN(3) {
		case 0:
			b[i] = c
		case 1:
			b = slices.Insert(b, i, c)
		default:
			b = slices.Delete(b, i, i+1)
		}
	}
	return b
}
