package auth

import (
	"context"
	"fmt"

	"github.com/tandem-go/tandem/bridge"
)

// lookup is an application's function of either colour; one field is set.
type lookup[K, V any] struct {
	async func(context.Context, K) (V, error)
	sync  func(K) (V, error)
}

// lookupOf takes f apart, whose type was checked where it was given.
func lookupOf[K, V any](f any) lookup[K, V] {
	var l lookup[K, V]
	switch f := f.(type) {
	case func(context.Context, K) (V, error):
		l.async = f
	case func(K) (V, error):
		l.sync = f
	}
	if l.async == nil && l.sync == nil {
		panic(fmt.Sprintf("auth: the lookup, a %T, is nil", f))
	}
	return l
}

// find calls the lookup from async code.
func (l lookup[K, V]) find(ctx context.Context, k K) (V, error) {
	if l.async != nil {
		return l.async(ctx, k)
	}
	return bridge.RunSync(ctx, func() (V, error) { return l.sync(k) })
}

// findSync calls it from sync code.
func (l lookup[K, V]) findSync(s bridge.Scoped, k K) (V, error) {
	if l.sync != nil {
		return l.sync(k)
	}
	return bridge.Await(s, func(ctx context.Context) (V, error) { return l.async(ctx, k) })
}
