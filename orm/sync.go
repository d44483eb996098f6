package orm

import (
	"context"

	"github.com/tandem-go/tandem/bridge"
)

// SyncQuery is a query for sync code: its methods take no ctx. They fail with an
// error that matches [bridge.ErrSynchronousOnly] unless sync code of the scope it
// was made for is running. Rows that it loads load their relations when asked.
type SyncQuery[T any] struct {
	q     Query[T]
	scope bridge.Scoped
}

// Sync is the query for the sync code of a scope: a request of a sync view, a job,
// or a transaction begun by [Atomic].
func (q Query[T]) Sync(s bridge.Scoped) SyncQuery[T] { return SyncQuery[T]{q, s} }

// Query is the query without the scope.
func (q SyncQuery[T]) Query() Query[T] { return q.q }

// inSync runs the async form of an operation for sync code. It has the values and
// the deadline of that code's caller and does not end when the client goes away:
// sync code runs to its end.
func inSync[T, R any](q SyncQuery[T], op string, f func(context.Context, Query[T]) (R, error)) (R, error) {
	var none R
	s := q.q.s
	if s.err != nil {
		return none, s.err
	}
	ctx, done, err := bridge.Detached(q.scope, "orm: "+s.m.typ.Name()+"."+op)
	if err != nil {
		return none, err
	}
	defer done()
	own := *s
	own.scope = q.scope
	if own.tx == nil {
		own.tx = s.db.txOfScope(q.scope)
	}
	return f(ctx, Query[T]{&own})
}

// List is [Query.List] for sync code.
//
//tandem:synconly
func (q SyncQuery[T]) List() ([]*T, error) {
	return inSync(q, "List", func(ctx context.Context, a Query[T]) ([]*T, error) { return a.List(ctx) })
}

// Get is [Query.Get] for sync code.
//
//tandem:synconly
func (q SyncQuery[T]) Get(pk any) (*T, error) {
	return inSync(q, "Get", func(ctx context.Context, a Query[T]) (*T, error) { return a.Get(ctx, pk) })
}

// One is [Query.One] for sync code.
//
//tandem:synconly
func (q SyncQuery[T]) One() (*T, error) {
	return inSync(q, "One", func(ctx context.Context, a Query[T]) (*T, error) { return a.One(ctx) })
}

// First is [Query.First] for sync code.
//
//tandem:synconly
func (q SyncQuery[T]) First() (*T, error) {
	return inSync(q, "First", func(ctx context.Context, a Query[T]) (*T, error) { return a.First(ctx) })
}

// Last is [Query.Last] for sync code.
//
//tandem:synconly
func (q SyncQuery[T]) Last() (*T, error) {
	return inSync(q, "Last", func(ctx context.Context, a Query[T]) (*T, error) { return a.Last(ctx) })
}

// Earliest is [Query.Earliest] for sync code.
//
//tandem:synconly
func (q SyncQuery[T]) Earliest(fields ...string) (*T, error) {
	return inSync(q, "Earliest", func(ctx context.Context, a Query[T]) (*T, error) { return a.Earliest(ctx, fields...) })
}

// Latest is [Query.Latest] for sync code.
//
//tandem:synconly
func (q SyncQuery[T]) Latest(fields ...string) (*T, error) {
	return inSync(q, "Latest", func(ctx context.Context, a Query[T]) (*T, error) { return a.Latest(ctx, fields...) })
}

// Count is [Query.Count] for sync code.
//
//tandem:synconly
func (q SyncQuery[T]) Count() (int64, error) {
	return inSync(q, "Count", func(ctx context.Context, a Query[T]) (int64, error) { return a.Count(ctx) })
}

// Exists is [Query.Exists] for sync code.
//
//tandem:synconly
func (q SyncQuery[T]) Exists() (bool, error) {
	return inSync(q, "Exists", func(ctx context.Context, a Query[T]) (bool, error) { return a.Exists(ctx) })
}

// Aggregate is [Query.Aggregate] for sync code.
//
//tandem:synconly
func (q SyncQuery[T]) Aggregate(of ...Aggregation) error {
	_, err := inSync(q, "Aggregate", func(ctx context.Context, a Query[T]) (struct{}, error) { return struct{}{}, a.Aggregate(ctx, of...) })
	return err
}

// doInSync is inSync of an operation that has no result.
func doInSync[T any](q SyncQuery[T], op string, f func(context.Context, Query[T]) error) error {
	_, err := inSync(q, op, func(ctx context.Context, a Query[T]) (struct{}, error) { return struct{}{}, f(ctx, a) })
	return err
}
