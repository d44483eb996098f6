package http1

import (
	"bytes"
	"net/http"
	"strings"
	"unsafe"
)

// Judge holds a request of HTTP/2 to the rules and limits of HTTP/1's. net/http has read it
// already, and nobody has changed it since; nil says that a handler may see it. Its lengths
// are those that it would have in HTTP/1. What net/http takes out of a request before
// anybody sees it is not judged: an Expect that has 100-continue in a list, and Trailer. The
// limits are complete, see [Limits.Complete].
func (l *Limits) Judge(r *http.Request) *Refusal {
	found := l.judgeRequest(r)
	if found == nil {
		found = judgeHosts(r)
	}
	if found == nil {
		found = l.judgeFields(r)
	}
	if found == nil {
		return nil
	}
	refused := *found
	return &refused
}

// octets are those of s, for the rules that HTTP/1 has. Nobody writes to them.
func octets(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// judgeRequest judges what HTTP/1 has in the request line.
func (l *Limits) judgeRequest(r *http.Request) *Refusal {
	target := octets(r.RequestURI)
	switch {
	case !isToken(octets(r.Method)):
		return badMethod
	case len(r.Method)+len(" ")+len(target)+len(" HTTP/1.1") > l.RequestLine:
		return longRequestLine
	case r.Method == "CONNECT" && r.Header[":protocol"] == nil: // with that it is RFC 8441's, and has a path
		return judgeConnect(target)
	case r.RequestURI == "*" || strings.HasPrefix(r.RequestURI, "/"):
		return judgeTarget(target, r.Method == "OPTIONS")
	}
	return badPath
}

// judgeHosts judges :authority, which net/http makes the request's Host, and the field Host,
// which it takes in place of an :authority that is missing or empty, and leaves in the header.
func judgeHosts(r *http.Request) *Refusal {
	fields := r.Header["Host"]
	switch {
	case len(fields) > 1:
		return severalHost
	case len(fields) == 1 && fields[0] == "":
		return emptyHost
	case r.Host == "": // as in HTTP/1.0, from which a proxy may have it; HAProxy's checks have none
		return nil
	}
	host, port, ok := authority(octets(r.Host))
	switch valid := ok && len(host) > 0; {
	case !valid && len(fields) == 1 && fields[0] == r.Host:
		return badHost
	case !valid:
		return badAuthority
	case len(fields) == 0 || fields[0] == r.Host:
		return nil
	}
	again, itsPort, ok := authority(octets(fields[0]))
	switch {
	case !ok || len(again) == 0:
		return badHost
	case !bytes.EqualFold(host, again) || !samePort(r, string(port), string(itsPort)):
		return otherHost
	}
	return nil
}

// samePort reports whether two ports are the same, one of which may be left out if it is that
// of the scheme. In clear that is either: what ends the TLS in front speaks https.
func samePort(r *http.Request, a, b string) bool {
	if a == "" {
		a, b = b, a
	}
	return a == b || b == "" && (a == "443" || a == "80" && r.TLS == nil)
}

// judgeFields judges the fields one by one and together.
func (l *Limits) judgeFields(r *http.Request) *Refusal {
	lines, block := 0, 0
	if r.Header["Host"] == nil {
		lines, block = 1, len("Host: ")+len(r.Host)+len("\r\n")
	}
	for name, values := range r.Header {
		for _, value := range values {
			line := len(name) + len(": ") + len(value)
			if long := tooLongField(line, l.HeaderLine, l.HeaderBytes-block, longHeaderLine, longHeader); long != nil {
				return long
			}
			block += line + len("\r\n")
		}
		if lines += len(values); lines > l.Headers {
			return manyHeaders
		}
	}
	for _, value := range r.Header["Expect"] {
		if value != "" && !is(octets(value), "100-continue") {
			return badExpect
		}
	}
	return l.judgeLength(r)
}

// judgeLength judges Content-Length. net/http counts the body by it, and takes a request that
// ends with its header for one of no length at all.
func (l *Limits) judgeLength(r *http.Request) *Refusal {
	values := r.Header["Content-Length"]
	switch len(values) {
	case 0:
		return nil
	case 1:
	default:
		return severalLength
	}
	switch n, ok := number(octets(values[0])); {
	case !ok:
		return badLength
	case n > l.Body:
		return tooLarge(l.Body)
	case n != r.ContentLength:
		return wrongLength
	}
	return nil
}
