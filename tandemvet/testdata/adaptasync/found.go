package adaptasync

import (
	"context"

	"github.com/tandem-go/tandem/bridge"
)

func fetch(context.Context) (int, error) { return 1, nil }

type wrapped struct {
	context.Context
	user int
}

type byPointer struct{ ctx context.Context }

type asInterface interface {
	context.Context
	User() int
}

func (p *byPointer) value() context.Context { return p.ctx }

type pointerOnly struct{ context.Context }

var (
	_ = bridge.SyncToAsync(fetch)                                                                                        // want `bridge.SyncToAsync of a function that takes a context.Context: it is async already, and making the adapter panics; call it directly`
	_ = bridge.SyncToAsync(func(wrapped) (int, error) { return 0, nil })                                                 // want `takes a wrapped`
	_ = bridge.SyncToAsync(func(*pointerOnly) (int, error) { return 0, nil })                                            // want `takes a \*pointerOnly`
	_ = bridge.SyncToAsync(func(asInterface) (int, error) { return 0, nil })                                             // want `takes a asInterface`
	_ = bridge.SyncToAsync[context.Context, int]                                                                         // want `takes a context.Context`
	_ = bridge.SyncToAsyncScoped(func(*bridge.Scope, context.Context) (int, error) { return 0, nil }, bridge.Parallel()) // want `bridge.SyncToAsyncScoped of a function that takes a context.Context`
)

type service struct{}

func (service) load(context.Context) (int, error) { return 0, nil }

func methodValue(s service) {
	_ = bridge.SyncToAsync(s.load) // want `takes a context.Context`
}

func generic[C context.Context](f func(C) (int, error)) {
	_ = bridge.SyncToAsync(f) // want `takes a C`
}
