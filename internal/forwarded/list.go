package forwarded

import (
	"net/http"
	"net/netip"
	"strings"
)

// maxHops is how many proxies in a row are believed. There are three or four; more
// is a client's that knows an address which is trusted.
const maxHops = 32

// place is where in a list, over all its lines, what is believed begins.
type place struct {
	line, start int
	hops        int // how many elements are right of it
	nothing     bool
}

// apply cuts off what is left of the place.
func (p place) apply(h http.Header, name string) {
	if p.nothing {
		delete(h, name)
		return
	}
	lines := h[name][p.line:]
	lines[0] = strings.TrimLeft(lines[0][p.start:], " \t")
	h[name] = lines
}

// walk goes through a list from the right until there is an address that is not of
// a trusted proxy, or something that parse does not understand. The client is the
// last address that was found, and the place is its own; its hops are those of the
// element where the walk ended.
func (n Networks) walk(lines []string, parse func(string) (netip.AddrPort, bool)) (client netip.AddrPort, at place) {
	at.nothing = true
	hops := 0
	for line := len(lines) - 1; line >= 0; line-- {
		for rest := lines[line]; rest != ""; {
			comma := lastComma(rest)
			text := strings.Trim(rest[comma+1:], " \t")
			if rest = rest[:max(comma, 0)]; text == "" {
				continue
			}
			at.hops = hops
			addr, ok := parse(text)
			if !ok {
				return client, at
			}
			client = addr
			at.line, at.start, at.nothing = line, comma+1, false
			if hops++; hops == maxHops || !n.Contain(addr.Addr()) {
				return client, at
			}
		}
	}
	return client, at
}

// lastComma is where the last comma outside of quotes is; -1: nowhere. It looks at
// nothing left of it, where a client may have left a quote open.
func lastComma(list string) int {
	for i := len(list) - 1; i >= 0; i-- {
		switch list[i] {
		case ',':
			return i
		case '"':
			if i = openingQuote(list, i); i < 0 {
				return -1
			}
		}
	}
	return -1
}

// openingQuote is where the quoted string begins that ends at end; -1: nowhere.
func openingQuote(s string, end int) int {
	for i := end - 1; i >= 0; i-- {
		if s[i] != '"' {
			continue
		}
		escapes := i
		for escapes > 0 && s[escapes-1] == '\\' {
			escapes--
		}
		if (i-escapes)%2 == 0 {
			return i
		}
		i = escapes
	}
	return -1
}
