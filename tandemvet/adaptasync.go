package tandemvet

import (
	"go/ast"
	"go/types"
)

const adaptasyncDoc = `report bridge.SyncToAsync of a function that takes a ctx

Such a function is async already. The adapter compiles, with a context as the
argument's type, and panics when it is made; so does one of a function whose
argument implements context.Context in another way.`

func adaptasync(c *check) {
	for cur := range c.root.Preorder((*ast.Ident)(nil)) {
		id := cur.Node().(*ast.Ident)
		fn, ok := c.info.Uses[id].(*types.Func)
		if !ok || !isFunc(fn, bridgePath, "SyncToAsync", "SyncToAsyncScoped") {
			continue
		}
		args := c.info.Instances[id].TypeArgs
		if args.Len() == 0 {
			continue
		}
		if a := args.At(0); implementsContext(a, fn) {
			c.report(id, "bridge.%s of a function that takes a %s: it is async already, and making the adapter panics; call it directly",
				fn.Name(), types.TypeString(a, types.RelativeTo(c.pkg)))
		}
	}
}

// implementsContext says whether t does. The interface is the one that bridge,
// fn's package, knows.
func implementsContext(t types.Type, fn *types.Func) bool {
	for _, p := range fn.Pkg().Imports() {
		if p.Path() == "context" {
			context, ok := p.Scope().Lookup("Context").Type().Underlying().(*types.Interface)
			return ok && types.Implements(t, context)
		}
	}
	return false
}
