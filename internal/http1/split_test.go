package http1_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/internal/http1"
)

// inputs are those of both tables.
func inputs() []string {
	all := append([]string(nil), passing...)
	for _, c := range refused {
		all = append(all, c.inputs...)
	}
	return all
}

// laxer is what net/http refuses by itself of what passes: its error, and why that
// is left to it.
var laxer = map[string]string{
	"invalid URL escape": "RFC 3986 3.2.2 has them in a host, of which net/url takes but a few",
	"bad trailer key":    "RFC 9110 6.6.2: the field Trailer names what may not be in a trailer",
}

// heads counts the requests whose head net/http finds in what has passed, up to one
// that it refuses by itself, and says whether it needs more octets for the last one.
func heads(t testing.TB, passed string) (n int, more bool) {
	t.Helper()
	r := bufio.NewReaderSize(strings.NewReader(passed), len(passed)+16)
	for {
		rest, _ := r.Peek(len(passed) + 1)
		if len(rest) == 0 || !bytes.Contains(rest, []byte("\r\n\r\n")) {
			return n, len(rest) > 0 // to net/http what ends there is a line
		}
		req, err := http.ReadRequest(r)
		if err != nil {
			for known := range laxer {
				if strings.Contains(err.Error(), known) {
					return -1, false
				}
			}
			t.Fatalf("net/http does not read what has passed: %v\n%.200q", err, passed)
		}
		n++
		_, err = io.Copy(io.Discard, req.Body)
		switch inTrailer := err != nil && strings.Contains(err.Error(), "trailer"); {
		case errors.Is(err, io.ErrUnexpectedEOF), inTrailer && !strings.HasSuffix(passed, "\r\n\r\n"):
			return n, true
		case err != nil:
			t.Fatalf("net/http does not read the body that has passed: %v\n%.200q", err, passed)
		}
	}
}

// sameFraming fails if net/http sees other requests in what has passed than the
// guard.
func sameFraming(t testing.TB, o outcome) {
	t.Helper()
	n, more := heads(t, o.passed)
	if n < 0 {
		return
	}
	if n != o.guard.Pending() {
		t.Errorf("net/http sees %d requests, the guard let %d pass: %v\n%.200q", n, o.guard.Pending(), o.refused, o.passed)
	}
	if o.refused == nil && o.guard.Held() == 0 && more == ended(*o.guard) {
		t.Errorf("net/http waits for more: %v, for the guard it has ended: %v\n%.200q", more, ended(*o.guard), o.passed)
	}
}

// ended reports whether what has passed are whole requests to the guard: it is at
// rest but for answers, and for the CR of an empty line, which did not pass.
func ended(g http1.Guard) bool {
	for g.Pending() > 0 {
		g.Answered()
	}
	if g.AtRest() {
		return true
	}
	pass, refused := g.Scan([]byte("\n"))
	if refused != nil {
		return refused.Reason == "too many empty lines before a request"
	}
	return pass == 0 && g.AtRest()
}

func TestASplitAnywhereChangesNoVerdict(t *testing.T) {
	for _, in := range inputs() {
		b := wire(in)
		if len(b) > 1000 {
			continue // the limits have tests of their own
		}
		whole := feed(t, nil, b)
		same := func(o outcome, where int) {
			t.Helper()
			if o.reason() != whole.reason() {
				t.Errorf("%q split at %d: refused %q, at once %q", b, where, o.reason(), whole.reason())
			}
			if whole.refused == nil && o.passed != whole.passed {
				t.Errorf("%q split at %d: passed %q, at once %q", b, where, o.passed, whole.passed)
			}
			sameFraming(t, o)
		}
		same(whole, 0)
		for i := 1; i < len(b); i++ {
			same(feed(t, nil, b[:i], b[i:]), i)
		}
		same(feed(t, nil, octets(b)...), -1)
	}
}

func TestEveryBeginningIsFramedAsNetHTTPFramesIt(t *testing.T) {
	for _, in := range inputs() {
		b := wire(in)
		if len(b) > 1000 {
			continue
		}
		for i := range b {
			sameFraming(t, feed(t, nil, b[:i]))
		}
	}
}

func TestTwoRefusedRequestsAreOne(t *testing.T) {
	bad := wire("GET / HTTP/1.1\n\n")
	o := feed(t, nil, wire(get+"\n"), bad, wire(get+"\n"))
	if o.reason() != "no Host" || !bytes.HasPrefix(bad, []byte(strings.TrimPrefix(o.passed, string(wire(get+"\n"))))) {
		t.Errorf("%q, passed %q", o.reason(), o.passed)
	}
}
