package top

import (
	"strings"

	"github.com/charmbracelet/x/ansi"
)

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
