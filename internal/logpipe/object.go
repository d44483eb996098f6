package logpipe

import (
	"bytes"
	"encoding/json"
)

// maxDepth is how deep an object may nest to be kept as an object.
const maxDepth = 200

// object is a JSON object without the white space around it.
type object struct {
	text  []byte
	empty bool // it has no member
}

// parseObject tells whether all of b is one JSON object that can take a member
// "tandem". It is stricter than encoding/json in the depth only, and does not
// allocate.
func parseObject(b []byte) (object, bool) {
	s := scanner{b: b}
	s.space()
	start := s.i
	if s.i == len(b) || b[s.i] != '{' {
		return object{}, false
	}
	empty, ok := s.object(0)
	end := s.i
	s.space()
	if !ok || s.i != len(b) || s.tandem {
		return object{}, false
	}
	return object{text: b[start:end], empty: empty}, true
}

// scanner checks JSON. After a method returned false its state means nothing.
type scanner struct {
	b      []byte
	i      int
	tandem bool // the outermost object has a member of that name
}

// peek is the next byte; 0, which JSON does not have, at the end.
func (s *scanner) peek() byte {
	if s.i < len(s.b) {
		return s.b[s.i]
	}
	return 0
}

func (s *scanner) space() {
	for s.i < len(s.b) && (s.b[s.i] == ' ' || s.b[s.i] == '\t' || s.b[s.i] == '\n' || s.b[s.i] == '\r') {
		s.i++
	}
}

func (s *scanner) object(depth int) (empty, ok bool) {
	s.i++
	s.space()
	if s.peek() == '}' {
		s.i++
		return true, true
	}
	for {
		key := s.i
		if !s.string() {
			return false, false
		}
		if depth == 0 && isTandem(s.b[key:s.i]) {
			s.tandem = true
		}
		s.space()
		if s.peek() != ':' {
			return false, false
		}
		s.i++
		if !s.value(depth + 1) {
			return false, false
		}
		switch s.peek() {
		case '}':
			s.i++
			return false, true
		case ',':
			s.i++
			s.space()
		default:
			return false, false
		}
	}
}

func (s *scanner) array(depth int) bool {
	s.i++
	s.space()
	if s.peek() == ']' {
		s.i++
		return true
	}
	for {
		if !s.value(depth + 1) {
			return false
		}
		c := s.peek()
		s.i++
		if c != ',' {
			return c == ']'
		}
	}
}

// value takes a value and the white space around it.
func (s *scanner) value(depth int) bool {
	s.space()
	ok := false
	switch c := s.peek(); {
	case c == '"':
		ok = s.string()
	case c == '{':
		if depth < maxDepth {
			_, ok = s.object(depth)
		}
	case c == '[':
		ok = depth < maxDepth && s.array(depth)
	case c == 't':
		ok = s.word("true")
	case c == 'f':
		ok = s.word("false")
	case c == 'n':
		ok = s.word("null")
	default:
		ok = s.number()
	}
	s.space()
	return ok
}

func (s *scanner) word(w string) bool {
	ok := bytes.HasPrefix(s.b[s.i:], []byte(w))
	s.i += len(w)
	return ok
}

func (s *scanner) string() bool {
	if s.peek() != '"' {
		return false
	}
	for s.i++; s.i < len(s.b); s.i++ {
		switch c := s.b[s.i]; {
		case c == '"':
			s.i++
			return true
		case c < ' ':
			return false
		case c == '\\':
			s.i++
			switch s.peek() {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			case 'u':
				for range 4 {
					s.i++
					if c := s.peek() | 0x20; !isDigit(s.peek()) && (c < 'a' || c > 'f') {
						return false
					}
				}
			default:
				return false
			}
		}
	}
	return false
}

func (s *scanner) number() bool {
	if s.peek() == '-' {
		s.i++
	}
	if s.peek() == '0' {
		s.i++
	} else if !s.digits() {
		return false
	}
	if s.peek() == '.' {
		s.i++
		if !s.digits() {
			return false
		}
	}
	if s.peek()|0x20 == 'e' {
		s.i++
		if c := s.peek(); c == '+' || c == '-' {
			s.i++
		}
		return s.digits()
	}
	return true
}

// digits takes at least one.
func (s *scanner) digits() bool {
	start := s.i
	for isDigit(s.peek()) {
		s.i++
	}
	return s.i > start
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// isTandem tells whether a valid JSON string, quotes included, says tandem.
func isTandem(key []byte) bool {
	if bytes.IndexByte(key, '\\') < 0 {
		return string(key) == `"tandem"`
	}
	var k string
	return json.Unmarshal(key, &k) == nil && k == "tandem"
}
