package tandemvet

import (
	"go/ast"
	"go/types"

	"golang.org/x/tools/go/ast/inspector"
	"golang.org/x/tools/go/types/typeutil"
)

const synccallDoc = `report sync-only calls in async code

Code that has a ctx is async. It must not call what only sync code may:

- bridge.Await, the result of bridge.AsyncToSync, bridge.RequireSync, on the scope
  of a request: no sync frame is there to await in, so they return an error;
- functions marked //tandem:synconly, and functions without a ctx that call such
  ones: they would block outside a permit;
- a sync view: it would run outside a permit.

The code that bridge.RunSync and its kin are given is sync, wherever it stands.`

func synccall(c *check) {
	c.eachCall(func(_ inspector.Cursor, call *ast.CallExpr, col colour) {
		if col.kind != async {
			return
		}
		chain := c.syncOnlyCall(call)
		switch {
		case len(chain) == 1 && isBridgeCall(chain[0]):
			c.report(call, "%s has a ctx, so it is async, and no sync frame is there for %s: call the async function itself with the ctx",
				c.caller(col), chain[0])
		case col.spawned: // what is marked may be meant to run there
		case chain != nil:
			c.report(call, "%s has a ctx, so it is async, and must not call what is sync-only (%s): call an async counterpart with the ctx, or cross with bridge.RunSync or RunSyncScoped",
				c.caller(col), show(chain))
		case c.isSyncView(call):
			c.report(call, "%s has a ctx, so it is async, and must not call a sync view, which would run without a permit: cross with bridge.RunSync",
				c.caller(col))
		}
	})
}

func isBridgeCall(name string) bool {
	return name == "bridge.Await" || name == "bridge.AsyncToSync" || name == "bridge.RequireSync"
}

// isSyncView says whether what is called is a sync view: a value of that type, a
// function of that type that is used as a value, or one that may be elsewhere,
// because it is exported. Any other is a helper that happens to be of that type.
func (c *colouring) isSyncView(call *ast.CallExpr) bool {
	fun := c.info.Types[call.Fun]
	if fun.IsType() || fun.Type == nil {
		return false
	}
	sig, ok := fun.Type.Underlying().(*types.Signature)
	if !ok || shapeOf(sig) != syncView {
		return false
	}
	fn := typeutil.StaticCallee(c.info, call)
	return fn == nil || fn.Exported() || c.views[fn.Origin()]
}
