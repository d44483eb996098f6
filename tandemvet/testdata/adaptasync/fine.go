package adaptasync

import (
	"context"

	"github.com/tandem-go/tandem/bridge"
)

// carrier holds a context; it is none.
type carrier struct{ ctx context.Context }

// Context is another one.
type Context struct{ user int }

// almost has one method too few.
type almost interface {
	Done() <-chan struct{}
	Err() error
}

func legacy(int) (string, error) { return "", nil }

var (
	_ = bridge.SyncToAsync(legacy)
	_ = bridge.SyncToAsync(func(carrier) (int, error) { return 0, nil })
	_ = bridge.SyncToAsync(func(Context) (int, error) { return 0, nil })
	_ = bridge.SyncToAsync(func(almost) (int, error) { return 0, nil })
	_ = bridge.SyncToAsync(func([]context.Context) (int, error) { return 0, nil })
	_ = bridge.SyncToAsync(func(byPointer) (int, error) { return 0, nil })
	_ = bridge.SyncToAsyncScoped(func(*bridge.Scope, int) (int, error) { return 0, nil })
)

func adapt[A any](f func(A) (int, error)) func(context.Context, A) (int, error) {
	return bridge.SyncToAsync(f)
}

// SyncToAsync of somebody else's takes what it likes.
func SyncToAsync[A, R any](f func(A) (R, error)) {}

func other() { SyncToAsync(fetch) }
