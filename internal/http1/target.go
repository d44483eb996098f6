package http1

import (
	"bytes"
	"net/netip"
)

// request judges a request line.
func (g *Guard) request(line []byte) *Refusal {
	end := bytes.IndexByte(line, ' ')
	if end < 0 {
		return badRequestLine
	}
	method := line[:end]
	if !isToken(method) {
		return badMethod
	}
	rest := line[end+1:]
	end = bytes.IndexByte(rest, ' ')
	if end <= 0 {
		return badRequestLine
	}
	target, version := rest[:end], rest[end+1:]
	switch string(version) {
	case "HTTP/1.1":
		g.seen |= version11
	case "HTTP/1.0":
	default:
		if g.bounds().H2C && g.seen&sawOneRequest == 0 && string(line) == prefaceLine {
			g.phase = inPreface
			return nil
		}
		if len(version) == 8 && string(version[:5]) == "HTTP/" && digit(version[5]) && version[6] == '.' && digit(version[7]) {
			return otherVersion
		}
		return badVersion
	}
	g.phase, g.block, g.fields = fieldLines, 0, 0
	if string(method) == "CONNECT" {
		g.seen |= isConnect
		return judgeConnect(target)
	}
	return judgeTarget(target, string(method) == "OPTIONS")
}

// judgeConnect judges the target of CONNECT.
func judgeConnect(target []byte) *Refusal {
	if host, port, ok := authority(target); !ok || len(host) == 0 || !validPort(port) {
		return badConnect
	}
	return nil
}

// judgeTarget judges a request target other than that of CONNECT.
func judgeTarget(target []byte, options bool) *Refusal {
	if target[0] == '/' {
		return judgePath(target)
	}
	if string(target) == "*" {
		if !options {
			return badAsterisk
		}
		return nil
	}
	for _, scheme := range [...]string{"http://", "https://"} {
		if len(target) < len(scheme) || !is(target[:len(scheme)], scheme) {
			continue
		}
		rest := target[len(scheme):]
		end := bytes.IndexAny(rest, "/?#")
		if end < 0 {
			end = len(rest)
		}
		if host, _, ok := authority(rest[:end]); !ok || len(host) == 0 {
			return badAuthority
		}
		return judgePath(rest[end:])
	}
	return badScheme
}

// judgePath judges a path with its query. It is more lenient than RFC 3986: what
// browsers leave as it is, such as | and ", passes.
func judgePath(b []byte) *Refusal {
	query := false
	for i := 0; i < len(b); i++ {
		if class[b[i]]&pathRaw != 0 {
			continue
		}
		switch b[i] {
		case '?':
			query = true
		case '%':
			// In a query net/http takes a lone one.
			if !query && !percentEncoded(b[i:]) {
				return badPercent
			}
		case '#':
			return fragment
		default:
			return badOctet
		}
	}
	return nil
}

func percentEncoded(b []byte) bool {
	return len(b) >= 3 && class[b[1]]&hexits != 0 && class[b[2]]&hexits != 0
}

// authority splits host and port: uri-host [ ":" port ] of RFC 9110 4.2. The port
// is nil if there is no colon. IPvFuture is none that anybody has (RFC 3986 3.2.2).
func authority(b []byte) (host, port []byte, ok bool) {
	end := 0
	if len(b) > 0 && b[0] == '[' {
		if end = bytes.IndexByte(b, ']') + 1; end == 0 {
			return nil, nil, false
		}
		ip, err := netip.ParseAddr(string(b[1 : end-1]))
		if err != nil || !ip.Is6() || ip.Zone() != "" {
			return nil, nil, false
		}
	} else {
		for end < len(b) && b[end] != ':' {
			if class[b[end]]&hostRaw == 0 && !(b[end] == '%' && percentEncoded(b[end:])) {
				return nil, nil, false
			}
			end++
		}
	}
	if end == len(b) {
		return b, nil, true
	}
	if b[end] != ':' {
		return nil, nil, false
	}
	port = b[end+1:]
	for _, c := range port {
		if !digit(c) {
			return nil, nil, false
		}
	}
	return b[:end], port, true
}

// validPort reports whether there is a port, and it is one.
func validPort(digits []byte) bool {
	n := 0
	for _, c := range digits {
		if n = n*10 + int(c-'0'); n > 65535 {
			return false
		}
	}
	return n > 0
}

func digit(c byte) bool { return '0' <= c && c <= '9' }
