package nestedsync

import (
	"context"
	"time"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/tandemvet/testdata/store"
	"github.com/tandem-go/tandem/view"
)

var report = bridge.SyncToAsync(func(id int) (string, error) { return "", nil })

func detached() context.Context { return nil }

func legacy() (int, error) { return 0, nil }

func load(ctx context.Context) (int, error) {
	return bridge.RunSync(ctx, legacy)
}

func loadLater(ctx context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	return load(ctx)
}

func found(ctx context.Context, r *view.Request) (view.Response, error) {
	short, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	compute := bridge.SyncToAsync(func(int) (int, error) { return 0, nil })
	_, _ = bridge.RunSync(ctx, func() (int, error) {
		_, _ = bridge.RunSync(ctx, legacy)                                                          // want `this is the code of a sync frame, and runs another one \(bridge.RunSync\) with ctx, which it caught from around it: that one would wait for the turn that this one has`
		_, _ = bridge.RunSync(short, legacy)                                                        // want `bridge.RunSync\) with ctx`
		_, _ = bridge.RunSync(context.WithoutCancel(ctx), legacy)                                   // want `bridge.RunSync\) with ctx`
		_, _ = bridge.RunSyncScoped(ctx, func(*bridge.Scope) (int, error) { return 0, nil })        // want `bridge.RunSyncScoped`
		_, _ = bridge.SyncToAsync(func(int) (int, error) { return 0, nil }, bridge.On(nil))(ctx, 1) // want `runs another one`
		_, _ = compute(ctx, 1)                                                                      // want `runs another one \(compute\)`
		_, _ = report(ctx, 1)                                                                       // want `runs another one \(report\)`
		_, _ = store.Report(ctx, 1)                                                                 // want `runs another one \(store.Report\)`
		_, _ = loadLater(ctx)                                                                       // want `nestedsync.loadLater → nestedsync.load → bridge.RunSync`
		_, _ = store.Async(ctx)                                                                     // want `store.Async → bridge.RunSync`
		func() {
			_, _ = load(ctx) // want `nestedsync.load → bridge.RunSync`
		}()
		return 0, nil
	})
	inner := func() (int, error) {
		return load(ctx) // want `nestedsync.load`
	}
	_, _ = bridge.RunSync(ctx, inner)
	_ = store.InFrame(ctx, func() error {
		_, err := load(ctx) // want `nestedsync.load`
		return err
	})
	adapted := bridge.SyncToAsync(func(int) (int, error) {
		return load(ctx) // want `nestedsync.load`
	})
	_, err := adapted(ctx, 1)
	return nil, err
}

func fine(ctx context.Context, r *view.Request) (view.Response, error) {
	// One after the other.
	_, _ = bridge.RunSync(ctx, legacy)
	_, _ = load(ctx)
	_, _ = bridge.RunSync(ctx, func() (int, error) {
		// Sync code calls sync code.
		_, _ = legacy()
		// What Await hands down is below this very frame.
		_, _ = bridge.Await(r, func(ctx context.Context) (int, error) {
			_, _ = report(ctx, 1)
			return load(ctx)
		})
		_, _ = bridge.Await(r, load)
		// These do not wait for a turn.
		_, _ = bridge.RunSync(ctx, legacy, bridge.Parallel())
		_, _ = bridge.SyncToAsync(func(int) (int, error) { return 0, nil }, bridge.Parallel())(ctx, 1)
		// A ctx of another scope, or of none.
		_, _ = bridge.RunSync(context.Background(), legacy) // want `lostctx: context.Background where there is a ctx`
		return 0, ctx.Err()
	})
	// A ctx of the frame's own that shadows the one around it.
	_, _ = bridge.RunSyncScoped(ctx, func(s *bridge.Scope) (int, error) {
		ctx := detached()
		return bridge.RunSync(ctx, legacy)
	})
	// This one does not have the turn.
	_, _ = bridge.RunSync(ctx, func() (int, error) { return load(ctx) }, bridge.Parallel())
	// Options that cannot be looked into.
	opts := []bridge.SyncOption{bridge.Parallel()}
	_, _ = bridge.RunSync(ctx, func() (int, error) { return bridge.RunSync(ctx, legacy, opts...) })
	// A goroutine does not keep the frame waiting.
	_, _ = bridge.RunSync(ctx, func() (int, error) {
		go func() { _, _ = load(ctx) }()
		return 0, nil
	})
	// Not run here.
	_, _ = bridge.RunSync(ctx, func() (func() (int, error), error) {
		return func() (int, error) { return load(ctx) }, nil
	})
	return nil, nil
}

// Of two contexts, the one of the frame is meant.
func two(ctx, other context.Context) {
	_, _ = bridge.RunSync(ctx, func() (int, error) { return load(other) })
}

func withBackground(ctx context.Context) {
	_, _ = bridge.RunSync(context.Background(), legacy) // want `lostctx: context.Background where there is a ctx`
}
