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
	source []byte
	wants  string // of a meant one: the invariant that must break

	fate fate
	err  error
}

// files are those that decide something. The others are types and names.
var files = []string{
	"backoff.go", "clock.go", "core.go", "recycle.go", "reload.go", "restore.go", "saved.go", "settle.go", "snapshot.go", "worker.go",
}

// mutants returns all mutants of the package in dir, the meant ones first.
func mutants(dir string) ([]*mutant, error) {
	var all []*mutant
	for _, m := range meant {
		source, err := os.ReadFile(filepath.Join(dir, m.file))
		if err != nil {
			return nil, err
		}
		if n := bytes.Count(source, []byte(m.old)); n != 1 {
			return nil, fmt.Errorf("meant mutant %q: its text is in %s %d times, it must be there once", m.name, m.file, n)
		}
		all = append(all, &mutant{
			name: "meant: " + m.name, file: m.file, wants: m.wants,
			source: bytes.Replace(source, []byte(m.old), []byte(m.new), 1),
		})
	}
	for _, file := range files {
		source, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			return nil, err
		}
		found, err := systematic(file, source)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
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
}

func systematic(file string, source []byte) ([]*mutant, error) {
	set := token.NewFileSet()
	tree, err := parser.ParseFile(set, file, source, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	e := &editor{file: file, source: source, set: set, seen: map[string]int{}, negated: map[*ast.BinaryExpr]bool{}, texts: map[string]bool{string(source): true}}
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
	return e.found, nil
}

func (e *editor) text(n ast.Node) string {
	return string(e.source[e.set.Position(n.Pos()).Offset:e.set.Position(n.End()).Offset])
}

// replace adds the mutant in which a node has another text.
func (e *editor) replace(n ast.Node, what, with string) {
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
	e.found = append(e.found, &mutant{name: name, file: e.file, source: source})
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
		e.replace(n.Cond, "negate "+e.text(n.Cond), "!("+e.text(n.Cond)+")")
	case *ast.BinaryExpr:
		x, y := e.text(n.X), e.text(n.Y)
		if n.Op == token.LAND || n.Op == token.LOR {
			e.replace(n, "of "+e.text(n)+" only the left", x)
			e.replace(n, "of "+e.text(n)+" only the right", y)
			return
		}
		if op, ok := other[n.Op]; ok && !literal(n.X) && !e.negated[n] {
			e.replace(n, fmt.Sprintf("%s with %v", e.text(n), op), x+" "+op.String()+" "+y)
		}
	case *ast.UnaryExpr:
		if n.Op == token.NOT {
			e.replace(n, "without the ! of "+e.text(n), e.text(n.X))
		}
	case *ast.BasicLit:
		if v, err := strconv.Atoi(strings.ReplaceAll(n.Value, "_", "")); n.Kind == token.INT && err == nil {
			e.replace(n, "number "+n.Value+" one more", strconv.Itoa(v+1))
		}
	case *ast.CallExpr:
		if f, ok := n.Fun.(*ast.Ident); ok && (f.Name == "min" || f.Name == "max") {
			e.replace(f, "opposite of "+e.text(n), map[string]string{"min": "max", "max": "min"}[f.Name])
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
				e.replace(s.Rhs[i], "keep "+e.text(s.Lhs[i])+" in "+e.text(s), e.text(s.Lhs[i]))
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
	e.replace(s, "drop "+e.text(s), "")
}
