package main

import (
	"fmt"
	"regexp"
	"strings"
)

// manual is a manual page in the making, in the man macros, which every renderer
// knows. Texts are plain but for `code` and [links](to.md), as in Markdown; of a link
// its text stays.
//
// The title's third field is left empty, and its fourth says "Tandem": the install
// script puts the date and the version there.
type manual struct {
	b      strings.Builder
	headed bool // the last line is a heading, after which a paragraph begins by itself
}

func newManual(name string, section int, about string) *manual {
	m := &manual{}
	fmt.Fprintf(&m.b, `.\" Made by make docs. Change what it is made of.
.TH %s %d "" "Tandem" "Tandem's manual"
.SH NAME
%s \- %s
`, strings.ToUpper(name), section, name, roff(about))
	return m
}

func (m *manual) section(title string)    { m.heading(".SH", title) }
func (m *manual) subsection(title string) { m.heading(".SS", title) }

func (m *manual) heading(macro, title string) {
	fmt.Fprintf(&m.b, "%s %s\n", macro, roff(title))
	m.headed = true
}

func (m *manual) paragraph() {
	if !m.headed {
		m.b.WriteString(".PP\n")
	}
	m.headed = false
}

// paragraphs writes a text in which blank lines part paragraphs.
func (m *manual) paragraphs(text string) {
	for paragraph := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		m.paragraph()
		m.b.WriteString(sentences(paragraph) + "\n")
	}
}

// item writes a term, which may hold code, and what it means.
func (m *manual) item(term, about string) {
	fmt.Fprintf(&m.b, ".TP\n%s\n%s\n", roff(term), sentences(about))
	m.headed = false
}

// verbatim writes lines as they are.
func (m *manual) verbatim(lines ...string) {
	m.paragraph()
	m.b.WriteString(".nf\n.RS 4\n")
	for _, line := range lines {
		m.b.WriteString(guarded(dashes(escaped(line))) + "\n")
	}
	m.b.WriteString(".RE\n.fi\n")
}

var (
	link   = regexp.MustCompile(`\[([^\]]+)\]\([^)]+\)`)
	code   = regexp.MustCompile("`([^`]+)`")
	option = regexp.MustCompile(`(^|[\s(\[|])(--?[A-Za-z][A-Za-z-]*)`)
	ending = regexp.MustCompile("([a-z0-9)`][.:]) ([A-Z`'])")
)

// sentences gives a text with each sentence on lines of its own, as roff's
// spacing and whoever compares two versions want it.
func sentences(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	lines := strings.Split(ending.ReplaceAllString(text, "$1\n$2"), "\n")
	for i, line := range lines {
		lines[i] = roff(line)
	}
	return strings.Join(lines, "\n")
}

// roff gives one line of text with code in bold.
func roff(text string) string {
	text = link.ReplaceAllString(text, "$1")
	var b strings.Builder
	at := 0
	for _, found := range code.FindAllStringSubmatchIndex(text, -1) {
		b.WriteString(plain(text[at:found[0]]))
		b.WriteString(`\fB` + dashes(escaped(text[found[2]:found[3]])) + `\fR`)
		at = found[1]
	}
	b.WriteString(plain(text[at:]))
	return guarded(b.String())
}

// plain escapes running text. The dashes of options are those that are typed, any
// other is a hyphen.
func plain(text string) string {
	return option.ReplaceAllStringFunc(escaped(text), dashes)
}

func dashes(text string) string { return strings.ReplaceAll(text, "-", `\-`) }

func escaped(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '\\':
			b.WriteString(`\e`)
		case r > '~':
			fmt.Fprintf(&b, `\[u%04X]`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// guarded keeps a line from being taken for a request.
func guarded(line string) string {
	if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
		return `\&` + line
	}
	return line
}
