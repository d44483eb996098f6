package tandemvet

import (
	"go/ast"

	"golang.org/x/tools/go/ast/edge"
	"golang.org/x/tools/go/ast/inspector"
	"golang.org/x/tools/go/types/typeutil"
)

const nestedsyncDoc = `report sync code that runs another sync frame with the ctx around it

One sync frame of a request runs at a time. Code of a frame that catches the ctx
of the async code around it, and runs another frame with that, waits for the turn
that it has itself, and gets bridge.ErrWouldDeadlock. Sync code calls sync code
directly, and async code by bridge.Await. Frames that are bridge.Parallel do not
wait for a turn.`

func nestedsync(c *check) {
	c.eachCall(func(_ inspector.Cursor, call *ast.CallExpr, col colour) {
		lit, ok := col.by.(*ast.FuncLit)
		if !ok || col.kind != sync || col.spawned || shapeOf(c.signature(lit)) == syncView {
			return
		}
		// ctx is of a function around the frame: one inside would be async itself.
		chain, ctx := c.crossing(call)
		if chain == nil {
			return
		}
		if outer := c.frameOf(lit); outer != nil {
			if c.isParallel(outer) {
				return
			}
			if isFunc(typeutil.StaticCallee(c.info, outer), bridgePath, "RunSync", "RunSyncScoped") && c.contextOf(outer.Args[0]) != ctx {
				return // of another request or job, for all that is known
			}
		}
		c.report(call, "this is the code of a sync frame, and runs another one (%s) with %s, which it caught from around it: that one would wait for the turn that this one has; call sync code directly, and async code with bridge.Await",
			show(chain), ctx.Name())
	})
}

// frameOf is the call that a literal is passed to; nil if that is made by way of
// a variable.
func (c *colouring) frameOf(lit *ast.FuncLit) *ast.CallExpr {
	cur, ok := c.root.FindNode(lit)
	for ok && cur.ParentEdgeKind() == edge.ParenExpr_X {
		cur = cur.Parent()
	}
	if !ok || cur.ParentEdgeKind() != edge.CallExpr_Args {
		return nil
	}
	return cur.Parent().Node().(*ast.CallExpr)
}
