package sockets

import (
	"fmt"
	"testing"
	"unicode/utf8"

	"github.com/tandem-go/tandem/internal/websocket/wire"
	"github.com/tandem-go/tandem/test/served"
)

// around are what stands before and behind the octets in question.
var around = []struct{ before, behind string }{
	{"", ""},
	{"\u03ba\u1f79\u03c3\u03bc\u03b5", ""},
	{"", "\U00010330 edited"},
	{"a\u00e9", "\u20ac."},
}

// valid are texts at all borders of RFC 3629's table.
func valid() (texts []string) {
	for _, r := range []rune{
		0, 0x7f, 0x80, 0x7ff, 0x800, 0xfff, 0x1000, 0xcfff, 0xd7ff, 0xe000, 0xfffd, 0xfffe, 0xffff, // 6.23 and up: noncharacters are valid
		0x10000, 0x1fffe, 0x3ffff, 0x40000, 0xfffff, 0x100000, 0x10fffe, 0x10ffff, 0xfeff,
	} {
		texts = append(texts, string(r))
	}
	return texts
}

// invalid are octets that no text has: every first octet that is none, and for every one
// that is, second ones just outside of its range, later ones that are none, and all its beginnings.
func invalid() (texts []string) {
	for b := 0x80; b <= 0xff; b++ {
		if b < 0xc2 || b > 0xf4 {
			texts = append(texts, string([]byte{byte(b)}), string([]byte{byte(b), 0x80, 0x80, 0x80, 0x80}))
		}
	}
	for b := 0xc2; b <= 0xf4; b++ {
		low, high, more := byte(0x80), byte(0xbf), 1
		switch {
		case b == 0xe0:
			low, more = 0xa0, 2 // below: overlong
		case b == 0xed:
			high, more = 0x9f, 2 // above: surrogates
		case b == 0xf0:
			low, more = 0x90, 3
		case b == 0xf4:
			high, more = 0x8f, 3 // above: no code points
		case b >= 0xf0:
			more = 3
		case b >= 0xe0:
			more = 2
		}
		whole := []byte{byte(b), low, 0x80, 0x80}[:1+more]
		texts = append(texts, string([]byte{byte(b), low - 1}), string([]byte{byte(b), high + 1}))
		for n := 1; n <= more; n++ {
			texts = append(texts, string(whole[:n])) // the end comes too early
			broken := append(whole[:n:n], 'x')
			texts = append(texts, string(broken))
			broken[n] = 0xc3
			texts = append(texts, string(broken))
		}
	}
	return texts
}

// hopeless says how much of s has come when no octets behind it can make it a text; -1:
// it is one, or can become one. It tries, rather than to know the rules.
func hopeless(s string) int {
	for n := 1; n <= len(s); n++ {
		if !hopeful(s[:n]) {
			return n
		}
	}
	return -1
}

func hopeful(s string) bool {
	if utf8.ValidString(s) {
		return true
	}
	for _, second := range []string{"", "\x80", "\x8f", "\x90", "\x9f", "\xa0", "\xbf"} {
		for _, rest := range []string{"", "\x80", "\x80\x80"} {
			if utf8.ValidString(s + second + rest) {
				return true
			}
		}
	}
	return false
}

// Valid texts come back, however they are cut: into frames, and on the wire.
func TestTextsThatAreUTF8(t *testing.T) {
	var all []dialogue
	for _, v := range valid() {
		for _, a := range around {
			s := a.before + v + a.behind
			want := []string{echoed(fin|text, s), bidden}
			all = append(
				all,
				dialogue{name: fmt.Sprintf("%+q", s), sent: [][]byte{wire.Frame(fin|text, s), bye}, want: want},
				dialogue{name: fmt.Sprintf("%+q, byte by byte", s), sent: [][]byte{wire.Frame(fin|text, s), bye}, chop: 1, want: want},
			)
			for i := range len(s) + 1 {
				all = append(all, dialogue{
					name: fmt.Sprintf("%+q, in fragments of %d and %d bytes", s, i, len(s)-i),
					sent: [][]byte{wire.Frame(text, s[:i]), wire.Frame(fin|cont, s[i:]), bye}, want: want,
				})
			}
			each := dialogue{name: fmt.Sprintf("%+q, a fragment for each byte", s), want: want, sent: [][]byte{wire.Frame(text, "")}}
			for i := range len(s) {
				each.sent = append(each.sent, wire.Frame(cont, s[i:i+1]))
			}
			each.sent = append(each.sent, wire.Frame(fin|cont, ""), bye)
			all = append(all, each)
		}
	}
	everywhere(t, all)
}

// What is not UTF-8 is refused at the octet that leaves no hope, whatever is still to come of
// its frame and its message; and not before: a ping at that border is answered.
func TestTextsThatAreNot(t *testing.T) {
	var all []dialogue
	for _, v := range invalid() {
		for _, a := range around {
			s := a.before + v + a.behind
			name := fmt.Sprintf("%q", s)
			refused := []string{textRefused}
			all = append(all, dialogue{name: name, sent: [][]byte{wire.Frame(fin|text, s)}, want: refused})
			n := hopeless(s)
			if n < 0 { // an end that comes too early
				all = append(all, dialogue{name: name + ", the end being a fragment", sent: [][]byte{wire.Frame(text, s), wire.Frame(fin|cont, "")}, want: refused})
				continue
			}
			answered := []string{`fin pong "so far"`, textRefused}
			all = append(
				all,
				dialogue{name: name + ", of a longer frame", sent: [][]byte{wire.Raw(fin|text, len(s)+1000, make([]byte, 4), s[:n])}, want: refused},
				dialogue{name: name + ", of an unfinished message", sent: [][]byte{wire.Frame(text, s[:n])}, want: refused},
				dialogue{name: name + ", at a border of frames", sent: [][]byte{wire.Frame(text, s[:n-1]), wire.Frame(fin|ping8, "so far"), wire.Frame(cont, s[n-1:n])}, want: answered},
			)
		}
	}
	everywhere(t, all)
}

// In binary messages all octets are right.
func TestBinaryIsNoText(t *testing.T) {
	var all []dialogue
	for _, v := range invalid() {
		all = append(all, dialogue{
			name: fmt.Sprintf("%q", v), sent: [][]byte{wire.Frame(binary, v), wire.Frame(fin|cont, v), bye}, want: []string{echoed(fin|binary, v+v), bidden},
		})
	}
	hold(t, served.Start(t, served.Clear), all)
}
