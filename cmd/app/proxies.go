package main

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/tandem-go/tandem/worker"
)

// networks are those of proxies that are in front. Where there are any, those on a unix socket are among them: they have no
// address, and the socket's mode says who may connect.
type networks struct {
	on   bool
	list []netip.Prefix
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (n *networks) UnmarshalText(text []byte) error {
	*n = networks{}
	if len(text) == 0 || string(text) == "off" {
		return nil
	}
	for one := range strings.SplitSeq(string(text), ",") {
		one = strings.TrimSpace(one)
		if one == "unix" {
			continue
		}
		p, err := network(one)
		if err != nil {
			return err
		}
		n.list = append(n.list, p)
	}
	n.on = true
	return nil
}

// network reads an address or a network.
func network(s string) (netip.Prefix, error) {
	if ip, err := netip.ParseAddr(s); err == nil && ip.Zone() == "" {
		ip = ip.Unmap()
		return netip.PrefixFrom(ip, ip.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	switch {
	case s == "*":
		return p, fmt.Errorf("%q is no network; 0.0.0.0/0,::/0 is everybody, who may then say to be anybody", s)
	case err != nil || p.Addr().Is4In6():
		return p, fmt.Errorf("%q is neither an IP address, nor a network such as 10.0.0.0/8, nor unix", s)
	case p != p.Masked():
		return p, fmt.Errorf("%q has an address beyond its %d bits; give %s, or the address alone", s, p.Bits(), p.Masked())
	}
	return p, nil
}

// front is what the worker is told of who is in front of it, and how it is spoken to.
func (s settings) front() []worker.Option {
	var opts []worker.Option
	if s.TrustedProxies.on {
		opts = append(opts, worker.TrustedProxies(s.TrustedProxies.list...))
	}
	if s.ProxyProtocol.on {
		opts = append(opts, worker.ProxyProtocol(s.ProxyProtocol.list...))
	}
	return append(opts, s.TLS.options()...)
}
