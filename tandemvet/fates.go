package tandemvet

import (
	"go/ast"
	"go/types"
	"slices"

	"golang.org/x/tools/go/ast/edge"
	"golang.org/x/tools/go/ast/inspector"
	"golang.org/x/tools/go/types/typeutil"
)

// framing are the functions of package bridge whose function argument, the one
// at that place, is the code of a sync frame. From them the fates of all others
// follow.
var framing = map[string]int{
	"RunSync": 1, "RunSyncScoped": 1,
	"SyncToAsync": 0, "SyncToAsyncScoped": 0,
}

// fateOf is what fn does with a function that is its argument i. What is not
// known is kept; what is not known yet is zero.
func (c *colouring) fateOf(fn *types.Func, i int) fate {
	if fn == nil {
		return kept
	}
	fn = fn.Origin()
	if at, ok := framing[fn.Name()]; ok && isFunc(fn, bridgePath, fn.Name()) {
		if i == at {
			return inSync
		}
		return kept
	}
	fates, ok := c.fates[fn]
	if !ok && fn.Pkg() != c.pkg {
		var fact runs
		c.facts.ImportObjectFact(fn, &fact)
		fates = fact.Args
	}
	if n := fn.Signature().Params().Len(); fn.Signature().Variadic() && i >= n {
		i = n - 1
	}
	if i < len(fates) && (fates[i] != 0 || ok && !c.settled) {
		return fates[i]
	}
	return kept
}

// settleFates finds out what the package's functions do with the functions they
// are given. One may hand them to the next, so it goes on until nothing changes.
func (c *colouring) settleFates() {
	type taker struct {
		fn     *types.Func
		decl   *ast.FuncDecl
		params []*types.Var
	}
	var takers []taker
	for cur := range c.root.Preorder((*ast.FuncDecl)(nil)) {
		decl := cur.Node().(*ast.FuncDecl)
		fn, ok := c.info.Defs[decl.Name].(*types.Func)
		if !ok || decl.Body == nil {
			continue
		}
		t := taker{fn: fn, decl: decl, params: slices.Collect(fn.Signature().Params().Variables())}
		if slices.ContainsFunc(t.params, takesFunction) {
			takers = append(takers, t)
			c.fates[fn] = make([]fate, len(t.params))
		}
	}
	for changed := true; changed; {
		changed = false
		clear(c.known)
		for _, t := range takers {
			fates := c.fates[t.fn]
			for i, p := range t.params {
				if !takesFunction(p) {
					continue
				}
				for _, use := range c.uses[p] {
					if f := fates[i] | c.fateIn(t.decl, use); f != fates[i] {
						fates[i], changed = f, true
					}
				}
			}
		}
	}
	clear(c.known)
	c.settled = true
}

func takesFunction(p *types.Var) bool {
	_, ok := p.Type().Underlying().(*types.Signature)
	return ok
}

// fateIn is what one use of a parameter means to decl's caller. It is zero where
// a use hands on to a function of which nothing is known yet.
func (c *colouring) fateIn(decl *ast.FuncDecl, use inspector.Cursor) fate {
	if c.harmless(use) {
		return 0
	}
	switch edgeKind, i := use.ParentEdge(); edgeKind {
	case edge.CallExpr_Fun:
		return fateAs(decl, c.running(use.Parent()))
	case edge.CallExpr_Args:
		call := use.Parent()
		handed := c.fateOf(typeutil.StaticCallee(c.info, call.Node().(*ast.CallExpr)), i)
		if handed&kept != 0 {
			return kept
		}
		f := handed & inSync
		if handed&(inline|spawned) != 0 {
			as := c.running(call)
			as.spawned = as.spawned || handed&spawned != 0
			f |= fateAs(decl, as)
		}
		return f
	}
	return kept
}

// fateAs is the fate of what runs with a colour, seen by decl's caller.
func fateAs(decl *ast.FuncDecl, col colour) fate {
	switch {
	case col.kind == pending:
		return 0
	case col.kind == sync && col.by != decl:
		return inSync
	case col.by != decl:
		return kept
	case col.spawned:
		return spawned
	}
	return inline
}
