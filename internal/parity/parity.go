// Package parity is the list of what asgiref's and Django's own tests demand of
// code that mixes sync and async, and of what answers each demand here.
//
// Invariant: every row that is ported names a Go test that exists, every row that
// the compiler answers names a program that does not compile, and every row that
// is left out says why. parity_test.go holds it.
//
// Smallest use: `make docs` writes the rows into docs/sync-and-async.md.
//
//	doc, err := parity.Insert(page)
package parity

import (
	"bytes"
	"fmt"
	"strings"
)

// Answer says how a demand is met.
type Answer string

// The answers.
const (
	Ported   Answer = "ported"   // the same test in Go
	Intent   Answer = "intent"   // the same intent, by another mechanism
	Compiler Answer = "compiler" // it does not compile
	Left     Answer = "left out" // it makes no sense in Go; Tandem says why
)

// Row is one demand, or several that are the same.
type Row struct {
	Suite  string   // the file of the test, such as "asgiref test_sync.py"
	Tests  []string // their names there
	Answer Answer
	What   string // the behaviour
	Django string // its way there
	Tandem string // its way here; for Left: why there is none
	// By names what shows it: Go tests as package.TestName, programs as their
	// directories below testdata, such as view/testdata/wrong/x.
	By []string
}

// row is a row of one test that is ported: most are.
func row(suite, test, what, django, tandem string, by ...string) Row {
	return Row{Suite: suite, Tests: []string{test}, Answer: Ported, What: what, Django: django, Tandem: tandem, By: by}
}

// Rows returns all rows, in the order of the documentation.
func Rows() []Row {
	var all []Row
	for _, part := range [][]Row{asgirefRows, asgirefWSGIRows, djangoRows, djangoORMRows, djangoMiddlewareRows, djangoViewRows} {
		all = append(all, part...)
	}
	return all
}

// The markers between which the table stands.
const (
	begin = "<!-- begin parity: written by make docs from internal/parity -->\n"
	end   = "<!-- end parity -->\n"
)

// Insert returns the page with the table between its markers made anew.
func Insert(page []byte) ([]byte, error) {
	head, rest, ok := bytes.Cut(page, []byte(begin))
	_, tail, ok2 := bytes.Cut(rest, []byte(end))
	if !ok || !ok2 {
		return nil, fmt.Errorf("the page has no %q … %q", strings.TrimSpace(begin), strings.TrimSpace(end))
	}
	var b bytes.Buffer
	b.Write(head)
	b.WriteString(begin)
	suite := ""
	for _, r := range Rows() {
		if r.Suite != suite {
			suite = r.Suite
			fmt.Fprintf(&b, "\n### %s\n\n| test there | behaviour | Django's way | Tandem's way | shown by |\n|---|---|---|---|---|\n", suite)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", code(r.Tests), cell(r.What), cell(r.Django), cell(r.Tandem), r.shown())
	}
	b.WriteString("\n" + end)
	b.Write(tail)
	return b.Bytes(), nil
}

func (r Row) shown() string {
	switch r.Answer {
	case Left:
		return "left out"
	case Compiler:
		return "does not compile: " + code(r.By)
	}
	return code(r.By)
}

func code(names []string) string {
	var b strings.Builder
	for i, n := range names {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("`" + n + "`")
	}
	return b.String()
}

func cell(s string) string { return strings.ReplaceAll(s, "|", "\\|") }
