package top

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
)

// clean makes text fit for one line of a terminal: nothing in it moves the cursor,
// turns the direction of writing or takes no place of its own where something else
// could hide behind it.
func clean(text string) string {
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

// width is how many cells text takes.
func width(text string) int { return ansi.StringWidthWc(text) }

// cut takes what of text fits into n cells; what was cut ends with "…".
func cut(text string, n int) string {
	if n <= 0 {
		return ""
	}
	return ansi.TruncateWc(text, n, "…")
}

// fill brings text to exactly n cells.
func fill(text string, n int, right bool) string {
	text = cut(text, n)
	pad := strings.Repeat(" ", max(0, n-width(text)))
	if right {
		return pad + text
	}
	return text + pad
}

// wrap breaks a line of clean text into pieces of at most n cells.
func wrap(text string, n int) []string {
	if width(text) <= n || n <= 0 {
		return []string{text}
	}
	var pieces []string
	begin, taken := 0, 0
	for i, r := range text {
		w := ansi.StringWidthWc(string(r))
		if taken+w > n && i > begin {
			pieces = append(pieces, text[begin:i])
			begin, taken = i, 0
		}
		taken += w
	}
	return append(pieces, text[begin:])
}
