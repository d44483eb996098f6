package main

import (
	"fmt"
	"html"
	"image/color"
	"regexp"
	"strings"

	uv "github.com/charmbracelet/ultraviolet"
	"github.com/charmbracelet/x/ansi"

	"github.com/tandem-go/tandem/test/harness"
)

// A cell of the picture, in its units; and the terminal's own colours.
const (
	cellWidth, cellHeight = 8.4, 18
	margin                = 14
	background            = "#16181d"
	foreground            = "#d8dee9"
)

// run is a piece of a line that looks the same throughout.
type run struct {
	x, y, cells int
	text        string
	look        string
	behind      string // its background; "" for the terminal's
}

// picture draws what the terminal shows. It has no colour scheme of its viewer and no font but the viewer's monospaced
// one; each piece is given its length, so that columns stand below each other in any of them.
func picture(t *harness.Terminal) string {
	var runs []run
	t.Cells(func(x, y int, c *uv.Cell) {
		if c.Width == 0 {
			return // the second half of a wide one
		}
		text := c.Content
		if text == "" {
			text = " "
		}
		look, behind := looks(c.Style)
		if last := len(runs) - 1; last >= 0 {
			if r := &runs[last]; r.y == y && r.x+r.cells == x && r.look == look && r.behind == behind {
				r.text += text
				r.cells += c.Width
				return
			}
		}
		runs = append(runs, run{x, y, c.Width, text, look, behind})
	})
	width, height := columns*cellWidth+2*margin, float64(rows*cellHeight+2*margin)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" width="%.0f" height="%.0f" role="img" aria-label="supervisor top in a terminal">`+"\n", width, height, width, height)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" rx="8" fill="%s"/>`+"\n", background)
	fmt.Fprintf(&b, `<g font-family="ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace" font-size="14" fill="%s">`+"\n", foreground)
	for _, r := range runs {
		x, y, length := margin+float64(r.x)*cellWidth, margin+r.y*cellHeight, float64(r.cells)*cellWidth
		if r.behind != "" {
			fmt.Fprintf(&b, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"/>`+"\n", x, y, length, cellHeight, r.behind)
		}
		for _, p := range pieces(r) {
			fmt.Fprintf(&b, `<text x="%.1f" y="%d" textLength="%.1f" lengthAdjust="spacingAndGlyphs"%s>%s</text>`+"\n",
				margin+float64(p.x)*cellWidth, y+14, float64(p.cells)*cellWidth, p.look, html.EscapeString(p.text))
		}
	}
	b.WriteString("</g>\n</svg>\n")
	return b.String()
}

// several are spaces that would be drawn as one.
var several = regexp.MustCompile(` {2,}`)

// pieces takes a run apart where spaces stand.
func pieces(r run) (all []run) {
	at := r.x
	add := func(text string) {
		left := strings.TrimLeft(text, " ")
		x := at + len(text) - len(left)
		at += ansi.StringWidth(text)
		if text = strings.TrimRight(left, " "); text != "" {
			all = append(all, run{x: x, cells: ansi.StringWidth(text), text: text, look: r.look})
		}
	}
	from := 0
	for _, gap := range several.FindAllStringIndex(r.text, -1) {
		add(r.text[from:gap[0]])
		at += gap[1] - gap[0]
		from = gap[1]
	}
	add(r.text[from:])
	return all
}

// looks gives the attributes of a style, and its background.
func looks(s uv.Style) (look, behind string) {
	front, back := hex(s.Fg), hex(s.Bg)
	if s.Attrs&uv.AttrReverse != 0 {
		if front == "" {
			front = foreground
		}
		if back == "" {
			back = background
		}
		front, back = back, front
	}
	if front != "" {
		look += ` fill="` + front + `"`
	}
	if s.Attrs&uv.AttrBold != 0 {
		look += ` font-weight="bold"`
	}
	if s.Attrs&uv.AttrFaint != 0 {
		look += ` opacity="0.6"`
	}
	return look, back
}

func hex(c color.Color) string {
	if c == nil {
		return ""
	}
	r, g, b, _ := c.RGBA()
	return fmt.Sprintf("#%02x%02x%02x", r>>8, g>>8, b>>8)
}
