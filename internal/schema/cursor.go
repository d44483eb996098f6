package schema

import "encoding/json"

// cursor walks over a JSON text that is known to be valid, so that no step can fail and nothing need be built of it.
type cursor struct {
	text []byte
	at   int
}

func (c *cursor) space() {
	for c.at < len(c.text) {
		switch c.text[c.at] {
		case ' ', '\t', '\r', '\n':
			c.at++
		default:
			return
		}
	}
}

// first is the byte that the next value begins with.
func (c *cursor) first() byte {
	c.space()
	return c.text[c.at]
}

// enter steps into the object or array that comes next.
func (c *cursor) enter() {
	c.space()
	c.at++
}

// more says whether the object or array has another element, and steps to it or out.
func (c *cursor) more() bool {
	switch c.first() {
	case ']', '}':
		c.at++
		return false
	case ',':
		c.at++
	}
	return true
}

// name takes the name of an object's next element.
func (c *cursor) name() []byte {
	name := c.value()
	c.space()
	c.at++ // the colon
	return name
}

// value takes the next value as it is written.
func (c *cursor) value() []byte {
	c.space()
	start := c.at
	switch c.text[c.at] {
	case '"':
		c.quoted()
	case '{', '[':
		for depth := 0; ; {
			switch c.text[c.at] {
			case '"':
				c.quoted()
				continue
			case '{', '[':
				depth++
			case '}', ']':
				depth--
			}
			c.at++
			if depth == 0 {
				return c.text[start:c.at]
			}
		}
	default:
		c.bare()
	}
	return c.text[start:c.at]
}

func (c *cursor) quoted() {
	for c.at++; c.text[c.at] != '"'; c.at++ {
		if c.text[c.at] == '\\' {
			c.at++
		}
	}
	c.at++
}

// bare steps over a number, true, false or null.
func (c *cursor) bare() {
	for c.at < len(c.text) {
		switch c.text[c.at] {
		case ',', ']', '}', ' ', '\t', '\r', '\n':
			return
		}
		c.at++
	}
}

// unquote is the string that a quoted one stands for.
func unquote(quoted []byte) string {
	for _, b := range quoted {
		if b == '\\' {
			var s string
			_ = json.Unmarshal(quoted, &s) // valid, as all of the text is
			return s
		}
	}
	return string(quoted[1 : len(quoted)-1])
}
