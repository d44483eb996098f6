package middleware

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// maxField is how much of a field is written, in bytes; the client chooses most.
const maxField = 4 << 10

// bounded is s, or its beginning with a mark that there was more.
func bounded(s string) string {
	if len(s) <= maxField {
		return s
	}
	end := maxField
	for end > maxField-utf8.UTFMax && !utf8.RuneStart(s[end]) {
		end-- // not within a character
	}
	return s[:end] + "..."
}

const (
	upperHex = "0123456789ABCDEF"
	lowerHex = "0123456789abcdef"
)

func appendHex(b []byte, c byte) []byte {
	return append(b, '\\', 'x', upperHex[c>>4], upperHex[c&15])
}

// appendEscaped writes printable ASCII, except quotes and backslashes, as it is
// and every other byte as \xHH, as nginx does.
func appendEscaped(b []byte, s string, space bool) []byte {
	if s == "" {
		return append(b, '-')
	}
	if s == "-" {
		return appendHex(b, '-')
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ', c > '~', c == '"', c == '\\', c == ' ' && !space:
			b = appendHex(b, c)
		default:
			b = append(b, c)
		}
	}
	return b
}

// appendToken writes a field that ends with a space.
func appendToken(b []byte, s string) []byte { return appendEscaped(b, bounded(s), false) }

// appendQuotable writes what stands between quotes.
func appendQuotable(b []byte, s string) []byte { return appendEscaped(b, bounded(s), true) }

// appendMember writes another member of a JSON object. Besides what JSON wants
// escaped it escapes all that does not print: some readers end a line at U+0085 or
// U+2028, and a terminal obeys U+009B.
func appendMember(b []byte, name, value string) []byte {
	b = append(append(append(b, `,"`...), name...), `":"`...)
	value = bounded(value)
	if !utf8.ValidString(value) {
		value = string(appendEscaped(nil, value, true))
	}
	for _, c := range value {
		switch {
		case c == '"', c == '\\':
			b = append(b, '\\', byte(c))
		case ' ' <= c && c < 0x7f:
			b = append(b, byte(c))
		case strconv.IsPrint(c):
			b = utf8.AppendRune(b, c)
		case c > 0xffff:
			high, low := utf16.EncodeRune(c)
			b = appendUnicode(appendUnicode(b, high), low)
		default:
			b = appendUnicode(b, c)
		}
	}
	return append(b, '"')
}

// appendUnicode writes one UTF-16 unit as JSON escapes it.
func appendUnicode(b []byte, c rune) []byte {
	return append(b, '\\', 'u', lowerHex[c>>12&15], lowerHex[c>>8&15], lowerHex[c>>4&15], lowerHex[c&15])
}
