package worker

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// ProxyProtocol expects the PROXY protocol, version 1 or 2, from peers with an
// address in from, and from every peer on a unix socket: their connections begin
// with the client's address, which is a request's RemoteAddr then. One that
// begins otherwise is closed. Peers with any other address are clients
// themselves, and whatever they send is a request. Hooks that run before a
// connection is served (ConnContext, and ConnState with StateNew) are told the peer's own address.
func ProxyProtocol(from ...netip.Prefix) Option {
	return func(o *options) { o.proxies, o.proxied = slices.Clone(from), true }
}

const (
	proxyTimeout = 10 * time.Second // for the whole header
	maxProxyV1   = 107              // bytes, says its specification
	maxProxyV2   = 4 << 10          // address and extensions
)

var proxyV2 = []byte("\r\n\r\n\x00\r\nQUIT\n")

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
			c.server.logger.Debug("connection closed", "error", c.bad)
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

// readProxy reads one header. No address means that the peer speaks for itself.
func readProxy(r io.Reader) (*net.TCPAddr, error) {
	head := make([]byte, 12)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	switch {
	case bytes.Equal(head, proxyV2):
		return readProxyV2(r)
	case bytes.HasPrefix(head, []byte("PROXY ")):
		// Byte by byte: what follows the line is not ours.
		for next := make([]byte, 1); head[len(head)-1] != '\n'; head = append(head, next[0]) {
			if len(head) == maxProxyV1 {
				return nil, fmt.Errorf("a line of more than %d bytes", maxProxyV1)
			}
			if _, err := io.ReadFull(r, next); err != nil {
				return nil, err
			}
		}
		return parseProxyV1(string(head))
	}
	return nil, errors.New("the connection begins without one")
}

func parseProxyV1(line string) (*net.TCPAddr, error) {
	line, ok := strings.CutSuffix(line, "\r\n")
	fields := strings.Split(line, " ")
	switch {
	case ok && len(fields) >= 2 && fields[1] == "UNKNOWN":
		return nil, nil
	case ok && len(fields) == 6 && (fields[1] == "TCP4" || fields[1] == "TCP6"):
		ip, err := netip.ParseAddr(fields[2])
		if err != nil || ip.Is4() != (fields[1] == "TCP4") || ip.Zone() != "" {
			break
		}
		port, err := netip.ParseAddrPort("0.0.0.0:" + fields[4])
		if err != nil {
			break
		}
		return net.TCPAddrFromAddrPort(netip.AddrPortFrom(ip, port.Port())), nil
	}
	return nil, fmt.Errorf("%q is not one of version 1", line)
}

func readProxyV2(r io.Reader) (*net.TCPAddr, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	length := binary.BigEndian.Uint16(head[2:])
	if head[0]>>4 != 2 || length > maxProxyV2 {
		return nil, fmt.Errorf("version %d with %d bytes", head[0]>>4, length)
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, err
	}
	size := 0
	switch command, family := head[0]&15, head[1]; {
	case command == 0: // the proxy's own: a health check
		return nil, nil
	case command != 1:
		return nil, fmt.Errorf("command %d", command)
	case family == 0x11:
		size = 4
	case family == 0x21:
		size = 16
	default: // a family without an address for us
		return nil, nil
	}
	if len(body) < 2*size+4 {
		return nil, fmt.Errorf("%d bytes are too few for its addresses", len(body))
	}
	ip, _ := netip.AddrFromSlice(body[:size])
	port := binary.BigEndian.Uint16(body[2*size:])
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(ip, port)), nil
}
