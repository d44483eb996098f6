package websocket

import (
	"fmt"
	"slices"
	"strings"
)

// window is the range of RFC 7692's max_window_bits, by what a client may write: a number
// without a leading zero. The value is how far back deflate can refer, in bytes.
var window = map[string]int{"8": 1 << 8, "9": 1 << 9, "10": 1 << 10, "11": 1 << 11, "12": 1 << 12, "13": 1 << 13, "14": 1 << 14, "15": 1 << 15}

// fullWindow is how far back deflate can refer at all.
const fullWindow = 1 << 15

// extension is one element of Sec-WebSocket-Extensions.
type extension struct {
	name   string
	params []parameter
}

type parameter struct {
	name, value string
	bare        bool // it has no value
}

// agree takes the first offer of permessage-deflate that can be kept, and says
// what the answer says of it.
func agree(offers []extension) (*Deflate, string) {
	for _, offer := range offers {
		if d, said, ok := offer.deflate(); ok {
			return d, said
		}
	}
	return nil, ""
}

// deflate is what is agreed on if this is the offer; false if it is none that is
// valid: an unknown parameter, one that comes twice, a value that is none.
func (e extension) deflate() (*Deflate, string, bool) {
	if e.name != "permessage-deflate" {
		return nil, "", false
	}
	d := &Deflate{window: fullWindow}
	said := e.name + "; server_no_context_takeover; client_no_context_takeover"
	for i, p := range e.params {
		bits, number := window[p.value]
		valid := false
		switch p.name {
		case "server_no_context_takeover", "client_no_context_takeover":
			valid = p.bare
		case "client_max_window_bits":
			valid = p.bare || number
		case "server_max_window_bits":
			if valid = number; valid {
				d.window = bits
				said += fmt.Sprintf("; server_max_window_bits=%s", p.value)
			}
		}
		if !valid || slices.ContainsFunc(e.params[:i], func(q parameter) bool { return q.name == p.name }) {
			return nil, "", false
		}
	}
	return d, said, true
}

// extensions reads a list by the grammar of RFC 6455's section 9.1; false if it is malformed.
func extensions(list string) (all []extension, ok bool) {
	for {
		for list = blanks(list); strings.HasPrefix(list, ","); list = blanks(list[1:]) {
		}
		if list == "" {
			return all, len(all) > 0
		}
		var e extension
		if e.name, list = token(list); e.name == "" {
			return nil, false
		}
		for strings.HasPrefix(list, ";") {
			var p parameter
			if p.name, list = token(blanks(list[1:])); p.name == "" {
				return nil, false
			}
			if p.bare = !strings.HasPrefix(list, "="); !p.bare {
				if p.value, list = value(blanks(list[1:])); p.value == "" {
					return nil, false
				}
			}
			e.params = append(e.params, p)
		}
		if all = append(all, e); list != "" && list[0] != ',' {
			return nil, false
		}
	}
}

// value is a token, or one in quotation marks: "" if it is neither. rest is what comes
// behind it and its blanks.
func value(s string) (v, rest string) {
	if !strings.HasPrefix(s, `"`) {
		return token(s)
	}
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			if i++; i == len(s) {
				return "", s
			}
			v += s[i : i+1]
		case '"':
			if t, more := token(v); t != v || more != "" {
				return "", s
			}
			return v, blanks(s[i+1:])
		default:
			v += s[i : i+1]
		}
	}
	return "", s
}

// token is the one at the beginning, "" if there is none. rest is what comes behind it
// and its blanks.
func token(s string) (t, rest string) {
	n := strings.IndexFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r)
	})
	if n < 0 {
		n = len(s)
	}
	return s[:n], blanks(s[n:])
}

func blanks(s string) string { return strings.TrimLeft(s, " \t") }
