package orm

import (
	"context"
	"errors"
	"reflect"
	"slices"
)

// InBulk returns the query's rows that have one of the primary keys, by key, as the
// keys are given: they may come as text, as for [Query.Get]. Those that have no row
// are left out.
//
//	byID, err := orm.InBulk(ctx, posts, []int64{1, 2, 3})
//
// It is a function, not a method, so that the map's type is that of the keys.
func InBulk[K comparable, T any](ctx context.Context, q Query[T], keys []K) (map[K]*T, error) {
	found := make(map[K]*T, len(keys))
	err := q.s.do(ctx, "in bulk", func(on session) error {
		key, err := q.s.m.onlyKey()
		if err != nil {
			return err
		}
		if q.s.limit >= 0 || q.s.offset > 0 {
			return errWindow
		}
		given := make(map[any][]K, len(keys)) // several texts may be one key
		var args []any
		for _, k := range keys {
			arg, err := key.keyArgument(k)
			if errors.Is(err, ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			in := mapKey(arg)
			if given[in] == nil {
				args = append(args, arg)
			}
			given[in] = append(given[in], k)
		}
		f := &path{column: key}
		in := &comparison{parts: []node{f, word("IN"), &param{of: f, list: true}}, field: f}
		part := ctx
		for some := range slices.Chunk(args, maxList) {
			one := *q.s
			one.conds = added(one.conds, checked{n: in, args: []any{some}})
			st, err := one.selection(nil)
			if err != nil {
				return err
			}
			rows, err := fetch[T](part, on, &one, st)
			if err != nil {
				return err
			}
			part = goingOn(ctx)
			for _, row := range rows {
				arg, err := key.bound(reflect.ValueOf(row).Elem())
				if err != nil {
					return err
				}
				for _, k := range given[mapKey(arg)] {
					found[k] = row
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// InBulkSync is [InBulk] for sync code.
//
//tandem:synconly
func InBulkSync[K comparable, T any](q SyncQuery[T], keys []K) (map[K]*T, error) {
	return inSync(q, "InBulk", func(ctx context.Context, a Query[T]) (map[K]*T, error) { return InBulk(ctx, a, keys) })
}

// Contains says whether the query has the row of that primary key; with a limit or an
// offset, whether it is among those.
func (q Query[T]) Contains(ctx context.Context, row *T) (is bool, err error) {
	err = q.s.do(ctx, "contains", func(on session) error {
		if row == nil {
			return errNil
		}
		at, err := q.s.at(reflect.ValueOf(row).Elem())
		if err != nil || q.s.limit == 0 {
			return err
		}
		w := q.s.writer()
		w.put("SELECT EXISTS (SELECT 1 FROM ", string(q.s.m.table.SQLNameForSelects), " AS ", w.joins.base)
		if err := at.target(w, " WHERE "); err != nil {
			return err
		}
		if err := q.s.target(w, " AND "); err != nil {
			return err
		}
		w.put(")")
		is, err = readOne[bool](ctx, on, statement{text: string(w.b), args: w.args})
		return err
	})
	return is, err
}
