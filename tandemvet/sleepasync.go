package tandemvet

import (
	"go/ast"

	"golang.org/x/tools/go/ast/inspector"
	"golang.org/x/tools/go/types/typeutil"
)

const sleepasyncDoc = `report time.Sleep in async code

A function with a ctx, such as a view, async middleware, or what bridge.Await and
Gather are given, is expected to end with its ctx. time.Sleep does not: wait for a
timer and ctx.Done. Reported in packages that import view or bridge; not on
goroutines of their own, nor in the code of bridge.RunSync.`

func sleepasync(c *check) {
	if !imports(c.pkg, viewPath, bridgePath) {
		return
	}
	c.eachCall(func(_ inspector.Cursor, call *ast.CallExpr, col colour) {
		if col.kind == async && !col.spawned && isFunc(typeutil.StaticCallee(c.info, call), "time", "Sleep") {
			c.report(call, "time.Sleep in async code: %s has a ctx, and the end of that does not end the sleep; select on a time.Timer and ctx.Done()",
				c.caller(col))
		}
	})
}
