package sockets

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/internal/websocket/wire"
)

// step is one frame that a client may send, right or wrong.
type step struct {
	name    string
	first   byte
	payload string
}

var steps = []step{
	{"text", fin | text, "whole"},
	{"text..", text, "be"},
	{"binary..", binary, "be"},
	{"cont..", cont, "gi"},
	{"cont", fin | cont, "n"},
	{"ping", fin | ping8, "?"},
	{"ping..", ping8, "?"},
	{"pong", fin | pong, "!"},
	{"close", fin | closing, "\x03\xe8"},
}

// model is RFC 6455's section 5.4 in a few lines.
type model struct {
	kind    byte   // of the message that has begun; 0: none
	message string // as far as it has come
	want    []string
	over    bool // the connection is
}

func (m model) after(s step) model {
	m.want = slices.Clone(m.want)
	end := func(answer string) model {
		m.want, m.over = append(m.want, answer), true
		return m
	}
	kind, final := s.first&0xf, s.first&fin != 0
	switch {
	case kind >= closing && !final:
		return end(controlFragmented)
	case kind == closing:
		return end(bidden)
	case kind == ping8:
		m.want = append(m.want, echoed(fin|pong, s.payload))
		return m
	case kind == pong:
		return m
	case kind == cont && m.kind == 0:
		return end(unexpectedContinuation)
	case kind != cont && m.kind != 0:
		return end(unexpectedBeginning)
	}
	if kind != cont {
		m.kind, m.message = kind, ""
	}
	if m.message += s.payload; final {
		m.want, m.kind = append(m.want, echoed(fin|m.kind, m.message)), 0
	}
	return m
}

// Every sequence of up to five frames, each of nine kinds; behind its end another
// one, which nobody may look at. Sequences that are right end with a close frame.
func TestEverySequenceOfFrames(t *testing.T) {
	everywhere(t, sequences("", model{}, nil, 5))
}

// sequences are all that begin with what was sent, and have up to depth steps more.
func sequences(name string, m model, sent [][]byte, depth int) []dialogue {
	if m.over {
		return []dialogue{{name: name, sent: append(slices.Clone(sent), wire.Frame(fin|ping8, "late")), want: m.want}}
	}
	all := []dialogue{{name: name, sent: append(slices.Clone(sent), bye), want: append(slices.Clone(m.want), bidden)}}
	if depth > 0 {
		for _, s := range steps {
			all = append(all, sequences(name+" "+s.name, m.after(s), append(slices.Clone(sent), wire.Frame(s.first, s.payload)), depth-1)...)
		}
	}
	return all
}

// A message in up to five fragments, some of them empty, with control frames between
// all of them, whole and byte by byte.
func TestFragmentsWithControlFramesBetween(t *testing.T) {
	between := map[string]struct{ sent, want []string }{
		"nothing":   {},
		"a ping":    {sent: []string{"\x89p"}, want: []string{`fin pong "p"`}},
		"a pong":    {sent: []string{"\x8ap"}},
		"both":      {sent: []string{"\x8a", "\x89"}, want: []string{`fin pong ""`}},
		"long ping": {sent: []string{"\x89" + long}, want: []string{echoed(fin|pong, long)}},
	}
	var all []dialogue
	for _, kind := range []byte{text, binary} {
		for n := 1; n <= 5; n++ {
			for empty := range 1 << n {
				for what, control := range between {
					d := dialogue{name: fmt.Sprintf("kind %d, %d fragments, empty %05b, %s between", kind, n, empty, what)}
					message, first := "", kind
					for i := range n {
						part := ""
						if empty>>i&1 == 0 {
							part = fmt.Sprint("fragment", i)
						}
						message += part
						if i == n-1 {
							d.sent = append(d.sent, wire.Frame(first|fin, part))
							break
						}
						d.sent = append(d.sent, wire.Frame(first, part))
						first = cont
						for _, c := range control.sent {
							d.sent = append(d.sent, wire.Frame(c[0], c[1:]))
						}
						d.want = append(d.want, control.want...)
					}
					d.sent = append(d.sent, bye)
					d.want = append(d.want, echoed(fin|kind, message), bidden)
					slow := d
					slow.chop, slow.name = 1, d.name+", byte by byte"
					all = append(all, d, slow)
				}
			}
		}
	}
	everywhere(t, all)
}

// long is the longest payload of a control frame.
var long = strings.Repeat("*", 125)
