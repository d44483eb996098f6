package tandemvet

import (
	"go/ast"
	"go/types"
	"path"
	"slices"

	"golang.org/x/tools/go/types/typeutil"
)

const txgatherDoc = `report transactions used inside a gather

The functions of bridge.Gather2 to 5 and GatherAll run at once. A transaction is
one connection, which takes one statement after the other; and the first error
cancels the other functions in the middle of theirs, which ends the transaction.
Transactions are *sql.Tx, *sql.Conn, those of bun, sqlx and pgx, what embeds one,
and types marked //tandem:transaction. One that a function begins itself is fine.`

// transactions are known by the last element of their package's path, after a
// version is left out, and by their name.
var transactions = map[string][]string{
	"sql":  {"Tx", "Conn"},
	"bun":  {"Tx", "Conn", "IDB"},
	"sqlx": {"Tx", "Conn"},
	"pgx":  {"Tx"},
}

func txgather(c *check) {
	for _, cur := range c.calls {
		call := cur.Node().(*ast.CallExpr)
		fn := typeutil.StaticCallee(c.info, call)
		var gathered []ast.Expr
		switch {
		case isFunc(fn, bridgePath, "Gather2", "Gather3", "Gather4", "Gather5") && len(call.Args) > 1:
			gathered = call.Args[1:]
		case isFunc(fn, bridgePath, "GatherAll") && len(call.Args) == 4 && !c.isOne(call.Args[1]):
			gathered = call.Args[3:]
		}
		for _, f := range gathered {
			c.gathered(fn.Name(), ast.Unparen(f))
		}
	}
}

// gathered looks at one of the functions.
func (c *check) gathered(gather string, f ast.Expr) {
	switch f := f.(type) {
	case *ast.FuncLit:
		c.gatheredLit(gather, f)
	case *ast.Ident:
		v, ok := c.info.Uses[f].(*types.Var)
		if !ok {
			return
		}
		for _, value := range c.values[v] {
			if lit, ok := ast.Unparen(value).(*ast.FuncLit); ok {
				c.gatheredLit(gather, lit)
			}
		}
	case *ast.SelectorExpr: // a method of the transaction itself
		if sel := c.info.Selections[f]; sel != nil && sel.Kind() == types.MethodVal && c.isTransaction(sel.Recv()) {
			c.inGather(f, gather, f.X)
		}
	}
}

func (c *check) gatheredLit(gather string, lit *ast.FuncLit) {
	seen := map[types.Object]bool{}
	ast.Inspect(lit.Body, func(n ast.Node) bool {
		e, ok := n.(ast.Expr)
		if !ok {
			return true
		}
		v := c.captured(lit, e)
		if v == nil || seen[v] || !c.isTransaction(v.Type()) {
			return true
		}
		seen[v] = true
		c.inGather(e, gather, e)
		return false
	})
}

func (c *check) inGather(at ast.Node, gather string, tx ast.Expr) {
	c.report(at, "transaction %s inside bridge.%s: it takes one statement after the other, and an error in another function cancels it half-way; begin one inside, or run these one after the other",
		types.ExprString(tx), gather)
}

// captured returns the variable that e names if lit gets it from a function
// around it: the variable itself, or the field of one.
func (c *colouring) captured(lit *ast.FuncLit, e ast.Expr) *types.Var {
	switch e := e.(type) {
	case *ast.Ident:
		v, ok := c.info.Uses[e].(*types.Var)
		if !ok || v.IsField() || v.Pkg() == nil || v.Parent() == v.Pkg().Scope() || lit.Pos() <= v.Pos() && v.Pos() < lit.End() {
			return nil
		}
		return v
	case *ast.SelectorExpr:
		field, ok := c.info.Uses[e.Sel].(*types.Var)
		if ok && field.IsField() && c.captured(lit, ast.Unparen(e.X)) != nil {
			return field
		}
	}
	return nil
}

func (c *colouring) isTransaction(t types.Type) bool {
	t = types.Unalias(t)
	if p, ok := t.(*types.Pointer); ok {
		t = types.Unalias(p.Elem())
	}
	if named, ok := t.(*types.Named); ok {
		obj := named.Origin().Obj()
		if obj.Pkg() != nil && slices.Contains(transactions[lastElement(obj.Pkg().Path())], obj.Name()) || c.facts.ImportObjectFact(obj, new(transaction)) {
			return true
		}
	}
	s, ok := t.Underlying().(*types.Struct)
	if !ok {
		return false
	}
	for f := range s.Fields() {
		if f.Embedded() && c.isTransaction(f.Type()) {
			return true
		}
	}
	return false
}

// lastElement is that of an import path, without a version such as v5.
func lastElement(importPath string) string {
	dir, last := path.Split(importPath)
	if len(last) > 1 && last[0] == 'v' && '0' <= last[1] && last[1] <= '9' {
		return path.Base(dir)
	}
	return last
}
