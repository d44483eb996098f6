// Package bridge lets blocking code and cancellable code call each other.
//
// The invariant: no code waits for a permit while it holds one. Every rule of
// the package follows from keeping that true, and it is why nesting the two
// kinds to any depth, from any goroutine, cannot deadlock on capacity.
//
// Code that takes a [context.Context] is async here: it can be cancelled and
// runs on its caller's goroutine. Code that takes none is sync: once begun it
// runs to its end, and it runs inside a permit of a [Limiter], so that a bounded
// number of such calls (frames) are going on at any time.
//
//	report := bridge.SyncToAsync(legacy.ComputeReport) // func(context.Context, ID) (Report, error)
//	data, err := report(ctx, id)                       // waits for a permit, then runs here
//
//	res, err := bridge.Await(r, func(ctx context.Context) (Result, error) { // from sync code
//		return fetch(ctx, q)
//	})
//
// # Rules
//
//  1. What runs below a sync frame borrows its slot, on whatever goroutine.
//  2. Await gives the permit back for as long as it waits.
//  3. Coming back from Await never queues. The limit may be exceeded for a
//     moment; newcomers wait until that debt is paid.
//
// One frame of a [Scope] runs at a time, first come first served, unless
// [Parallel] is asked for. Work that is still queued when its context ends is
// dropped; a frame that has begun keeps its permit until it returns.
package bridge
