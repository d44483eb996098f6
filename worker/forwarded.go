package worker

import (
	"net"
	"net/http"
	"net/netip"
	"slices"

	"github.com/tandem-go/tandem/internal/forwarded"
)

// TrustedProxies believes proxies with an address in from, and every peer on a unix
// socket, when they say for whom they ask: in X-Forwarded-For, -Proto, -Host and
// -Port, or in Forwarded (RFC 7239). Before a handler sees such a request its
// RemoteAddr and Host are the client's. A client that is told without a port has
// port 0, and one that is not told at all is the proxy. Packages view and middleware
// know the scheme too (view.Request.Scheme); any other handler finds it by a method
// Scheme() string of its ResponseWriter, "" where nothing was told, or in
// X-Forwarded-Proto.
//
// Lists are read from the right: the client is the first address that is not in
// from. What stands left of it is neither believed nor left in the header, so from
// must hold proxies only, and no client. A trusted proxy must set or remove each of
// these headers: what it lets pass of them is taken for its own. A request that has
// both Forwarded and X-Forwarded-*, which say different things, gets a 400.
//
// From anybody else Forwarded, X-Forwarded-* and X-Real-IP are removed. With
// [ProxyProtocol] that is decided by the address that was told in its header; a
// connection whose client was not told there is anybody else's.
//
// Without this option headers are left as they come, and nothing is believed.
func TrustedProxies(from ...netip.Prefix) Option {
	networks := forwarded.Networks(slices.Clone(from))
	return func(o *options) { o.trusted, o.trusting = networks, true }
}

// scheme is what trusted proxies have told of a request.
type scheme uint8

const (
	schemeUntold scheme = iota
	schemeHTTP
	schemeHTTPS
)

// Scheme is the client's, "http" or "https", as a trusted proxy has told it; "":
// the connection's own. See [TrustedProxies].
func (a *answer) Scheme() string {
	switch a.scheme {
	case schemeHTTP:
		return "http"
	case schemeHTTPS:
		return "https"
	}
	return ""
}

// behindProxies makes a request the client's own. An error is for the client.
func (s *server) behindProxies(r *http.Request) (scheme, error) {
	if !s.trusting {
		return schemeUntold, nil
	}
	c := connOfRequest(r)
	if c == nil || !s.trusts(c) {
		forwarded.Strip(r.Header)
		return schemeUntold, nil
	}
	direct := forwarded.Told{Scheme: "http", Host: r.Host}
	if r.TLS != nil {
		direct.Scheme = "https"
	}
	if peer, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		direct.Client = unmapped(peer)
	}
	told, err := s.trusted.Read(r.Header, direct)
	if err != nil {
		return schemeUntold, err
	}
	if told.Client != direct.Client {
		r.RemoteAddr = told.Client.String()
	}
	r.Host = told.Host
	if told.Scheme == "https" {
		return schemeHTTPS, nil
	}
	return schemeHTTP, nil
}

// trusts reports whether the peer of a connection is a trusted proxy.
func (s *server) trusts(c *conn) bool {
	switch peer := c.RemoteAddr().(type) {
	case *net.UnixAddr:
		return true
	case *net.TCPAddr:
		if !s.trusted.Contain(peer.AddrPort().Addr()) {
			return false
		}
		// A PROXY header without an address leaves that of who has sent it, who has
		// not said for whom.
		socket, _ := c.Conn.RemoteAddr().(*net.TCPAddr)
		return c.remote == nil || socket == nil || unmapped(peer) != unmapped(socket)
	}
	return false
}

func unmapped(a *net.TCPAddr) netip.AddrPort {
	ap := a.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// contradicted answers a request whose headers say different things of its client.
func contradicted(err error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, err.Error(), http.StatusBadRequest)
	})
}
