package main

import (
	"encoding/xml"
	"fmt"
	"image/color"
	"strings"

	uv "github.com/charmbracelet/ultraviolet"

	"github.com/tandem-go/tandem/test/harness"
)

// How the terminal looks.
const (
	cellWidth, cellHeight, edge = 8.4, 18, 12
	foreground, background      = "#d0d7de", "#0d1117"
)

// run is text of one style in one row.
type run struct {
	x, y, cells int
	text        string
	style       uv.Style
}

// svg draws a terminal.
func svg(t *harness.Terminal, columns, rows int) string {
	var runs []run
	t.Cells(func(x, y int, c *uv.Cell) {
		if c.Width == 0 {
			return // the second half of a wide one
		}
		text := c.Content
		if text == "" {
			text = " "
		}
		if n := len(runs); n > 0 {
			if last := &runs[n-1]; last.y == y && last.x+last.cells == x && last.style.Equal(&c.Style) {
				last.text += text
				last.cells += c.Width
				return
			}
		}
		runs = append(runs, run{x, y, c.Width, text, c.Style})
	})
	var b strings.Builder
	w, h := float64(columns)*cellWidth+2*edge, rows*cellHeight+2*edge
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %d" width="%.0f" height="%d" font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,DejaVu Sans Mono,monospace" font-size="14">`+"\n", w, h, w, h)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" rx="8" fill="%s"/>`+"\n", background)
	for _, r := range runs {
		r.draw(&b)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func (r run) draw(b *strings.Builder) {
	x, y := edge+float64(r.x)*cellWidth, edge+r.y*cellHeight
	width := float64(r.cells) * cellWidth
	ink, paper := hex(r.style.Fg, foreground), hex(r.style.Bg, background)
	if r.style.Attrs&uv.AttrReverse != 0 {
		ink, paper = paper, ink
	}
	if paper != background {
		fmt.Fprintf(b, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"/>`+"\n", x, y, width, cellHeight, paper)
	}
	if strings.TrimSpace(r.text) == "" {
		return
	}
	weight := ""
	if r.style.Attrs&uv.AttrBold != 0 {
		weight = ` font-weight="bold"`
	}
	var text strings.Builder
	_ = xml.EscapeText(&text, []byte(r.text)) // a strings.Builder takes everything
	// The length holds the columns together whatever font there is.
	fmt.Fprintf(b, `<text x="%.1f" y="%d" fill="%s"%s textLength="%.1f" lengthAdjust="spacingAndGlyphs" xml:space="preserve">%s</text>`+"\n",
		x, y+cellHeight-5, ink, weight, width, text.String())
}

func hex(c color.Color, otherwise string) string {
	if c == nil {
		return otherwise
	}
	r, g, b, _ := c.RGBA()
	return fmt.Sprintf("#%02x%02x%02x", r>>8, g>>8, b>>8)
}
