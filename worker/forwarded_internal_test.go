package worker

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"testing"

	"github.com/tandem-go/tandem/internal/forwarded"
)

// from is a connection with nothing but a peer.
type from struct {
	net.Conn
	peer net.Addr
}

func (f from) RemoteAddr() net.Addr { return f.peer }

// BenchmarkBehindProxies is what a request costs more with TrustedProxies.
func BenchmarkBehindProxies(b *testing.B) {
	for name, s := range map[string]*server{
		"off":       {},
		"trusted":   {trusting: true, trusted: forwarded.Networks{netip.MustParsePrefix("127.0.0.0/8")}},
		"untrusted": {trusting: true, trusted: forwarded.Networks{netip.MustParsePrefix("10.0.0.0/8")}},
	} {
		b.Run(name, func(b *testing.B) {
			peer := net.TCPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:4711"))
			c := &conn{Conn: from{peer: peer}, server: s}
			r := (&http.Request{Header: http.Header{
				"Accept": {"*/*"}, "User-Agent": {"x"}, "Accept-Encoding": {"gzip"}, "Cookie": {"session=x"},
			}}).WithContext(context.WithValue(b.Context(), connKey{}, c))
			client, proto := []string{"203.0.113.9, 192.0.2.1"}, []string{"https"}
			b.ReportAllocs()
			for b.Loop() {
				client[0] = "203.0.113.9, 192.0.2.1"
				r.Header["X-Forwarded-For"], r.Header["X-Forwarded-Proto"] = client, proto
				r.RemoteAddr = "127.0.0.1:4711"
				if _, err := s.behindProxies(r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
