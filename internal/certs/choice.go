package certs

import (
	"crypto/tls"
	"net"
	"net/netip"
	"strings"
)

// choice finds the certificate for a client. It does not change.
type choice struct {
	all    []*tls.Certificate
	byName map[string][]*tls.Certificate // in the order of all; names in lower case, "*.example.org" too
	byIP   map[netip.Addr][]*tls.Certificate
}

func newChoice(all []*tls.Certificate) *choice {
	c := &choice{all: all, byName: map[string][]*tls.Certificate{}, byIP: map[netip.Addr][]*tls.Certificate{}}
	for _, one := range all {
		for _, name := range one.Leaf.DNSNames {
			name = strings.ToLower(name)
			c.byName[name] = append(c.byName[name], one)
		}
		for _, ip := range one.Leaf.IPAddresses {
			if addr, ok := netip.AddrFromSlice(ip); ok {
				c.byIP[addr.Unmap()] = append(c.byIP[addr.Unmap()], one)
			}
		}
	}
	return c
}

// get gives the certificate for the name that the client asks for: one of that
// very name, else one whose wildcard covers it. A client that asks for none, as
// for https://192.0.2.1/, gets the one for the address that it has reached.
// Of several that match it is the first whose key the client can use. Without a
// match it is the first of all: the client sees by its name what went wrong.
func (c *choice) get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if len(c.all) == 1 {
		return c.all[0], nil
	}
	name := strings.ToLower(strings.TrimSuffix(hello.ServerName, "."))
	matching := c.byName[name]
	if len(matching) == 0 {
		if _, parent, ok := strings.Cut(name, "."); ok {
			matching = c.byName["*."+parent]
		}
	}
	if len(matching) == 0 {
		matching = c.byIP[asked(name, hello.Conn)]
	}
	for _, one := range matching {
		if hello.SupportsCertificate(one) == nil {
			return one, nil
		}
	}
	if len(matching) > 0 {
		return matching[0], nil
	}
	return c.all[0], nil
}

// asked is the address that a client means: the one in place of a name, or the
// one that it has connected to if it gives none.
func asked(name string, conn net.Conn) netip.Addr {
	if name != "" {
		addr, _ := netip.ParseAddr(name)
		return addr.Unmap()
	}
	if conn == nil {
		return netip.Addr{}
	}
	local, ok := conn.LocalAddr().(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return local.AddrPort().Addr().Unmap().WithZone("")
}
