package orm

import "context"

// Create is [Query.Create] for sync code.
//
//tandem:synconly
func (q SyncQuery[T]) Create(row *T) error {
	return doInSync(q, "Create", func(ctx context.Context, a Query[T]) error { return a.Create(ctx, row) })
}

// Save is [Query.Save] for sync code.
//
//tandem:synconly
func (q SyncQuery[T]) Save(row *T, fields ...string) error {
	return doInSync(q, "Save", func(ctx context.Context, a Query[T]) error { return a.Save(ctx, row, fields...) })
}

// Refresh is [Query.Refresh] for sync code.
//
//tandem:synconly
func (q SyncQuery[T]) Refresh(row *T, fields ...string) error {
	return doInSync(q, "Refresh", func(ctx context.Context, a Query[T]) error { return a.Refresh(ctx, row, fields...) })
}

// DeleteRow is [Query.DeleteRow] for sync code.
//
//tandem:synconly
func (q SyncQuery[T]) DeleteRow(row *T) error {
	return doInSync(q, "DeleteRow", func(ctx context.Context, a Query[T]) error { return a.DeleteRow(ctx, row) })
}

// Update is [Query.Update] for sync code.
//
//tandem:synconly
func (q SyncQuery[T]) Update(set ...Assignment) (int64, error) {
	return inSync(q, "Update", func(ctx context.Context, a Query[T]) (int64, error) { return a.Update(ctx, set...) })
}

// Delete is [Query.Delete] for sync code.
//
//tandem:synconly
func (q SyncQuery[T]) Delete() (int64, error) {
	return inSync(q, "Delete", func(ctx context.Context, a Query[T]) (int64, error) { return a.Delete(ctx) })
}

// GetOrCreate is [Query.GetOrCreate] for sync code.
//
//tandem:synconly
func (q SyncQuery[T]) GetOrCreate(row *T, by ...string) (found *T, created bool, err error) {
	err = doInSync(q, "GetOrCreate", func(ctx context.Context, a Query[T]) error {
		found, created, err = a.GetOrCreate(ctx, row, by...)
		return err
	})
	return found, created, err
}

// UpdateOrCreate is [Query.UpdateOrCreate] for sync code.
//
//tandem:synconly
func (q SyncQuery[T]) UpdateOrCreate(row *T, by []string, set ...string) (found *T, created bool, err error) {
	err = doInSync(q, "UpdateOrCreate", func(ctx context.Context, a Query[T]) error {
		found, created, err = a.UpdateOrCreate(ctx, row, by, set...)
		return err
	})
	return found, created, err
}

// BulkCreate is [Query.BulkCreate] for sync code.
//
//tandem:synconly
func (q SyncQuery[T]) BulkCreate(rows []*T, options ...BulkOption) error {
	return doInSync(q, "BulkCreate", func(ctx context.Context, a Query[T]) error { return a.BulkCreate(ctx, rows, options...) })
}

// BulkUpdate is [Query.BulkUpdate] for sync code.
//
//tandem:synconly
func (q SyncQuery[T]) BulkUpdate(rows []*T, fields ...string) (int64, error) {
	return inSync(q, "BulkUpdate", func(ctx context.Context, a Query[T]) (int64, error) { return a.BulkUpdate(ctx, rows, fields...) })
}

// Contains is [Query.Contains] for sync code.
//
//tandem:synconly
func (q SyncQuery[T]) Contains(row *T) (bool, error) {
	return inSync(q, "Contains", func(ctx context.Context, a Query[T]) (bool, error) { return a.Contains(ctx, row) })
}
