package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
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
	instead string // what it has there

	fate  fate
	err   error
	tried bool
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
	p, err := parse(dir)
	if err != nil {
		return nil, nil, err
	}
	for _, file := range files {
		e := p.systematic(file, &number)
		all = append(all, e.found...)
		switched[file] = e.render(0, len(e.source), nil)
	}
	return all, switched, nil
}

// program is the package as the compiler sees it.
type program struct {
	set     *token.FileSet
	trees   map[string]*ast.File
	sources map[string][]byte
	types   map[ast.Expr]types.TypeAndValue
	self    *types.Package
}

func parse(dir string) (*program, error) {
	p := &program{set: token.NewFileSet(), trees: map[string]*ast.File{}, sources: map[string][]byte{}, types: map[ast.Expr]types.TypeAndValue{}}
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	var trees []*ast.File
	for _, path := range paths {
		name := filepath.Base(path)
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		if p.sources[name], err = os.ReadFile(path); err != nil {
			return nil, err
		}
		if p.trees[name], err = parser.ParseFile(p.set, name, p.sources[name], parser.SkipObjectResolution); err != nil {
			return nil, err
		}
		trees = append(trees, p.trees[name])
	}
	for _, file := range files {
		if p.trees[file] == nil {
			return nil, fmt.Errorf("%s is not in %s", file, dir)
		}
	}
	config := types.Config{Importer: importer.ForCompiler(p.set, "source", nil)}
	p.self, err = config.Check("arbiter", p.set, trees, &types.Info{Types: p.types})
	return p, err
}

// typeOf names the type of an expression, empty if it has none of its own.
func (p *program) typeOf(x ast.Expr) string {
	t := p.types[x].Type
	if t == nil {
		return ""
	}
	if basic, ok := t.(*types.Basic); ok && (basic.Info()&types.IsUntyped != 0 || basic.Kind() == types.Invalid) {
		return ""
	}
	return types.TypeString(t, func(other *types.Package) string {
		if other == p.self {
			return ""
		}
		return other.Name()
	})
}

// editor collects the mutants of one file.
type editor struct {
	*program
	file    string
	source  []byte
	where   string // the function
	found   []*mutant
	seen    map[string]int
	negated map[*ast.BinaryExpr]bool
	texts   map[string]bool
	sites   []*site
	number  *int // of the last switched mutant
}

func (p *program) systematic(file string, number *int) *editor {
	source := p.sources[file]
	e := &editor{program: p, file: file, source: source, seen: map[string]int{}, negated: map[*ast.BinaryExpr]bool{}, texts: map[string]bool{string(source): true}, number: number}
	for _, decl := range p.trees[file].Decls {
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
	return e
}

func (e *editor) text(n ast.Node) string {
	return string(e.source[e.set.Position(n.Pos()).Offset:e.set.Position(n.End()).Offset])
}

// dropped stands for the type of a statement, which is switched by not being there.
const dropped = "dropped"

// replace adds the mutant in which a node has another text. It is switched if it
// is a statement or its type is known, and else built by itself, as constants are.
func (e *editor) replace(n ast.Node, typ, what, with string) {
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
	if typ == "" || e.where == "const" {
		m.source = source
		return
	}
	*e.number++
	m.number, m.instead = *e.number, with
	e.at(from, to, typ, m)
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
		e.replace(n.Cond, "bool", "negate "+e.text(n.Cond), "!("+e.text(n.Cond)+")")
	case *ast.BinaryExpr:
		x, y := e.text(n.X), e.text(n.Y)
		if n.Op == token.LAND || n.Op == token.LOR {
			e.replace(n, "bool", "of "+e.text(n)+" only the left", x)
			e.replace(n, "bool", "of "+e.text(n)+" only the right", y)
			return
		}
		typ := e.typeOf(n)
		if n.Op != token.ADD && n.Op != token.SUB {
			typ = "bool"
		}
		if op, ok := other[n.Op]; ok && typ != "string" && !e.negated[n] {
			e.replace(n, typ, fmt.Sprintf("%s with %v", e.text(n), op), x+" "+op.String()+" "+y)
		}
	case *ast.UnaryExpr:
		if n.Op == token.NOT {
			e.replace(n, "bool", "without the ! of "+e.text(n), e.text(n.X))
		}
	case *ast.BasicLit:
		if v, err := strconv.Atoi(strings.ReplaceAll(n.Value, "_", "")); n.Kind == token.INT && err == nil {
			e.replace(n, e.typeOf(n), "number "+n.Value+" one more", strconv.Itoa(v+1))
		}
	case *ast.CallExpr:
		if f, ok := n.Fun.(*ast.Ident); ok && (f.Name == "min" || f.Name == "max") {
			opposite := map[string]string{"min": "max", "max": "min"}[f.Name]
			e.replace(n, e.typeOf(n), "opposite of "+e.text(n), opposite+strings.TrimPrefix(e.text(n), f.Name))
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
				e.replace(s.Rhs[i], e.typeOf(s.Lhs[i]), "keep "+e.text(s.Lhs[i])+" in "+e.text(s), e.text(s.Lhs[i]))
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
