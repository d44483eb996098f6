package http1_test

import (
	"strings"
	"testing"

	"github.com/tandem-go/tandem/internal/http1"
)

func complete(t testing.TB, l http1.Limits) *http1.Limits {
	t.Helper()
	l, err := l.Complete()
	if err != nil {
		t.Fatal(err)
	}
	return &l
}

func TestLimitsAreExactToTheOctet(t *testing.T) {
	line := func(n int) string { return "X: " + strings.Repeat("y", n-3) + "\n" }
	small := http1.Limits{RequestLine: 50, HeaderLine: 30, HeaderBytes: 100, Headers: 5, TrailerBytes: 60, Trailers: 3, ChunkLine: 20, ChunkExtensions: 31, Body: 10}
	for _, c := range []struct {
		name   string
		limits http1.Limits
		input  func(n int) string // n is at the limit, and one beyond
		n      int
		status int
		reason string
	}{
		{"request line", small, func(n int) string { return "GET /" + strings.Repeat("a", n-14) + " HTTP/1.1\nHost: a\n\n" }, 50, 414, "the request line is too long"},
		{"request line of a long method", small, func(n int) string { return strings.Repeat("A", n-11) + " / HTTP/1.1\nHost: a\n\n" }, 50, 414, "the request line is too long"},
		{"header line", small, func(n int) string { return get + line(n) + "\n" }, 30, 431, "a header line is too long"},
		{"header", small, func(n int) string { return get + line(29) + line(29) + line(n-7-2-2*31-2) + "\n" }, 100, 431, "the header is too long"},
		{"header lines", small, func(n int) string { return get + strings.Repeat("X:\n", n-1) + "\n" }, 5, 431, "the header has too many lines"},
		{"trailer line", small, func(n int) string { return chunked + "0\n" + line(n) + "\n" }, 30, 431, "a trailer line is too long"},
		{"trailer", small, func(n int) string { return chunked + "0\n" + line(29) + line(n-31-2) + "\n" }, 60, 431, "the trailer is too long"},
		{"trailer after extensions", small, func(n int) string { return chunked + "0;aaaaaaaaa\n" + line(29) + line(n-31-2) + "\n" }, 60, 431, "the trailer is too long"},
		{"trailer lines", small, func(n int) string { return chunked + "0\n" + strings.Repeat("X:\n", n) + "\n" }, 3, 431, "the trailer has too many lines"},
		{"chunk line", small, func(n int) string { return chunked + "1;" + strings.Repeat("a", n-2) + "\nx\n0\n\n" }, 20, 400, "the line before a chunk is too long"},
		{"chunk extensions", small, func(n int) string {
			return chunked + "1;aaaaaaaaa\nx\n1;aaaaaaaaa\nx\n0;" + strings.Repeat("a", n-21) + "\n\n"
		}, 31, 400, "the chunk extensions are too long"},
		{"body", small, func(n int) string { return get + "Content-Length: " + ten(n) + "\n\n" + strings.Repeat("x", n) }, 10, 413, "the body is too large"},
		{"chunked body", small, func(n int) string {
			return chunked + "4\naaaa\n" + ten(n-4) + "\n" + strings.Repeat("x", n-4) + "\n0\n\n"
		}, 10, 413, "the body is too large"},

		{"default request line", http1.Limits{}, func(n int) string { return "GET /" + strings.Repeat("a", n-14) + " HTTP/1.1\nHost: a\n\n" }, 16 << 10, 414, "the request line is too long"},
		{"default header line", http1.Limits{}, func(n int) string { return get + line(n) + "\n" }, 16 << 10, 431, "a header line is too long"},
		{"default header", http1.Limits{}, func(n int) string { return get + strings.Repeat(line(16000), 4) + line(n-9-4*16002-2) + "\n" }, 64 << 10, 431, "the header is too long"},
		{"default header lines", http1.Limits{}, func(n int) string { return get + strings.Repeat("X:\n", n-1) + "\n" }, 128, 431, "the header has too many lines"},
		{"default trailer", http1.Limits{}, func(n int) string { return chunked + "0\n" + line(n-2) + "\n" }, 4094, 431, "the trailer is too long"},
		{"default trailer lines", http1.Limits{}, func(n int) string { return chunked + "0\n" + strings.Repeat("X:\n", n) + "\n" }, 32, 431, "the trailer has too many lines"},
		{"default chunk line", http1.Limits{}, func(n int) string { return chunked + "1;" + strings.Repeat("a", n-2) + "\nx\n0\n\n" }, 1024, 400, "the line before a chunk is too long"},
		{"largest chunk line", http1.Limits{ChunkLine: 4094}, func(n int) string { return chunked + "1;" + strings.Repeat("a", n-2) + "\nx\n0\n\n" }, 4094, 400, "the line before a chunk is too long"},
		{"default chunk extensions", http1.Limits{}, func(n int) string { return chunked + extensions(n) }, 8 << 10, 400, "the chunk extensions are too long"},
		{"largest chunk extensions", http1.Limits{ChunkExtensions: 16382}, func(n int) string { return chunked + extensions(n) }, 16382, 400, "the chunk extensions are too long"},
	} {
		t.Run(c.name, func(t *testing.T) {
			limits := complete(t, c.limits)
			within, beyond := wire(c.input(c.n)), wire(c.input(c.n+1))
			for name, parts := range map[string][][]byte{"at once": {within}, "octet by octet": octets(within)} {
				o := feed(t, limits, parts...)
				if o.refused != nil || !o.guard.AtRest() || o.passed != string(within) {
					t.Errorf("at the limit, %s: %v, at rest %v", name, o.refused, o.guard.AtRest())
				}
				sameFraming(t, o)
			}
			for name, parts := range map[string][][]byte{"at once": {beyond}, "octet by octet": octets(beyond), "by the CR": {beyond[:c.n], beyond[c.n:]}} {
				o := feed(t, limits, parts...)
				if o.reason() != c.reason || o.refused.Status != c.status {
					t.Errorf("beyond the limit, %s: %v", name, o.refused)
					continue
				}
				if limit := o.refused.Limit; (c.status == 413) != (limit == 10) {
					t.Errorf("beyond the limit, %s: limit %d", name, limit)
				}
				sameFraming(t, o)
			}
		})
	}
}

// ten is a number up to fifteen, as both bases of a body's length have it: leading
// zeros make up for that.
func ten(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return "1" + string(rune('0'+n-10))
}

// extensions is a chunked body with n octets of them, in lines below any limit. The
// last one has the longest size there is.
func extensions(n int) string {
	s := ""
	for ; n > 1000; n -= 900 {
		s += "1;" + strings.Repeat("a", 899) + "\nx\n"
	}
	return s + "0000000000000000;" + strings.Repeat("a", n-1) + "\n\n"
}

func TestALineWithoutAnEndIsRefusedAtTheLimit(t *testing.T) {
	limits := complete(t, http1.Limits{RequestLine: 50, HeaderLine: 30, ChunkLine: 20})
	for in, reason := range map[string]string{
		"GET /" + strings.Repeat("a", 46):                    "the request line is too long",
		strings.Repeat("A", 50) + "␍x":                       "malformed method",
		strings.Repeat("A", 51):                              "malformed method",
		"GET / HTTP/1.1\n" + "X: " + strings.Repeat("a", 28): "a header line is too long",
		chunked + "1;" + strings.Repeat("a", 19):             "the line before a chunk is too long",
	} {
		b := wire(in)
		if o := feed(t, limits, b[:len(b)-1]); o.refused != nil {
			t.Errorf("%q: %v, one octet early", in, o.refused)
		}
		for _, parts := range [][][]byte{{b}, octets(b)} {
			if o := feed(t, limits, parts...); o.reason() != reason {
				t.Errorf("%q: %v", in, o.refused)
			}
		}
	}
}

func TestABodyIsRefusedBeforeItComes(t *testing.T) {
	limits := complete(t, http1.Limits{Body: 1000})
	o := feed(t, limits, wire(get+"Content-Length: 1001\n\n"))
	if o.refused == nil || o.refused.Status != 413 || o.refused.InBody || o.refused.Limit != 1000 || o.passed != "" {
		t.Errorf("%+v, passed %q", o.refused, o.passed)
	}
	o = feed(t, limits, wire(chunked), wire("3e8\n"), make([]byte, 1000), wire("\n1\n"))
	if o.refused == nil || o.refused.Status != 413 || !o.refused.InBody || o.refused.Limit != 1000 {
		t.Errorf("%+v", o.refused)
	}
}

func TestLimitsThatCannotBeKeptAreErrors(t *testing.T) {
	for want, l := range map[string]http1.Limits{
		"http1: limit RequestLine is -1, which is not between 1 and 1048576 (0: the default, 16384)":     {RequestLine: -1},
		"http1: limit HeaderFields is 40000, which is not between 1 and 32766 (0: the default, 128)":     {Headers: 40000},
		"http1: limit TrailerBytes is 4095, which is not between 1 and 4094 (0: the default, 4094)":      {TrailerBytes: 4095},
		"http1: limit ChunkLine is 4095, which is not between 1 and 4094 (0: the default, 1024)":         {ChunkLine: 4095},
		"http1: limit ChunkExtensions is 16383, which is not between 1 and 16382 (0: the default, 8192)": {ChunkExtensions: 16383},
		"http1: limit Body is -1 octets, which is less than 0 (0: none)":                                 {Body: -1},
	} {
		if _, err := l.Complete(); err == nil || err.Error() != want {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
	if got := complete(t, http1.Limits{}); *got != http1.DefaultLimits() {
		t.Errorf("%+v", got)
	}
}
