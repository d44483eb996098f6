package view

import "strings"

// PreferredType is which of the media types on offer, such as "text/html", the
// request's Accept header prefers (RFC 9110, 12.5.1): that of the highest weight, of
// several the one that it says most exactly, and of these the first. Without a header
// it is the first of all, and "" where the client takes none of them. Parameters of
// types are passed over, and so are parts of the header that are malformed.
//
// An answer that depends on it says so: WithHeader(resp, "Vary", "Accept").
func (r *Request) PreferredType(offers ...string) string {
	return preferred(r.http.Header["Accept"], offers...)
}

func preferred(accept []string, offers ...string) string {
	if len(accept) == 0 && len(offers) > 0 {
		return offers[0]
	}
	best, than := "", wish{}
	for _, offer := range offers {
		if w := wishFor(accept, offer); w.q > than.q || w.q == than.q && w.q > 0 && w.near > than.near {
			best, than = offer, w
		}
	}
	return best
}

// How exactly a media range says a type.
const (
	unsaid  = iota
	anyType // */*
	anyOf   // text/*
	exactly
)

// wish is what a client says of a type.
type wish struct {
	near int
	q    int // thousandths
}

// wishFor is what the range that says a type most exactly says of it.
func wishFor(accept []string, typ string) (w wish) {
	for _, line := range accept {
		for rest := line; rest != ""; {
			var part string
			part, rest = cutUnquoted(rest, ',')
			span, params := cutUnquoted(part, ';')
			near := nearness(strings.Trim(span, " \t"), typ)
			if near == unsaid || near < w.near {
				continue
			}
			if q, ok := weight(params); ok && (near > w.near || q > w.q) {
				w = wish{near, q}
			}
		}
	}
	return w
}

// nearness of a media range, such as "text/*", to a type.
func nearness(span, typ string) int {
	switch {
	case span == "":
		return unsaid
	case strings.EqualFold(span, typ):
		return exactly
	case span == "*/*":
		return anyType
	}
	if main, any := strings.CutSuffix(span, "*"); any && main != "/" && strings.HasSuffix(main, "/") &&
		len(main) < len(typ) && strings.EqualFold(main, typ[:len(main)]) {
		return anyOf
	}
	return unsaid
}

// weight is the q of a media range's parameters, in thousandths; 1000 without one.
// It is not ok if it is malformed.
func weight(params string) (q int, ok bool) {
	for params != "" {
		var param string
		param, params = cutUnquoted(params, ';')
		param = strings.Trim(param, " \t")
		if len(param) < 2 || param[0] != 'q' && param[0] != 'Q' || param[1] != '=' {
			continue
		}
		digits := param[2:]
		if len(digits) == 0 || len(digits) > 5 || digits[0] != '0' && digits[0] != '1' || len(digits) > 1 && digits[1] != '.' {
			return 0, false
		}
		q = int(digits[0]-'0') * 1000
		for i, unit := 2, 100; i < len(digits); i, unit = i+1, unit/10 {
			if digits[i] < '0' || digits[i] > '9' {
				return 0, false
			}
			q += int(digits[i]-'0') * unit
		}
		return q, q <= 1000
	}
	return 1000, true
}

// cutUnquoted cuts s at the first separator that is in no quoted string.
func cutUnquoted(s string, sep byte) (before, after string) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			i++
		case !quoted && c == sep:
			return s[:i], s[i+1:]
		}
	}
	return s, ""
}
