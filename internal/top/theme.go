package top

import "github.com/tandem-go/tandem/internal/printable"

// style is what a piece of text is, from which a theme makes how it looks.
type style uint8

const (
	plain style = iota
	title
	faint
	good
	doubtful
	bad
	chosen
	styles
)

// theme are the parameters of SGR for each style; empty: nothing.
type theme [styles]string

var (
	// uncoloured has no escapes at all.
	uncoloured = theme{}
	// cautious is for a background that is not known: attributes, and colours that
	// can be read on either.
	cautious = theme{title: "1", bad: "1;31", doubtful: "35", chosen: "7"}
	dark     = theme{title: "1", faint: "38;5;247", good: "38;5;114", doubtful: "38;5;221", bad: "1;38;5;210", chosen: "7"}
	light    = theme{title: "1", faint: "38;5;241", good: "38;5;28", doubtful: "38;5;130", bad: "1;38;5;160", chosen: "7"}
)

// span is a piece of a line.
type span struct {
	text string
	style
}

// line puts spans together into at most n cells. Their text is made clean here:
// there is no other way to the screen.
func (t *theme) line(n int, spans ...span) string {
	var out []byte
	for _, s := range spans {
		text := cut(printable.Line(s.text), n)
		n -= width(text)
		code := t[s.style]
		if code == "" || text == "" {
			out = append(out, text...)
			continue
		}
		out = append(out, "\x1b["+code+"m"+text+"\x1b[m"...)
	}
	return string(out)
}

// ofState is how the state of a service or a worker looks.
func ofState(state string) style {
	switch state {
	case "running", "ready":
		return good
	case "degraded", "killed", "stopped":
		return bad
	}
	return doubtful // it is on its way to another
}
