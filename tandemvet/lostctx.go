package tandemvet

import (
	"go/ast"
	"go/token"

	"golang.org/x/tools/go/ast/edge"
	"golang.org/x/tools/go/ast/inspector"
	"golang.org/x/tools/go/types/typeutil"
)

const lostctxDoc = `report context.Background and context.TODO below a view

What runs below a view with a context of its own is not cancelled with the
request, has no deadline, and is not in the request's scope: its sync frames take
permits beside the request's. Reported in views, and in functions with a ctx in
packages that import view. What must outlive the request is given
context.WithoutCancel of its ctx. Not reported where it stands for a ctx that is
nil, nor in main, init and tests.`

func lostctx(c *check) {
	inApp := imports(c.pkg, viewPath)
	for _, cur := range c.calls {
		call := cur.Node().(*ast.CallExpr)
		fn := typeutil.StaticCallee(c.info, call)
		if !isFunc(fn, "context", "Background", "TODO") || c.standsForNil(cur) || c.isWithoutCancel(cur) {
			continue
		}
		for around := range cur.Enclosing((*ast.FuncDecl)(nil), (*ast.FuncLit)(nil)) {
			sig := c.signature(around.Node())
			if sig == nil {
				break
			}
			by := colour{by: around.Node()}
			shape := shapeOf(sig)
			switch {
			case shape == syncView:
				c.report(call, "context.%s below a view: %s is a sync view; what needs a ctx is called with bridge.Await, which hands the request's down",
					fn.Name(), c.caller(by))
			case shape == asyncView, inApp && hasContext(sig) && !inMain(around):
				c.report(call, "context.%s where there is a ctx: %s has one; pass it on, or context.WithoutCancel of it to what must outlive it",
					fn.Name(), c.caller(by))
			default:
				continue
			}
			break
		}
	}
}

// inMain says whether a function is within main or an init.
func inMain(fn inspector.Cursor) bool {
	for cur := range fn.Enclosing((*ast.FuncDecl)(nil)) {
		decl := cur.Node().(*ast.FuncDecl)
		return decl.Recv == nil && (decl.Name.Name == "main" || decl.Name.Name == "init")
	}
	return false
}

// standsForNil says whether a call is assigned to a variable that is nil there.
func (c *colouring) standsForNil(call inspector.Cursor) bool {
	if call.ParentEdgeKind() != edge.AssignStmt_Rhs {
		return false
	}
	assign := call.Parent().Node().(*ast.AssignStmt)
	id, ok := assign.Lhs[0].(*ast.Ident)
	if !ok {
		return false
	}
	for cur := range call.Enclosing((*ast.IfStmt)(nil)) {
		cond, ok := ast.Unparen(cur.Node().(*ast.IfStmt).Cond).(*ast.BinaryExpr)
		if !ok || cond.Op != token.EQL {
			continue
		}
		x, _ := ast.Unparen(cond.X).(*ast.Ident)
		if x != nil && c.info.Uses[x] == c.info.ObjectOf(id) && c.info.Types[cond.Y].IsNil() {
			return true
		}
	}
	return false
}

func (c *colouring) isWithoutCancel(call inspector.Cursor) bool {
	if call.ParentEdgeKind() != edge.CallExpr_Args {
		return false
	}
	return isFunc(typeutil.StaticCallee(c.info, call.Parent().Node().(*ast.CallExpr)), "context", "WithoutCancel")
}
