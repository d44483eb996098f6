package bridge

import (
	"reflect"
	"runtime"
	"strings"
)

// body runs what a frame is there for. It is found on the stack by its name, as
// lent is: code below more of the one than of the other is inside a frame that has
// not given its permit back.
func body[R any](f func() (R, error)) (R, error) { return f() }

// The names that the runtime gives to instances of body and of lent.
var bodyName, lentName = func() (string, string) {
	pkg := reflect.TypeFor[Scope]().PkgPath()
	return pkg + ".body[", pkg + ".lent["
}()

// insideFrame says whether the calling goroutine is inside the body of a frame that
// does not await. An Await is that of the nearest body around it: there may be a job
// of its own inside a frame, whose awaits give back nothing of that frame's. It
// walks the stack: for those who are about to wait.
func insideFrame() bool {
	var pcs [64]uintptr
	lent := 0
	for skip := 2; ; skip += len(pcs) {
		n := runtime.Callers(skip, pcs[:])
		if n == 0 {
			return false
		}
		frames := runtime.CallersFrames(pcs[:n])
		for {
			fr, more := frames.Next()
			switch {
			case strings.HasPrefix(fr.Function, lentName):
				lent++
			case !strings.HasPrefix(fr.Function, bodyName):
			case lent == 0:
				return true
			default:
				lent--
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
