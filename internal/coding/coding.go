// Package coding knows HTTP's content codings (RFC 9110, 8.4.1): which of them a
// client accepts, and what is worth being coded.
//
// The invariant: a coding that the client has refused is never chosen, and one that
// it has not named is only chosen where it said "*".
//
//	coding.Choose(r.Header["Accept-Encoding"], coding.Zstd, coding.Gzip)
package coding

import "strings"

// The codings that are known here, by their registered names.
const (
	Identity = "identity" // none
	Gzip     = "gzip"
	Deflate  = "deflate" // the zlib format
	Brotli   = "br"
	Zstd     = "zstd"
)

// Choose returns the one of the offers that the client prefers, and Identity where
// it prefers that or accepts none of them. The lines are those of its
// Accept-Encoding; the offers are in the order of the server's own preference, which
// decides where the client has none, and are not more than eight.
//
// Identity that is refused loses to any offer that is accepted. Where all is refused
// it is the choice still: the client may be able to use it, and has no use for a 406.
func Choose(lines []string, offers ...string) string {
	if len(lines) == 0 {
		return Identity // anything would be right, and this is what such clients can read
	}
	w := weigh(lines, offers)
	best, weight := Identity, -1
	for i, offer := range offers {
		if q := w.of(i); q > 0 && q > weight {
			best, weight = offer, q
		}
	}
	// Identity is acceptable without being named: then it comes after all that are named.
	if w.identity > weight {
		return Identity
	}
	return best
}

// Refused says whether the client accepts no answer without a coding.
func Refused(lines []string) bool {
	w := weigh(lines, nil)
	return w.identity == 0 || w.identity < 0 && w.rest == 0
}

const unnamed = -1

// weights are what the client says of each offer, in thousandths.
type weights struct {
	offers   [8]int
	identity int
	rest     int // "*"
}

func (w *weights) of(i int) int {
	if w.offers[i] == unnamed {
		return w.rest
	}
	return w.offers[i]
}

// weigh reads Accept-Encoding. What is no list element is passed over; of a coding
// that is named twice the first one counts.
func weigh(lines, offers []string) weights {
	w := weights{identity: unnamed, rest: unnamed}
	for i := range w.offers {
		w.offers[i] = unnamed
	}
	for _, line := range lines {
		for element := range strings.SplitSeq(line, ",") {
			name, q, ok := parse(element)
			if !ok {
				continue
			}
			var at *int
			switch {
			case name == "*":
				at = &w.rest
			case strings.EqualFold(name, Identity):
				at = &w.identity
			default:
				for i, offer := range offers {
					if Same(name, offer) {
						at = &w.offers[i]
						break
					}
				}
			}
			if at != nil && *at == unnamed {
				*at = q
			}
		}
	}
	return w
}

// Same says whether name, as somebody has sent it, is the coding called coding here.
// Case is none of it, and x-gzip is an old name of gzip (RFC 9110, 8.4.1.3).
func Same(name, coding string) bool {
	return strings.EqualFold(name, coding) || coding == Gzip && strings.EqualFold(name, "x-gzip")
}

// Applied are the codings that the lines of a Content-Encoding name, in the order in
// which they were applied, without Identity.
func Applied(lines []string) []string {
	var names []string
	for _, line := range lines {
		for name := range strings.SplitSeq(line, ",") {
			if name = trim(name); name != "" && !strings.EqualFold(name, Identity) {
				names = append(names, name)
			}
		}
	}
	return names
}

// parse takes a coding and its weight apart: codings [ weight ] of RFC 9110, 12.5.3.
func parse(element string) (name string, q int, ok bool) {
	name, weight, weighted := strings.Cut(element, ";")
	name = trim(name)
	if name == "" || strings.ContainsAny(name, " \t\"") {
		return "", 0, false
	}
	if !weighted {
		return name, 1000, true
	}
	weight = trim(weight)
	if len(weight) < 2 || weight[0]|0x20 != 'q' || weight[1] != '=' {
		return "", 0, false
	}
	q, ok = quality(weight[2:])
	return name, q, ok
}

func trim(s string) string { return strings.Trim(s, " \t") }

// quality reads a qvalue: 0 or 1, with at most three digits behind the point.
func quality(s string) (int, bool) {
	if s == "" || s[0] != '0' && s[0] != '1' || len(s) > 5 {
		return 0, false
	}
	q := int(s[0]-'0') * 1000
	if len(s) == 1 {
		return q, true
	}
	if s[1] != '.' {
		return 0, false
	}
	scale := 100
	for _, c := range []byte(s[2:]) {
		if c < '0' || c > '9' {
			return 0, false
		}
		q += int(c-'0') * scale
		scale /= 10
	}
	return q, q <= 1000
}

// Compressible says whether a body of this media type gets smaller by being coded.
// What is not known does not.
func Compressible(contentType string) bool {
	kind, _, _ := strings.Cut(contentType, ";")
	kind = strings.ToLower(trim(kind))
	switch kind {
	case "application/json", "application/x-ndjson", "application/xml", "application/javascript", "application/x-javascript",
		"application/wasm", "application/vnd.ms-fontobject", "font/ttf", "font/otf", "image/bmp", "image/x-icon":
		return true
	}
	return strings.HasPrefix(kind, "text/") || strings.HasSuffix(kind, "+json") || strings.HasSuffix(kind, "+xml")
}

// Vary adds Accept-Encoding to the values of a Vary header, unless it or "*" is there.
func Vary(values []string) []string {
	for _, line := range values {
		for name := range strings.SplitSeq(line, ",") {
			if name = trim(name); name == "*" || strings.EqualFold(name, "Accept-Encoding") {
				return values
			}
		}
	}
	return append(values[:len(values):len(values)], "Accept-Encoding")
}
