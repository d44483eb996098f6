// Package funcname tells what a function is called in the source.
//
// Invariant: a name is never empty and has no path in it, so it fits where people
// read it: in plans, profiles and logs.
//
// Smallest use:
//
//	funcname.Of(strings.ToUpper) // "strings.ToUpper"
package funcname

import (
	"reflect"
	"runtime"
	"strings"
)

// Of returns a function's name with its package, without the package's path. A
// method value is called as the method; an instance of a generic function as the
// function. It panics if f is not a function, or nil.
func Of(f any) string {
	name := runtime.FuncForPC(reflect.ValueOf(f).Pointer()).Name()
	name = strings.TrimSuffix(name, "-fm")
	name = strings.ReplaceAll(name, "[...]", "")
	return name[strings.LastIndexByte(name, '/')+1:]
}
