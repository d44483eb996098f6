package schema

import (
	"strconv"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
)

// MaxFaults is how many faults of one input are told.
const MaxFaults = 64

// A Fault is one thing that is wrong with an input.
type Fault struct {
	In      string // "body", "path", "query", "header" or "cookie"
	Field   string // such as tags[2].name; "" is all of the body
	Message string
}

// faults collects what is wrong in one part of the input.
type faults struct {
	in   string
	list []Fault

	// huma's, used again for each scalar.
	path   huma.PathBuffer
	result huma.ValidateResult
}

func (f *faults) full() bool { return len(f.list) >= MaxFaults }

func (f *faults) add(at *place, messages ...string) {
	for _, m := range messages {
		if f.full() {
			return
		}
		f.list = append(f.list, Fault{f.in, at.String(), clip(m)})
	}
}

// place is where in a body a value is; nil is all of it.
type place struct {
	up    *place
	name  []byte // as it is written, with quotes; nil for an element of an array
	index int
}

func (p *place) String() string { return string(p.appendTo(nil, maxWay)) }

// appendTo writes the last steps of the way. It keeps no pointer, so that places can live on the stack.
func (p *place) appendTo(b []byte, steps int) []byte {
	if p == nil || steps == 0 {
		return b
	}
	b = p.up.appendTo(b, steps-1)
	if p.name == nil {
		return append(strconv.AppendInt(append(b, '['), int64(p.index), 10), ']')
	}
	name := unquote(p.name)
	if !plain(name) {
		return append(strconv.AppendQuote(append(b, '['), clip(name)), ']')
	}
	if len(b) > 0 {
		b = append(b, '.')
	}
	return append(b, name...)
}

// plain says whether a name can stand between dots.
func plain(name string) bool {
	if name == "" || len(name) > maxText {
		return false
	}
	for _, c := range name {
		if c < '-' || c == '.' || c == '/' || '9' < c && c < 'A' || 'Z' < c && c < 'a' && c != '_' || 'z' < c {
			return false
		}
	}
	return true
}

// What a client has sent is told back in bounds.
const (
	maxText = 128 // bytes of a name or a message
	maxWay  = 32  // steps
)

func clip(s string) string {
	if len(s) <= maxText {
		return s
	}
	cut := maxText
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
