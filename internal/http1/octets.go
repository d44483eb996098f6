package http1

import "encoding/binary"

// Classes of octets.
const (
	token   uint8 = 1 << iota // RFC 9110 5.6.2
	pathRaw                   // stands for itself in a path, leniently: any VCHAR but # % ?
	hexits
	hostRaw // unreserved and sub-delims, RFC 3986
	quoted  // qdtext of RFC 9110 5.6.4
)

var class = func() (t [256]uint8) {
	set := func(c uint8, octets string) {
		for i := range len(octets) {
			t[octets[i]] |= c
		}
	}
	const digits, upper, lower = "0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz"
	set(token, "!#$%&'*+-.^_`|~"+digits+upper+lower)
	set(hexits, digits+"abcdefABCDEF")
	set(hostRaw, "-._~!$&'()*+,;="+digits+upper+lower)
	for c := '!'; c <= '~'; c++ {
		if c != '#' && c != '%' && c != '?' {
			t[c] |= pathRaw
		}
		if c != '"' && c != '\\' {
			t[c] |= quoted
		}
	}
	set(quoted, "\t ")
	for c := 0x80; c <= 0xff; c++ {
		t[c] |= quoted
	}
	return t
}()

// printable reports whether b has no control characters but HTAB (RFC 9110 5.5).
// It looks at eight octets at a time.
func printable(b []byte) bool {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	for ; len(b) >= 8; b = b[8:] {
		w := binary.LittleEndian.Uint64(b)
		control := (w - 0x20*ones) &^ w // below 0x20, in the highest bit of each
		del := w ^ 0x7f*ones
		if (control|(del-ones)&^del)&high != 0 && !eachPrintable(b[:8]) {
			return false
		}
	}
	return eachPrintable(b)
}

func eachPrintable(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// is reports whether b is the lower-case name but for case.
func is(b []byte, name string) bool {
	if len(b) != len(name) {
		return false
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != name[i] {
			return false
		}
	}
	return true
}

// isToken reports whether b is one.
func isToken(b []byte) bool {
	for _, c := range b {
		if class[c]&token == 0 {
			return false
		}
	}
	return len(b) > 0
}

// trim takes the optional whitespace off both ends.
func trim(b []byte) []byte {
	for len(b) > 0 && isBlank(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && isBlank(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }
