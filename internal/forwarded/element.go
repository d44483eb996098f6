package forwarded

import (
	"net/netip"
	"strings"
)

// maxElement bounds one element, in bytes: four parameters, a host name among them.
const maxElement = 1 << 10

// element is one of Forwarded: what one proxy has written.
type element struct{ node, proto, host string }

// parseElement reads pairs such as for=192.0.2.1;proto=https. Parameters that it
// does not know are checked and left out.
func parseElement(text string) (e element, ok bool) {
	if len(text) > maxElement {
		return e, false
	}
	for rest := text; ; {
		rest = strings.TrimLeft(rest, " \t")
		if rest == "" {
			return e, true
		}
		if rest[0] == ';' {
			rest = rest[1:]
			continue
		}
		name := rest[:tokenLen(rest)]
		rest = rest[len(name):]
		if name == "" || rest == "" || rest[0] != '=' {
			return element{}, false
		}
		var value string
		if value, rest, ok = parseValue(rest[1:]); !ok {
			return element{}, false
		}
		var unused string
		to := &unused
		switch {
		case strings.EqualFold(name, "for"):
			to = &e.node
		case strings.EqualFold(name, "proto"):
			to = &e.proto
		case strings.EqualFold(name, "host"):
			to = &e.host
		}
		if *to != "" { // twice
			return element{}, false
		}
		*to = value
		rest = strings.TrimLeft(rest, " \t")
		if rest != "" && rest[0] != ';' {
			return element{}, false
		}
	}
}

// parseValue reads a token or a quoted string, which must not be empty.
func parseValue(s string) (value, rest string, ok bool) {
	if s == "" || s[0] != '"' {
		n := tokenLen(s)
		return s[:n], s[n:], n > 0
	}
	escaped := false
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			if value = s[1:i]; escaped {
				value = unescape(value)
			}
			return value, s[i+1:], value != ""
		case c == '\\':
			escaped = true
			i++
		case c < ' ' && c != '\t', c == 0x7f:
			return "", "", false
		}
	}
	return "", "", false
}

func unescape(s string) string {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b = append(b, s[i])
	}
	return string(b)
}

// tokenLen is how many bytes of a token s begins with.
func tokenLen(s string) int {
	for i := range len(s) {
		c := s[i]
		if !alphanumeric(c) && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return i
		}
	}
	return len(s)
}

func alphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// nodeOf reads an address, with or without a port: IPv4, IPv6, IPv6 in brackets.
// "unknown" and obfuscated identifiers are none; an obfuscated port is 0.
func nodeOf(s string) (netip.AddrPort, bool) {
	if s == "" || len(s) > 64 {
		return netip.AddrPort{}, false
	}
	host, port := s, ""
	bracketed := s[0] == '['
	if bracketed {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return netip.AddrPort{}, false
		}
		host, port = s[1:end], s[end+1:]
	} else if i := strings.IndexByte(s, ':'); i >= 0 && i == strings.LastIndexByte(s, ':') {
		host, port = s[:i], s[i:]
	}
	if !addressLike(host) { // the error of ParseAddr costs memory
		return netip.AddrPort{}, false
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || ip.Zone() != "" || bracketed && ip.Is4() {
		return netip.AddrPort{}, false
	}
	n, ok := uint16(0), port == ""
	if !ok && port[0] == ':' {
		n, ok = nodePort(port[1:])
	}
	return netip.AddrPortFrom(ip.Unmap(), n), ok
}

// addressLike says whether s has only what an address without a zone has.
func addressLike(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !('0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F' || c == ':' || c == '.') {
			return false
		}
	}
	return s != ""
}

// nodePort reads a port of a node.
func nodePort(s string) (n uint16, ok bool) {
	if strings.HasPrefix(s, "_") {
		for i := 1; i < len(s); i++ {
			if !alphanumeric(s[i]) && strings.IndexByte("._-", s[i]) < 0 {
				return 0, false
			}
		}
		return 0, len(s) > 1
	}
	return decimal(s)
}

// decimal reads a number of up to five digits. An error of strconv's would cost memory.
func decimal(s string) (n uint16, ok bool) {
	sum := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' || i == 5 {
			return 0, false
		}
		sum = 10*sum + int(s[i]-'0')
	}
	return uint16(sum), s != "" && sum <= 0xffff
}

// hostOf is a host with or without a port, in a form that needs no escaping
// wherever it is written; "" for anything else.
func hostOf(s string) string {
	name, port := s, ""
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return ""
		}
		name, port = s[1:end], s[end+1:]
		if ip, err := netip.ParseAddr(name); !addressLike(name) || err != nil || !ip.Is6() {
			return ""
		}
	} else {
		if i := strings.IndexByte(s, ':'); i >= 0 {
			name, port = s[:i], s[i:]
		}
		for i := range len(name) {
			if c := name[i]; !alphanumeric(c) && c != '-' && c != '.' && c != '_' {
				return ""
			}
		}
	}
	if name == "" || len(name) > 255 || port != "" && (port[0] != ':' || portOf(port[1:]) == "") {
		return ""
	}
	return s
}
