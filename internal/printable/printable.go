// Package printable makes text of others fit for a terminal.
//
// Invariant: nothing in a [Line] moves the cursor or turns the direction of writing,
// and each of its characters can be seen where it stands: what a worker, a client or a
// file has written cannot show as something else, nor hide behind it.
//
// The smallest use:
//
//	fmt.Println(printable.Line(request.Route))
package printable

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Line is text in one line: tabs and ends of lines are spaces, at its end they are left
// out, and what cannot be printed is "?".
func Line(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\n':
			return ' '
		case 0xfe00 <= r && r <= 0xfe0f: // they choose between forms of different width
			return -1
		case r == utf8.RuneError || !unicode.IsPrint(r):
			return '?'
		}
		return r
	}, strings.TrimRight(text, "\r\n"))
}
