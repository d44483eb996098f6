package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// mutant is one way to break the package: one file of it, changed in one place.
type mutant struct {
	name   string // file, function, what was done; the same as long as that place is
	file   string
	source []byte // nil of one that is switched
	wants  string // of a meant one: the invariant that must break

	number  int    // of a switched one, from 1
	instead string // its condition

	fate fate
	err  error
}

// files are those that decide something. The others are types and names.
var files = []string{
	"backoff.go", "clock.go", "core.go", "event.go", "recycle.go", "reload.go", "restore.go", "saved.go", "settle.go", "snapshot.go", "worker.go",
}

// mutants returns all mutants of the package in dir, the meant ones first, and
// the files in which the switched ones are, by name.
func mutants(dir string) (all []*mutant, switched map[string]string, err error) {
	switched = map[string]string{}
	number := 0
	for _, m := range meant {
		source, err := os.ReadFile(filepath.Join(dir, m.file))
		if err != nil {
			return nil, nil, err
		}
		if n := bytes.Count(source, []byte(m.old)); n != 1 {
			return nil, nil, fmt.Errorf("meant mutant %q: its text is in %s %d times, it must be there once", m.name, m.file, n)
		}
		all = append(all, &mutant{
			name: "meant: " + m.name, file: m.file, wants: m.wants,
			source: bytes.Replace(source, []byte(m.old), []byte(m.new), 1),
		})
	}
	for _, file := range files {
		source, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			return nil, nil, err
		}
		e, err := systematic(file, source, &number)
		if err != nil {
			return nil, nil, err
		}
		all = append(all, e.found...)
		switched[file] = e.render(0, len(source), nil)
	}
	return all, switched, nil
}

// editor collects the mutants of one file.
type editor struct {
	file    string
	source  []byte
	set     *token.FileSet
	where   string // the function
	found   []*mutant
	seen    map[string]int
	negated map[*ast.BinaryExpr]bool
	texts   map[string]bool
	sites   []*site
	number  *int // of the last switched mutant
}

func systematic(file string, source []byte, number *int) (*editor, error) {
	set := token.NewFileSet()
	tree, err := parser.ParseFile(set, file, source, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	e := &editor{file: file, source: source, set: set, seen: map[string]int{}, negated: map[*ast.BinaryExpr]bool{}, texts: map[string]bool{string(source): true}, number: number}
	for _, decl := range tree.Decls {
		e.where = "const"
		if f, ok := decl.(*ast.FuncDecl); ok {
			if f.Name.Name == "String" {
				continue // for people
			}
			e.where = f.Name.Name
		}
		ast.Inspect(decl, func(n ast.Node) bool {
			e.visit(n)
			return true
		})
	}
	return e, nil
}

func (e *editor) text(n ast.Node) string {
	return string(e.source[e.set.Position(n.Pos()).Offset:e.set.Position(n.End()).Offset])
}

// sort is how a mutant is built.
type sort uint8

const (
	built     sort = iota // by itself
	condition             // switched: another condition
	dropped               // switched: a statement that is not there
)

// replace adds the mutant in which a node has another text.
func (e *editor) replace(n ast.Node, how sort, what, with string) {
	from, to := e.set.Position(n.Pos()).Offset, e.set.Position(n.End()).Offset
	source := slices.Concat(e.source[:from], []byte(with), e.source[to:])
	if e.texts[string(source)] {
		return
	}
	e.texts[string(source)] = true
	name := fmt.Sprintf("%s %s: %s", e.file, e.where, strings.Join(strings.Fields(what), " "))
	e.seen[name]++
	if k := e.seen[name]; k > 1 {
		name += " #" + strconv.Itoa(k)
	}
	m := &mutant{name: name, file: e.file}
	e.found = append(e.found, m)
	if how == built || e.where == "const" {
		m.source = source
		return
	}
	*e.number++
	m.number, m.instead = *e.number, with
	e.at(from, to, how == dropped, m)
}

// other is a comparison or sum with its boundary or sense moved.
var other = map[token.Token]token.Token{
	token.LSS: token.LEQ, token.LEQ: token.LSS, token.GTR: token.GEQ, token.GEQ: token.GTR,
	token.EQL: token.NEQ, token.NEQ: token.EQL, token.ADD: token.SUB, token.SUB: token.ADD,
}

func (e *editor) visit(n ast.Node) {
	switch n := n.(type) {
	case *ast.IfStmt:
		if b, ok := n.Cond.(*ast.BinaryExpr); ok && (b.Op == token.EQL || b.Op == token.NEQ) {
			e.negated[b] = true // the same as the other comparison
		}
		e.replace(n.Cond, condition, "negate "+e.text(n.Cond), "!("+e.text(n.Cond)+")")
	case *ast.BinaryExpr:
		x, y := e.text(n.X), e.text(n.Y)
		if n.Op == token.LAND || n.Op == token.LOR {
			e.replace(n, condition, "of "+e.text(n)+" only the left", x)
			e.replace(n, condition, "of "+e.text(n)+" only the right", y)
			return
		}
		if op, ok := other[n.Op]; ok && !literal(n.X) && !e.negated[n] {
			how := condition
			if n.Op == token.ADD || n.Op == token.SUB {
				how = built
			}
			e.replace(n, how, fmt.Sprintf("%s with %v", e.text(n), op), x+" "+op.String()+" "+y)
		}
	case *ast.UnaryExpr:
		if n.Op == token.NOT {
			e.replace(n, condition, "without the ! of "+e.text(n), e.text(n.X))
		}
	case *ast.BasicLit:
		if v, err := strconv.Atoi(strings.ReplaceAll(n.Value, "_", "")); n.Kind == token.INT && err == nil {
			e.replace(n, built, "number "+n.Value+" one more", strconv.Itoa(v+1))
		}
	case *ast.CallExpr:
		if f, ok := n.Fun.(*ast.Ident); ok && (f.Name == "min" || f.Name == "max") {
			e.replace(f, built, "opposite of "+e.text(n), map[string]string{"min": "max", "max": "min"}[f.Name])
		}
	case *ast.BlockStmt:
		for _, s := range n.List {
			e.drop(s)
		}
	case *ast.CaseClause:
		for _, s := range n.Body {
			e.drop(s)
		}
	}
}

// literal says whether an operand is a piece of text, so that + joins texts.
func literal(x ast.Expr) bool {
	lit, ok := x.(*ast.BasicLit)
	return ok && lit.Kind == token.STRING
}

// drop adds the mutants in which a statement is not there.
func (e *editor) drop(s ast.Stmt) {
	switch s := s.(type) {
	case *ast.AssignStmt:
		if s.Tok == token.DEFINE {
			return
		}
		// Dropping one of several: what is assigned keeps its value.
		for i := range s.Lhs {
			if len(s.Lhs) > 1 && len(s.Lhs) == len(s.Rhs) {
				e.replace(s.Rhs[i], built, "keep "+e.text(s.Lhs[i])+" in "+e.text(s), e.text(s.Lhs[i]))
			}
		}
	case *ast.ExprStmt, *ast.IncDecStmt, *ast.BranchStmt:
	case *ast.ReturnStmt:
		if len(s.Results) > 0 {
			return
		}
	default:
		return
	}
	e.replace(s, dropped, "drop "+e.text(s), "")
}
