package http1_test

import (
	"testing"

	"github.com/tandem-go/tandem/internal/http1"
)

// FuzzScan: whatever comes and however it is split, the verdict is the same, net/http
// sees the requests that the guard let pass, and none that it refused.
func FuzzScan(f *testing.F) {
	for i, in := range inputs() {
		f.Add(wire(in), uint16(i))
	}
	for _, in := range []string{preface, upgrade + get + "\n", upgrade + frames, "CONNECT a:1 HTTP/1.1\nHost: a\n\n" + frames} {
		f.Add(wire(in), uint16(9))
	}
	small := complete(f, http1.Limits{RequestLine: 60, HeaderLine: 40, HeaderBytes: 150, Headers: 6, TrailerBytes: 50, Trailers: 3, ChunkLine: 20, ChunkExtensions: 30, Body: 20})
	f.Fuzz(func(t *testing.T, in []byte, cut uint16) {
		if len(in) == 0 || len(in) > 1<<16 {
			return
		}
		for _, limits := range []*http1.Limits{nil, small} {
			whole := feed(t, limits, in)
			sameFraming(t, whole)
			at := int(cut) % len(in)
			for name, o := range map[string]outcome{"in two": feed(t, limits, in[:at], in[at:]), "octet by octet": feed(t, limits, octets(in)...)} {
				if o.reason() != whole.reason() {
					t.Errorf("%s: refused %q, at once %q", name, o.reason(), whole.reason())
				}
				if whole.refused == nil && (o.passed != whole.passed || o.guard.Held() != whole.guard.Held() || o.guard.AtRest() != whole.guard.AtRest()) {
					t.Errorf("%s: passed %q, at once %q", name, o.passed, whole.passed)
				}
				if o.guard.Pending() < whole.guard.Pending() {
					t.Errorf("%s: %d requests passed, at once %d", name, o.guard.Pending(), whole.guard.Pending())
				}
				sameFraming(t, o)
			}
		}
	})
}

// FuzzHost: no Host that passes has anything in it that would make another one of
// it where it is put into a URL.
func FuzzHost(f *testing.F) {
	for _, host := range []string{"a", "a:80", "[::1]:8080", "127.0.0.1", "%41", "a,b", "u@a", "a/b", "[::1%25a]", "[v1.a]", "a:b", ""} {
		f.Add(host)
	}
	f.Fuzz(func(t *testing.T, host string) {
		o := feed(t, nil, []byte("GET / HTTP/1.1\r\nHost: "+host+"\r\n\r\n"))
		if o.refused != nil {
			return
		}
		for _, c := range host {
			if c >= 0x80 || c == '/' || c == '@' || c == '?' || c == '#' || c == '\\' || c == '"' || c == '<' {
				t.Errorf("%q passed", host)
			}
		}
	})
}
