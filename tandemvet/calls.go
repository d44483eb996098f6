package tandemvet

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"strings"

	"golang.org/x/tools/go/ast/inspector"
	"golang.org/x/tools/go/types/typeutil"
)

const (
	syncOnlyDirective    = "//tandem:synconly"
	transactionDirective = "//tandem:transaction"
)

func hasDirective(doc *ast.CommentGroup, directive string) bool {
	if doc == nil {
		return false
	}
	for _, comment := range doc.List {
		if rest, ok := strings.CutPrefix(comment.Text, directive); ok && (rest == "" || rest[0] == ' ' || rest[0] == '\t') {
			return true
		}
	}
	return false
}

// marks reads the directives.
func (c *colouring) marks() {
	for cur := range c.root.Preorder((*ast.FuncDecl)(nil), (*ast.InterfaceType)(nil), (*ast.GenDecl)(nil)) {
		switch n := cur.Node().(type) {
		case *ast.FuncDecl:
			if c.marked(n) {
				c.markSyncOnly(n.Name)
			}
		case *ast.InterfaceType:
			for _, method := range n.Methods.List {
				if len(method.Names) == 1 && hasDirective(method.Doc, syncOnlyDirective) {
					c.markSyncOnly(method.Names[0])
				}
			}
		case *ast.GenDecl:
			for _, spec := range n.Specs {
				t, ok := spec.(*ast.TypeSpec)
				if ok && (hasDirective(t.Doc, transactionDirective) || !n.Lparen.IsValid() && hasDirective(n.Doc, transactionDirective)) {
					c.facts.ExportObjectFact(c.info.Defs[t.Name], new(transaction))
				}
			}
		}
	}
}

func (c *colouring) markSyncOnly(name *ast.Ident) {
	if fn, ok := c.info.Defs[name].(*types.Func); ok {
		c.syncOnly[fn] = []string{funcName(fn, nil)}
	}
}

// settleCalls finds out which of the package's functions are sync-only, because
// they call what is and have no ctx, and which run a sync frame with the ctx they
// are given. Each round adds the callers of the last, so chains are the shortest.
func (c *colouring) settleCalls() {
	for {
		only, cross := map[*types.Func][]string{}, map[*types.Func][]string{}
		for _, call := range c.calls {
			col := c.running(call)
			decl, ok := col.by.(*ast.FuncDecl)
			if !ok || col.spawned {
				continue
			}
			fn, ok := c.info.Defs[decl.Name].(*types.Func)
			if !ok {
				continue
			}
			switch {
			case col.kind == plain && c.syncOnly[fn] == nil && only[fn] == nil:
				if chain := c.syncOnlyCall(call.Node().(*ast.CallExpr)); chain != nil {
					only[fn] = append([]string{funcName(fn, nil)}, chain...)
				}
			case col.kind == async && c.crosses[fn] == nil && cross[fn] == nil:
				if chain, ctx := c.crossing(call.Node().(*ast.CallExpr)); chain != nil && c.isParam(fn, ctx) {
					cross[fn] = append([]string{funcName(fn, nil)}, chain...)
				}
			}
		}
		if len(only)+len(cross) == 0 {
			return
		}
		for fn, chain := range only {
			c.syncOnly[fn] = chain
		}
		for fn, chain := range cross {
			c.crosses[fn] = chain
		}
	}
}

func (c *colouring) isParam(fn *types.Func, v *types.Var) bool {
	for p := range fn.Signature().Params().Variables() {
		if p == v {
			return true
		}
	}
	return false
}

// export makes facts of what importing packages may need.
func (c *colouring) export() {
	for fn, chain := range c.syncOnly {
		c.facts.ExportObjectFact(fn, &syncOnly{chain})
	}
	for fn, chain := range c.crosses {
		c.facts.ExportObjectFact(fn, &crosses{chain})
	}
	for fn, fates := range c.fates {
		if !fn.Exported() {
			continue
		}
		for _, f := range fates {
			if f != 0 && f&kept == 0 {
				c.facts.ExportObjectFact(fn, &runs{fates})
				break
			}
		}
	}
	for v := range c.values {
		if v.Exported() && v.Parent() == c.pkg.Scope() && c.adapts(v, "SyncToAsync", "SyncToAsyncScoped") != nil {
			c.facts.ExportObjectFact(v, new(adapter))
		}
	}
}

// syncOnlyCall returns the chain of calls by which a call ends in what only sync
// code may do; nil if it does not, or may do so on a scope of its own.
func (c *colouring) syncOnlyCall(call *ast.CallExpr) []string {
	fn, _ := typeutil.Callee(c.info, call).(*types.Func)
	switch {
	case fn == nil:
		if adapting := c.adapted(call.Fun, "AsyncToSync"); adapting != nil && !c.hasOwnScope(adapting) {
			return []string{"bridge.AsyncToSync"}
		}
		return nil
	case isFunc(fn, bridgePath, "Await", "RequireSync"):
		if c.hasOwnScope(call) {
			return nil
		}
		return []string{"bridge." + fn.Name()}
	}
	fn = fn.Origin()
	chain := c.syncOnly[fn]
	if chain == nil && fn.Pkg() != c.pkg {
		var fact syncOnly
		c.facts.ImportObjectFact(fn, &fact)
		chain = fact.Chain
	}
	if chain == nil || c.hasOwnScope(call) {
		return nil
	}
	return chain
}

// adapted returns the call of one of bridge's adapters that f is, or is known to
// hold, the result of.
func (c *colouring) adapted(f ast.Expr, adapters ...string) *ast.CallExpr {
	switch f := ast.Unparen(f).(type) {
	case *ast.CallExpr:
		if isFunc(typeutil.StaticCallee(c.info, f), bridgePath, adapters...) {
			return f
		}
	case *ast.Ident:
		if v, ok := c.info.Uses[f].(*types.Var); ok {
			return c.adapts(v, adapters...)
		}
	}
	return nil
}

func (c *colouring) adapts(v *types.Var, adapters ...string) *ast.CallExpr {
	if len(c.values[v]) != 1 {
		return nil
	}
	if call, ok := ast.Unparen(c.values[v][0]).(*ast.CallExpr); ok {
		return c.adapted(call, adapters...)
	}
	return nil
}

// hasOwnScope says whether a call is given a scope that is not known to be the
// request's: one of bridge.NewRoot, for which its creator is sync code, or one
// that comes from elsewhere.
//
// What a call is made on may have been given it before: posts.Sync(job).List().
func (c *colouring) hasOwnScope(call *ast.CallExpr) bool {
	for range derivations {
		args := call.Args
		var on ast.Expr
		if sel, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr); ok && c.info.Selections[sel] != nil {
			on = sel.X
			args = append(args[:len(args):len(args)], on)
		}
		for _, arg := range args {
			if t := c.info.TypeOf(arg); t != nil && isScoped(t) && c.isOwnScope(arg) {
				return true
			}
		}
		if call = c.madeBy(on); call == nil {
			return false
		}
	}
	return false
}

// madeBy is the call whose result e is, or is known to hold; nil if that is not one.
func (c *colouring) madeBy(e ast.Expr) *ast.CallExpr {
	if e == nil {
		return nil
	}
	if name, ok := ast.Unparen(e).(*ast.Ident); ok {
		v, ok := c.info.Uses[name].(*types.Var)
		if !ok || len(c.values[v]) != 1 {
			return nil
		}
		e = c.values[v][0]
	}
	call, _ := ast.Unparen(e).(*ast.CallExpr)
	return call
}

func (c *colouring) isOwnScope(e ast.Expr) bool {
	for range derivations {
		e = ast.Unparen(e)
		if t := c.info.TypeOf(e); !isPointerTo(t, bridgePath, "Scope") && !types.IsInterface(t) {
			return false // a request or what holds one
		}
		switch x := e.(type) {
		case *ast.Ident:
			v, ok := c.info.Uses[x].(*types.Var)
			switch {
			case !ok || v.Kind() == types.ParamVar:
				return false
			case len(c.values[v]) == 0:
				return true
			}
			e = c.values[v][0]
		case *ast.CallExpr:
			sel, ok := ast.Unparen(x.Fun).(*ast.SelectorExpr)
			if !ok || sel.Sel.Name != "Scope" {
				return true
			}
			e = sel.X
		default:
			return true
		}
	}
	return true
}

// crossing returns the chain of calls by which a call runs a sync frame, and the
// variable that holds the context it does so with; nil if it does not, runs it
// beside others, or the variable is not known.
func (c *colouring) crossing(call *ast.CallExpr) (chain []string, ctx *types.Var) {
	if len(call.Args) == 0 {
		return nil, nil
	}
	switch fn := typeutil.Callee(c.info, call).(type) {
	case *types.Func:
		switch fn = fn.Origin(); {
		case isFunc(fn, bridgePath, "RunSync", "RunSyncScoped"):
			if !c.isParallel(call) {
				chain = []string{"bridge." + fn.Name()}
			}
		case fn.Pkg() == c.pkg:
			chain = c.crosses[fn]
		default:
			var fact crosses
			c.facts.ImportObjectFact(fn, &fact)
			chain = fact.Chain
		}
	case *types.Var:
		if fn.Pkg() != c.pkg && c.facts.ImportObjectFact(fn, new(adapter)) {
			chain = []string{fn.Pkg().Name() + "." + fn.Name()}
		}
	}
	if adapting := c.adapted(call.Fun, "SyncToAsync", "SyncToAsyncScoped"); adapting != nil && !c.isParallel(adapting) {
		chain = []string{types.ExprString(call.Fun)}
	}
	if chain == nil {
		return nil, nil
	}
	for _, arg := range call.Args {
		if v := c.contextOf(arg); v != nil {
			return chain, v
		}
	}
	return nil, nil
}

// isParallel says whether a call is given bridge.Parallel, or options of which
// that cannot be told.
func (c *colouring) isParallel(call *ast.CallExpr) bool {
	if call.Ellipsis.IsValid() {
		return true
	}
	for _, arg := range call.Args {
		if option, ok := ast.Unparen(arg).(*ast.CallExpr); ok {
			if isFunc(typeutil.StaticCallee(c.info, option), bridgePath, "Parallel") {
				return true
			}
		} else if t := c.info.TypeOf(arg); t != nil && isNamed(t, bridgePath, "SyncOption") {
			return true
		}
	}
	return false
}

// derivations bounds the assignments that a value is followed through.
const derivations = 16

// contextOf returns the parameter that a context is or was derived from; nil if
// e is no context or comes from elsewhere.
func (c *colouring) contextOf(e ast.Expr) *types.Var {
	for range derivations {
		if t := c.info.TypeOf(e); t == nil || !isContext(t) && !isContext(first(t)) {
			return nil
		}
		switch x := ast.Unparen(e).(type) {
		case *ast.Ident:
			v, ok := c.info.Uses[x].(*types.Var)
			switch {
			case !ok || v.Kind() == types.ParamVar:
				return v
			case len(c.values[v]) == 0:
				return nil
			}
			e = c.values[v][0]
		case *ast.CallExpr:
			if len(x.Args) == 0 {
				return nil
			}
			e = x.Args[0]
		default:
			return nil
		}
	}
	return nil
}

// first is the type of the first of several results.
func first(t types.Type) types.Type {
	if results, ok := t.(*types.Tuple); ok && results.Len() > 0 {
		return results.At(0).Type()
	}
	return t
}

// isOne says whether e is the constant 1.
func (c *colouring) isOne(e ast.Expr) bool {
	v := c.info.Types[e].Value
	return v != nil && v.Kind() == constant.Int && constant.Compare(v, token.EQL, constant.MakeInt64(1))
}

// caller names the function that decides a colour.
func (c *colouring) caller(col colour) string {
	if decl, ok := col.by.(*ast.FuncDecl); ok {
		if fn, ok := c.info.Defs[decl.Name].(*types.Func); ok {
			return funcName(fn, c.pkg)
		}
	}
	return "the function literal"
}

// eachCall yields all calls with the colour they run in.
func (c *colouring) eachCall(yield func(inspector.Cursor, *ast.CallExpr, colour)) {
	for _, cur := range c.calls {
		yield(cur, cur.Node().(*ast.CallExpr), c.running(cur))
	}
}
