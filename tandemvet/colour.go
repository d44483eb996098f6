package tandemvet

import (
	"go/ast"
	"go/types"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/passes/inspect"
	"golang.org/x/tools/go/ast/edge"
	"golang.org/x/tools/go/ast/inspector"
	"golang.org/x/tools/go/types/typeutil"
)

// kind is how code runs.
type kind uint8

const (
	unknown kind = iota // cannot be told
	pending             // cannot be told before the fates are settled
	plain               // as its caller does
	async               // with a ctx
	sync                // to its end, in a sync frame
)

// colour is how a piece of code runs, and which function decides it.
type colour struct {
	kind    kind
	by      ast.Node // a *ast.FuncDecl or *ast.FuncLit; nil if unknown
	spawned bool     // on a goroutine that by starts
}

// colouring knows a package's functions, variables and the facts of what it
// imports.
type colouring struct {
	pkg    *types.Package
	info   *types.Info
	facts  *analysis.Pass // to import facts with
	root   inspector.Cursor
	calls  []inspector.Cursor                // all *ast.CallExpr
	uses   map[*types.Var][]inspector.Cursor // of variables, fields left out
	values map[*types.Var][]ast.Expr         // what is assigned to them; of a call with several results the call
	views  map[*types.Func]bool              // those of a sync view's type that are used as values

	known    map[ast.Node]colour // of functions
	busy     map[ast.Node]bool   // functions being decided
	fates    map[*types.Func][]fate
	settled  bool // the fates are
	syncOnly map[*types.Func][]string
	crosses  map[*types.Func][]string
}

func newColouring(pass *analysis.Pass) *colouring {
	c := &colouring{
		pkg:      pass.Pkg,
		info:     pass.TypesInfo,
		facts:    pass,
		root:     pass.ResultOf[inspect.Analyzer].(*inspector.Inspector).Root(),
		uses:     map[*types.Var][]inspector.Cursor{},
		values:   map[*types.Var][]ast.Expr{},
		views:    map[*types.Func]bool{},
		known:    map[ast.Node]colour{},
		busy:     map[ast.Node]bool{},
		fates:    map[*types.Func][]fate{},
		syncOnly: map[*types.Func][]string{},
		crosses:  map[*types.Func][]string{},
	}
	c.index()
	c.marks()
	c.settleFates()
	c.settleCalls()
	c.export()
	return c
}

// index notes calls, where variables are used and assigned, and views.
func (c *colouring) index() {
	for cur := range c.root.Preorder((*ast.CallExpr)(nil), (*ast.Ident)(nil), (*ast.AssignStmt)(nil), (*ast.ValueSpec)(nil)) {
		switch n := cur.Node().(type) {
		case *ast.CallExpr:
			c.calls = append(c.calls, cur)
		case *ast.Ident:
			switch obj := c.info.Uses[n].(type) {
			case *types.Var:
				if !obj.IsField() {
					c.uses[obj] = append(c.uses[obj], cur)
				}
			case *types.Func:
				if shapeOf(obj.Signature()) == syncView && c.isValue(cur) {
					c.views[obj.Origin()] = true
				}
			}
		case *ast.AssignStmt:
			for i, left := range n.Lhs {
				if id, ok := left.(*ast.Ident); ok {
					c.assigned(id, n.Rhs, i)
				}
			}
		case *ast.ValueSpec:
			for i, id := range n.Names {
				c.assigned(id, n.Values, i)
			}
		}
	}
}

// isValue says whether the function that an identifier names is not called there,
// but given to somebody: not to view.Phases, which calls it in either colour.
func (c *colouring) isValue(cur inspector.Cursor) bool {
	if cur.ParentEdgeKind() == edge.SelectorExpr_Sel {
		cur = cur.Parent()
	}
	switch cur.ParentEdgeKind() {
	case edge.CallExpr_Fun:
		return false
	case edge.CallExpr_Args:
		return !isFunc(typeutil.StaticCallee(c.info, cur.Parent().Node().(*ast.CallExpr)), viewPath, "Phases")
	}
	return true
}

func (c *colouring) assigned(id *ast.Ident, values []ast.Expr, i int) {
	v, ok := c.info.ObjectOf(id).(*types.Var)
	switch {
	case !ok || len(values) == 0:
	case i < len(values):
		c.values[v] = append(c.values[v], values[i])
	default:
		c.values[v] = append(c.values[v], values[0])
	}
}

// at is the colour of the code that cur is in. A function literal is in the code
// around it.
func (c *colouring) at(cur inspector.Cursor) colour {
	for fn := range cur.Parent().Enclosing((*ast.FuncDecl)(nil), (*ast.FuncLit)(nil)) {
		return c.function(fn)
	}
	return colour{}
}

// running is the colour of what a call runs: that of the code it is in, unless
// it begins a goroutine.
func (c *colouring) running(call inspector.Cursor) colour {
	col := c.at(call)
	if call.ParentEdgeKind() == edge.GoStmt_Call {
		col.spawned = true
	}
	return col
}

// function is the colour of a function's body.
func (c *colouring) function(fn inspector.Cursor) colour {
	n := fn.Node()
	if col, ok := c.known[n]; ok {
		return col
	}
	if c.busy[n] { // a literal that calls itself
		return colour{}
	}
	c.busy[n] = true
	defer delete(c.busy, n)
	col := c.decide(fn)
	if col.kind > pending || len(c.busy) == 1 { // else it may be for the cycle alone
		c.known[n] = col
	}
	return col
}

func (c *colouring) decide(fn inspector.Cursor) colour {
	n := fn.Node()
	sig := c.signature(n)
	if sig == nil {
		return colour{}
	}
	declared, isDecl := n.(*ast.FuncDecl)
	switch {
	case isDecl && c.marked(declared), shapeOf(sig) == syncView:
		return colour{kind: sync, by: n}
	case hasContext(sig):
		return colour{kind: async, by: n}
	case isDecl:
		return colour{kind: plain, by: n}
	}
	col := c.given(fn)
	if col.kind == sync && col.by == nil {
		col.by = n
	}
	return col
}

// marked says whether a function is sync-only by its directive.
func (c *colouring) marked(fn *ast.FuncDecl) bool { return hasDirective(fn.Doc, syncOnlyDirective) }

func (c *colouring) signature(fn ast.Node) *types.Signature {
	var t types.Type
	switch fn := fn.(type) {
	case *ast.FuncDecl:
		if obj := c.info.Defs[fn.Name]; obj != nil {
			t = obj.Type()
		}
	case *ast.FuncLit:
		t = c.info.TypeOf(fn)
	}
	sig, _ := t.(*types.Signature)
	return sig
}

// given is the colour of a function value, by where the expression at cur hands
// it to. It is sync by nobody where the value is the code of a frame.
func (c *colouring) given(cur inspector.Cursor) colour {
	for cur.ParentEdgeKind() == edge.ParenExpr_X {
		cur = cur.Parent()
	}
	switch edgeKind, i := cur.ParentEdge(); edgeKind {
	case edge.CallExpr_Fun:
		return c.running(cur.Parent())
	case edge.CallExpr_Args:
		return c.argument(cur.Parent(), i)
	case edge.AssignStmt_Rhs:
		if assign := cur.Parent().Node().(*ast.AssignStmt); len(assign.Lhs) == len(assign.Rhs) {
			return c.variable(assign.Lhs[i])
		}
	case edge.ValueSpec_Values:
		if spec := cur.Parent().Node().(*ast.ValueSpec); len(spec.Names) == len(spec.Values) {
			return c.variable(spec.Names[i])
		}
	}
	return colour{}
}

// argument is the colour of a function that is passed to a call.
func (c *colouring) argument(call inspector.Cursor, i int) colour {
	callee := typeutil.StaticCallee(c.info, call.Node().(*ast.CallExpr))
	switch c.fateOf(callee, i) {
	case 0:
		return colour{kind: pending}
	case inSync:
		return colour{kind: sync}
	case inline:
		return c.running(call)
	case spawned, spawned | inline:
		col := c.running(call)
		col.spawned = true
		return col
	}
	return colour{}
}

// variable is the colour of the functions that a variable holds: that of all its
// uses, if they agree and are all in this package.
func (c *colouring) variable(left ast.Expr) colour {
	id, ok := left.(*ast.Ident)
	if !ok {
		return colour{}
	}
	v, ok := c.info.ObjectOf(id).(*types.Var)
	if !ok || v.IsField() || v.Parent() == c.pkg.Scope() && v.Exported() {
		return colour{}
	}
	var all colour
	for _, use := range c.uses[v] {
		if c.harmless(use) || c.within(use) {
			continue
		}
		col := c.given(use)
		switch {
		case col.kind <= pending:
			return col
		case all.kind != unknown && all.kind != col.kind:
			return colour{}
		case all.kind == unknown:
			all = col
		}
		all.spawned = all.spawned || col.spawned
	}
	return all
}

// harmless says whether a use of a variable is none of its function: an
// assignment to it, a comparison.
func (c *colouring) harmless(use inspector.Cursor) bool {
	switch use.ParentEdgeKind() {
	case edge.AssignStmt_Lhs, edge.BinaryExpr_X, edge.BinaryExpr_Y:
		return true
	}
	return false
}

// within says whether cur is inside a function that is being decided: what a
// literal does with itself.
func (c *colouring) within(cur inspector.Cursor) bool {
	for fn := range cur.Enclosing((*ast.FuncLit)(nil)) {
		if c.busy[fn.Node()] {
			return true
		}
	}
	return false
}
