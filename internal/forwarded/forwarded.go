// Package forwarded finds out for whom a proxy asks: it reads the headers Forwarded
// (RFC 7239) and X-Forwarded-For, -Proto, -Host and -Port.
//
// Invariant: nothing is believed but what a trusted proxy has written. Each proxy
// adds on the right the address that it was asked from. So the list is read from
// the right, and the first address that is not one of a trusted proxy is the
// client's; whatever stands left of it the client may have written itself.
//
// Smallest use, where the peer itself is trusted:
//
//	told, err := proxies.Read(r.Header, forwarded.Told{Client: peer, Scheme: "http", Host: r.Host})
//
// A request of any other peer gets [Strip].
package forwarded

import (
	"cmp"
	"errors"
	"net/http"
	"net/netip"
	"strings"
)

// Told is for whom, how and where a request was made.
type Told struct {
	Client netip.AddrPort // port 0: only the address is known; invalid: nothing is
	Scheme string         // "http" or "https"
	Host   string         // as in the header Host
}

// ErrContradiction is the error of a request in which both kinds of headers are,
// and do not say the same. A proxy writes one of the two and lets pass what its
// client has sent of the other, and which is which cannot be told here.
var ErrContradiction = errors.New("the headers Forwarded and X-Forwarded-* contradict each other; a proxy that writes one kind must remove the other")

// Networks are those of the trusted proxies. They may be used by several goroutines.
type Networks []netip.Prefix

// Contain says whether an address is in one of them. An IPv4 address counts as
// such where it comes in IPv6 notation, and a zone does not count.
func (n Networks) Contain(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	for _, p := range n {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

// The headers, as net/http writes them.
const (
	standard = "Forwarded"
	prefix   = "X-Forwarded-"
	xFor     = prefix + "For"
	xProto   = prefix + "Proto"
	xHost    = prefix + "Host"
	xPort    = prefix + "Port"
	realIP   = "X-Real-Ip"
)

// Strip removes from h whatever only a proxy should write: Forwarded, X-Real-IP
// and all headers that begin with X-Forwarded-.
func Strip(h http.Header) {
	for name := range h {
		if name == standard || name == realIP || strings.HasPrefix(name, prefix) {
			delete(h, name)
		}
	}
}

// Read says what trusted proxies tell of a request that a trusted peer has sent.
// direct is what the connection itself tells, which holds where they say nothing.
//
// The one error is [ErrContradiction]. Without it h has afterwards only what is
// believed: the lists begin with the client, X-Forwarded-Proto, -Host and -Port
// have one value or are gone, and X-Real-IP, if there is one, is the client's.
func (n Networks) Read(h http.Header, direct Told) (Told, error) {
	_, standardThere := h[standard]
	x := beside{lines: h}
	told, cut := direct, place{}
	if standardThere {
		told, cut = n.standard(h[standard], direct)
	}
	if x.there() {
		other := x.read(n, direct)
		if standardThere && !same(told, other) {
			return direct, ErrContradiction
		}
		told = other
		x.clean()
	}
	if standardThere {
		cut.apply(h, standard)
	}
	if len(h[realIP]) > 0 {
		client := ""
		if told.Client.IsValid() {
			client = told.Client.Addr().String()
		}
		keep(h, realIP, client)
	}
	return told, nil
}

// same compares what can be compared: not all of them tell ports.
func same(a, b Told) bool {
	return a.Client.Addr() == b.Client.Addr() && a.Scheme == b.Scheme && strings.EqualFold(a.Host, b.Host)
}

// keep leaves one value of a header that is there, or none.
func keep(h http.Header, name, value string) {
	switch v := h[name]; {
	case value == "":
		delete(h, name)
	case len(v) > 0:
		v[0] = value
		h[name] = v[:1]
	}
}

// standard reads Forwarded.
func (n Networks) standard(lines []string, told Told) (Told, place) {
	var last element
	client, at := n.walk(lines, func(text string) (netip.AddrPort, bool) {
		e, ok := parseElement(text)
		if !ok {
			return netip.AddrPort{}, false
		}
		last = e // it was written by a trusted one, even if it does not say for whom
		return nodeOf(e.node)
	})
	if client.IsValid() {
		told.Client = client
	}
	told.Scheme = cmp.Or(schemeOf(last.proto), told.Scheme)
	told.Host = cmp.Or(hostOf(last.host), told.Host)
	return told, at
}

// beside is X-Forwarded-*: four headers side by side.
type beside struct {
	lines              http.Header
	scheme, host, port string // "": not told
	at                 place
}

func (x *beside) there() bool {
	return len(x.lines[xFor]) > 0 || len(x.lines[xProto]) > 0 || len(x.lines[xHost]) > 0 || len(x.lines[xPort]) > 0
}

func (x *beside) read(n Networks, told Told) Told {
	var client netip.AddrPort
	if client, x.at = n.walk(x.lines[xFor], nodeOf); client.IsValid() {
		told.Client = client
	}
	x.scheme = schemeOf(entry(x.lines[xProto], x.at.hops))
	x.host = hostOf(entry(x.lines[xHost], x.at.hops))
	x.port = portOf(entry(x.lines[xPort], x.at.hops))
	told.Scheme = cmp.Or(x.scheme, told.Scheme)
	told.Host = cmp.Or(x.host, told.Host)
	if x.port != "" {
		told.Host = withPort(told.Host, x.port, told.Scheme)
	}
	return told
}

func (x *beside) clean() {
	x.at.apply(x.lines, xFor)
	keep(x.lines, xProto, x.scheme)
	keep(x.lines, xHost, x.host)
	keep(x.lines, xPort, x.port)
}

// entry is the value that belongs to the client among those of a list: as many
// from the right as the client is in X-Forwarded-For. Where not every proxy adds
// one it is the last, which is the peer's own.
func entry(lines []string, hops int) string {
	last, n := "", 0
	for line := len(lines) - 1; line >= 0; line-- {
		for rest := lines[line]; rest != ""; {
			comma := lastComma(rest)
			text := strings.Trim(rest[comma+1:], " \t")
			if rest = rest[:max(comma, 0)]; text == "" {
				continue
			}
			if n == 0 {
				last = text
			}
			if n == hops {
				return text
			}
			if n++; n > maxHops {
				return last
			}
		}
	}
	return last
}

// schemeOf is http or https; "" for anything else.
func schemeOf(proto string) string {
	switch {
	case strings.EqualFold(proto, "https"), strings.EqualFold(proto, "wss"):
		return "https"
	case strings.EqualFold(proto, "http"), strings.EqualFold(proto, "ws"):
		return "http"
	}
	return ""
}

// withPort adds a port to a host that has none, unless the scheme has it anyway.
func withPort(host, port, scheme string) string {
	if host == "" || scheme == "http" && port == "80" || scheme == "https" && port == "443" {
		return host
	}
	if i := strings.LastIndexByte(host, ':'); i >= 0 && host[len(host)-1] != ']' {
		return host
	}
	return host + ":" + port
}

// portOf is a port in decimal; "" for anything else.
func portOf(s string) string {
	if n, ok := decimal(s); !ok || n == 0 || s[0] == '0' {
		return ""
	}
	return s
}
