package tandemvet

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/token"
	"strings"

	"golang.org/x/tools/go/analysis"
)

// check is one rule at work on one package.
type check struct {
	*colouring
	pass        *analysis.Pass
	options     *Options
	name        string
	suppressing []*suppression
	used        used
}

// used are the suppressions that a rule has needed, by position: each analyzer
// reads the comments for itself.
type used map[token.Pos]bool

// report makes a finding at n, unless it is in a file that is not looked at or
// suppressed.
func (c *check) report(n ast.Node, format string, args ...any) {
	if !c.options.looksAt(c.pass, n.Pos()) {
		return
	}
	at := c.pass.Fset.PositionFor(n.Pos(), false)
	for _, s := range c.suppressing {
		if s.rule == c.name && s.reason != "" && s.file == at.Filename && s.line == at.Line {
			c.used[s.pos] = true
			return
		}
	}
	c.pass.Report(analysis.Diagnostic{Pos: n.Pos(), End: n.End(), Message: fmt.Sprintf(format, args...)})
}

// looksAt says whether findings at pos are wanted.
func (o *Options) looksAt(pass *analysis.Pass, pos token.Pos) bool {
	for _, f := range pass.Files {
		if f.FileStart <= pos && pos < f.FileEnd {
			isTest := strings.HasSuffix(pass.Fset.PositionFor(f.Package, false).Filename, "_test.go")
			return (o.Tests || !isTest) && (o.Generated || !ast.IsGenerated(f))
		}
	}
	return false
}

const suppressionDoc = `report suppressions that are malformed or suppress nothing

A finding that is meant is suppressed on its line or above it:

	//tandemvet:ignore RULE reason

The reason is for whoever reads the code next.`

// suppression is one //tandemvet:ignore comment.
type suppression struct {
	pos          token.Pos
	rule, reason string
	file         string
	line         int // of the code that it speaks of
}

const suppressionPrefix = "//tandemvet:ignore"

// suppressions returns those of a package. One behind code speaks of its own
// line; one that is part of a comment, of the line below that.
func suppressions(pass *analysis.Pass) []*suppression {
	var found []*suppression
	for _, f := range pass.Files {
		for _, group := range f.Comments {
			for _, comment := range group.List {
				text, ok := strings.CutPrefix(comment.Text, suppressionPrefix)
				if !ok || text != "" && text[0] != ' ' && text[0] != '\t' {
					continue
				}
				text, _, _ = strings.Cut(text, " // ")
				rule, reason, _ := strings.Cut(strings.TrimSpace(text), " ")
				at := pass.Fset.PositionFor(comment.Pos(), false)
				line := at.Line
				if !behindCode(pass, at) {
					line = pass.Fset.PositionFor(group.End(), false).Line + 1
				}
				found = append(found, &suppression{
					pos: comment.Pos(), rule: rule, reason: strings.TrimSpace(reason), file: at.Filename, line: line,
				})
			}
		}
	}
	return found
}

// behindCode says whether there is code before the comment at that position, on
// its line.
func behindCode(pass *analysis.Pass, at token.Position) bool {
	source, err := pass.ReadFile(at.Filename)
	if err != nil || at.Offset > len(source) || at.Column-1 > at.Offset {
		return false
	}
	return len(bytes.TrimSpace(source[at.Offset-(at.Column-1):at.Offset])) > 0
}

// checkSuppressions is the run of the analyzer that has all rules behind it.
func checkSuppressions(pass *analysis.Pass, o *Options, all []*analysis.Analyzer) {
	for _, s := range suppressions(pass) {
		if !o.looksAt(pass, s.pos) {
			continue
		}
		known, needed := false, false
		for _, a := range all {
			known = known || a.Name == s.rule
			needed = needed || pass.ResultOf[a].(used)[s.pos]
		}
		switch {
		case s.rule == "":
			pass.Reportf(s.pos, "suppression of nothing: write %s RULE reason", suppressionPrefix)
		case !known:
			pass.Reportf(s.pos, "suppression of %s, which is no rule of tandemvet", s.rule)
		case s.reason == "":
			pass.Reportf(s.pos, "suppression of %s without a reason: write %[2]s %[1]s reason", s.rule, suppressionPrefix)
		case !needed:
			pass.Reportf(s.pos, "suppression of %s where it finds nothing: remove it", s.rule)
		}
	}
}
