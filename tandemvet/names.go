package tandemvet

import (
	"go/types"
	"slices"
)

// The packages whose functions and types the rules know by name.
const (
	bridgePath = "github.com/tandem-go/tandem/bridge"
	viewPath   = "github.com/tandem-go/tandem/view"
)

// isNamed says whether t is the named type of that package.
func isNamed(t types.Type, path, name string) bool {
	named, ok := types.Unalias(t).(*types.Named)
	if !ok {
		return false
	}
	obj := named.Obj()
	return obj.Name() == name && obj.Pkg() != nil && obj.Pkg().Path() == path
}

func isPointerTo(t types.Type, path, name string) bool {
	p, ok := types.Unalias(t).(*types.Pointer)
	return ok && isNamed(p.Elem(), path, name)
}

// isFunc says whether fn is a function of that package with one of the names.
func isFunc(fn *types.Func, path string, names ...string) bool {
	return fn != nil && fn.Pkg() != nil && fn.Pkg().Path() == path &&
		fn.Signature().Recv() == nil && slices.Contains(names, fn.Name())
}

func isContext(t types.Type) bool { return isNamed(t, "context", "Context") }

// hasContext says whether a function has a context, which makes it async.
func hasContext(sig *types.Signature) bool {
	for p := range sig.Params().Variables() {
		if isContext(p.Type()) {
			return true
		}
	}
	return false
}

// shape is what a function's type says of it in an application.
type shape uint8

const (
	other shape = iota
	asyncView
	syncView
)

func shapeOf(sig *types.Signature) shape {
	in, out := sig.Params(), sig.Results()
	switch {
	case out.Len() != 2 || !isNamed(out.At(0).Type(), viewPath, "Response") || !types.Identical(out.At(1).Type(), types.Universe.Lookup("error").Type()):
		return other
	case in.Len() == 1 && isPointerTo(in.At(0).Type(), viewPath, "Request"):
		return syncView
	case in.Len() == 2 && isContext(in.At(0).Type()) && isPointerTo(in.At(1).Type(), viewPath, "Request"):
		return asyncView
	}
	return other
}

// isScoped says whether t has what bridge.Scoped asks for.
func isScoped(t types.Type) bool {
	obj, _, _ := types.LookupFieldOrMethod(t, true, nil, "Scope")
	fn, ok := obj.(*types.Func)
	if !ok {
		return false
	}
	res := fn.Signature().Results()
	return fn.Signature().Params().Len() == 0 && res.Len() == 1 && isPointerTo(res.At(0).Type(), bridgePath, "Scope")
}

// imports says whether pkg imports one of the packages itself.
func imports(pkg *types.Package, paths ...string) bool {
	return slices.ContainsFunc(pkg.Imports(), func(p *types.Package) bool { return slices.Contains(paths, p.Path()) })
}

// funcName names fn as it is called in pkg.
func funcName(fn *types.Func, pkg *types.Package) string {
	name := fn.Name()
	if recv := fn.Signature().Recv(); recv != nil {
		t := types.Unalias(recv.Type())
		if p, ok := t.(*types.Pointer); ok {
			t = types.Unalias(p.Elem())
		}
		if named, ok := t.(*types.Named); ok {
			name = named.Obj().Name() + "." + name
		}
	}
	if fn.Pkg() != nil && fn.Pkg() != pkg {
		name = fn.Pkg().Name() + "." + name
	}
	return name
}
