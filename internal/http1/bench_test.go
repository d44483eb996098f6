package http1_test

import (
	"strings"
	"testing"

	"github.com/tandem-go/tandem/internal/http1"
)

// browser is what one sends, in 400 octets.
const browser = "GET /api/v1/items/?page=2&size=50 HTTP/1.1\nHost: example.com\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\nAccept-Language: en-US,en;q=0.5\nAccept-Encoding: gzip, deflate, br\n" +
	"Connection: keep-alive\nCookie: session=0123456789abcdef0123456789abcdef\nX-Request-Id: 8b2f1c\n\n"

func benchmarkScan(b *testing.B, parts ...[]byte) {
	var g http1.Guard
	n := 0
	for _, part := range parts {
		n += len(part)
	}
	b.SetBytes(int64(n))
	b.ReportAllocs()
	for b.Loop() {
		for _, part := range parts {
			if pass, refused := g.Scan(part); refused != nil || pass != len(part) {
				b.Fatal(pass, refused)
			}
		}
		g.Answered()
	}
}

func BenchmarkGet(b *testing.B) { benchmarkScan(b, wire(browser)) }

func BenchmarkShortGet(b *testing.B) { benchmarkScan(b, wire(get+"\n")) }

func BenchmarkGetInTwoReads(b *testing.B) {
	in := wire(browser)
	benchmarkScan(b, in[:100], in[100:])
}

func BenchmarkBody(b *testing.B) {
	body := make([]byte, 32<<10)
	benchmarkScan(b, wire(get+"Content-Length: 65536\n\n"), body, body)
}

func BenchmarkChunks(b *testing.B) {
	benchmarkScan(b, wire(chunked+strings.Repeat("400\n"+strings.Repeat("x", 1<<10)+"\n", 31)+"0\n\n"))
}

// BenchmarkHTTP2 is the browser's request as net/http has read it from HTTP/2.
func BenchmarkHTTP2(b *testing.B) {
	r := browser2()
	limits := http1.DefaultLimits()
	b.ReportAllocs()
	for b.Loop() {
		if refused := limits.Judge(r); refused != nil {
			b.Fatal(refused)
		}
	}
}
