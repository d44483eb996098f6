package http1_test

import (
	"strings"
	"testing"

	"github.com/tandem-go/tandem/internal/http1"
)

func crlf(s string) []byte { return []byte(strings.ReplaceAll(s, "\n", "\r\n")) }

func TestSmoke(t *testing.T) {
	for in, want := range map[string]int{
		"GET / HTTP/1.1\nHost: a\n\n":   0,
		"\nGET / HTTP/1.1\nHost: a\n\n": 0,
		"POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n5\nhello\n0\n\nGET / HTTP/1.1\nHost: a\n\n": 0,
		"POST / HTTP/1.1\nHost: a\nContent-Length: 5\n\nhelloGET / HTTP/1.1\nHost: a\n\n":                    0,
		"POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n5 \nhello\n0\n\n":                           400,
		"GET / HTTP/1.1\n\n": 400,
		"GET / HTTP/3.1\n\n": 505,
	} {
		var g http1.Guard
		b := crlf(in)
		pass, r := g.Scan(b)
		if want == 0 {
			if r != nil || pass != len(strings.TrimLeft(string(crlf(in)), "\r\n")) || !g.AtRest() {
				t.Error(in, pass, r)
			}
		} else if r == nil || r.Status != want || pass != 0 {
			t.Error(in, pass, r)
		}
	}
}

func BenchmarkGet(b *testing.B) {
	in := crlf("GET /api/v1/items/?page=2&size=50 HTTP/1.1\nHost: example.com\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\nAccept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\nAccept-Language: en-US,en;q=0.5\nAccept-Encoding: gzip, deflate, br\nConnection: keep-alive\nCookie: session=0123456789abcdef0123456789abcdef\nX-Request-Id: 8b2f\n\n")
	var g http1.Guard
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		if pass, r := g.Scan(in); pass != len(in) || r != nil {
			b.Fatal(r)
		}
		g.Answered()
	}
}
