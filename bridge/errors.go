package bridge

import (
	"errors"
	"fmt"
	"runtime/debug"
)

var (
	// ErrNotSync is returned by [Await] on a scope in which no sync frame is
	// live: its caller is async code, which has a context and can simply call
	// the function.
	ErrNotSync = errors.New("await outside sync code: no sync frame of this scope is live; async code calls the function with its own ctx")

	// ErrScopeClosed is returned once the request or job a scope belongs to has
	// ended.
	ErrScopeClosed = errors.New("scope is closed: the request or job this code belongs to has ended")

	// ErrSaturated is returned when all permits of a limiter are taken and its
	// queue is full. Every refusal for lack of capacity matches it.
	ErrSaturated = errors.New("no capacity for sync work")

	// ErrQueueTimeout is returned when work has waited for a permit as long as
	// the limiter lets it. It matches [ErrSaturated] too.
	ErrQueueTimeout = fmt.Errorf("%w: queue deadline exceeded", ErrSaturated)

	// ErrAbandoned is returned for an [Abandonable] frame that goes on past the
	// deadline. Without it a deadline's error means that the work never began.
	ErrAbandoned = errors.New("sync code was abandoned: it goes on, and its result is dropped")

	// ErrWouldDeadlock is returned for a sync call made directly inside a sync
	// frame, on its goroutine, that would have to wait there for its turn, a
	// permit of whichever limiter, or the thread that it is on. Whoever waits while
	// he holds a permit may wait for himself.
	ErrWouldDeadlock = errors.New("sync call inside a sync frame would wait with the frame's permit held: call the function directly, or make the call below bridge.Await")

	// ErrSynchronousOnly is returned by what works in sync code alone when async
	// code uses it; see [RequireSync].
	ErrSynchronousOnly = errors.New("sync-only, and used from async code")
)

// PanicError is a panic that was caught on another goroutine than the one it is
// raised in again. It keeps the stack of the place that panicked.
type PanicError struct {
	Value any    // what was passed to panic
	Stack []byte // the panicking goroutine's stack, as debug.Stack prints it
}

// Caught makes a PanicError of a value that recover returned, with the stack of
// the calling goroutine. A value that is a PanicError already is returned
// unchanged, so that the first stack is kept. Call it in the deferred function.
func Caught(v any) *PanicError {
	if p, ok := v.(*PanicError); ok {
		return p
	}
	return &PanicError{Value: v, Stack: debug.Stack()}
}

// Error gives the value and the stack: it is what the runtime prints when
// nobody recovers.
func (p *PanicError) Error() string {
	return fmt.Sprintf("panic: %v\n\n%s", p.Value, p.Stack)
}

// Unwrap returns the value if it is an error.
func (p *PanicError) Unwrap() error {
	err, _ := p.Value.(error)
	return err
}
