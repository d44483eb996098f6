package orm

import (
	"context"

	"github.com/tandem-go/tandem/bridge"
)

// SyncRefs changes a relation to many in sync code; see [SyncQuery].
type SyncRefs[T any] struct {
	of    *Refs[T]
	scope bridge.Scoped
}

// Sync is the relation for the sync code of a scope; see [Query.Sync].
func (r *Refs[T]) Sync(s bridge.Scoped) SyncRefs[T] { return SyncRefs[T]{r, s} }

// inSync runs the async form of a change for sync code, in the transaction that it
// is in.
func (r SyncRefs[T]) inSync(op string, f func(context.Context) error) error {
	if r.of.rel == nil {
		return r.of.unknown()
	}
	ctx, done, err := bridge.Detached(r.scope, "orm: "+r.of.rel.String()+"."+op)
	if err != nil {
		return err
	}
	defer done()
	if tx := r.of.from.db.txOfScope(r.scope); tx != nil {
		ctx = context.WithValue(ctx, txKey{tx.database()}, tx)
	}
	return f(ctx)
}

// Add is [Refs.Add] for sync code.
//
//tandem:synconly
func (r SyncRefs[T]) Add(rows ...*T) error {
	return r.inSync("Add", func(ctx context.Context) error { return r.of.Add(ctx, rows...) })
}

// Remove is [Refs.Remove] for sync code.
//
//tandem:synconly
func (r SyncRefs[T]) Remove(rows ...*T) error {
	return r.inSync("Remove", func(ctx context.Context) error { return r.of.Remove(ctx, rows...) })
}

// Set is [Refs.Set] for sync code.
//
//tandem:synconly
func (r SyncRefs[T]) Set(rows ...*T) error {
	return r.inSync("Set", func(ctx context.Context) error { return r.of.Set(ctx, rows...) })
}

// Clear is [Refs.Clear] for sync code.
//
//tandem:synconly
func (r SyncRefs[T]) Clear() error {
	return r.inSync("Clear", func(ctx context.Context) error { return r.of.Clear(ctx) })
}

// Create is [Refs.Create] for sync code.
//
//tandem:synconly
func (r SyncRefs[T]) Create(row *T) error {
	return r.inSync("Create", func(ctx context.Context) error { return r.of.Create(ctx, row) })
}
