package bridge

import (
	"reflect"
	"runtime"
	"strings"
)

// body runs what a frame is there for. It is found on the stack by its name, as
// Await is: code that comes upon body first is inside a frame that has not given
// its permit back.
func body[R any](f func() (R, error)) (R, error) { return f() }

// The names that the runtime gives to instances of body and of Await.
var bodyName, awaitName = func() (string, string) {
	pkg := reflect.TypeFor[Scope]().PkgPath()
	return pkg + ".body[", pkg + ".Await["
}()

// insideFrame says whether the calling goroutine is inside the body of a frame,
// with no Await in between. It walks the stack: for those who are about to wait.
func insideFrame() bool {
	var pcs [64]uintptr
	for skip := 2; ; skip += len(pcs) {
		n := runtime.Callers(skip, pcs[:])
		if n == 0 {
			return false
		}
		frames := runtime.CallersFrames(pcs[:n])
		for {
			fr, more := frames.Next()
			switch {
			case strings.HasPrefix(fr.Function, bodyName):
				return true
			case strings.HasPrefix(fr.Function, awaitName):
				return false
			}
			if !more {
				break
			}
		}
		if n < len(pcs) {
			return false
		}
	}
}
