package worker

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"time"
)

// ProxyProtocol expects the PROXY protocol, version 1 or 2, from peers with an
// address in from, and from every peer on a unix socket: their connections begin
// with the client's address, which is a request's RemoteAddr then. A connection that
// begins otherwise, or takes ten seconds for it, is closed and logged. A header that
// tells no address (UNKNOWN, LOCAL, a family that is not IP's) leaves the peer's own;
// a peer on a unix socket is 0.0.0.0 then. A checksum is compared if there is one,
// other extensions are ignored.
//
// Peers with any other address are clients themselves, and whatever they send is a
// request. Hooks that run before a connection is served (ConnContext, and ConnState
// with StateNew) are told the peer's own address.
func ProxyProtocol(from ...netip.Prefix) Option {
	return func(o *options) { o.proxies, o.proxied = slices.Clone(from), true }
}

const (
	proxyTimeout = 10 * time.Second // for the whole header
	maxProxyV1   = 107              // bytes, says its specification
	maxProxyV2   = 16 << 10         // addresses and extensions, a client's certificate among them
)

// told reports whether the connection's peer is a proxy that tells an address.
func (s *server) told(peer net.Addr) bool {
	if !s.proxied {
		return false
	}
	tcp, ok := peer.(*net.TCPAddr)
	if !ok {
		return true
	}
	return s.proxies.Contain(tcp.AddrPort().Addr())
}

// preamble reads the PROXY header, once, where there is one; the first who wants
// to know the address or the first byte waits for it. Not a byte of what follows
// is read.
func (c *conn) preamble() error {
	if !c.proxied {
		return nil
	}
	c.once.Do(func() {
		c.state.CompareAndSwap(silent, busy)
		c.settle() // a nudge: it is begun, and moves when the header is read
		_ = c.Conn.SetReadDeadline(time.Now().Add(proxyTimeout))
		addr, err := readProxy(c.Conn)
		if err != nil {
			c.bad = fmt.Errorf("PROXY header from %s: %w", c.Conn.RemoteAddr(), err)
			const text = "a connection was closed: its peer must begin with a PROXY header"
			if errors.Is(err, io.EOF) { // a health check may connect and say nothing
				c.server.logger.Debug(text, "error", c.bad)
			} else {
				c.server.said.proxies.say(c.server.logger, slog.LevelInfo, text, "error", c.bad)
			}
			return
		}
		if addr == nil {
			addr = &net.TCPAddr{IP: net.IPv4zero}
			if peer, ok := c.Conn.RemoteAddr().(*net.TCPAddr); ok {
				addr = peer
			}
		}
		c.remote = addr
		c.mu.Lock()
		_ = c.Conn.SetReadDeadline(c.deadline)
		c.mu.Unlock()
		c.state.CompareAndSwap(busy, silent)
		if c.server.moving.Load() {
			c.server.mover.add(c)
		}
		c.server.moved()
	})
	return c.bad
}
