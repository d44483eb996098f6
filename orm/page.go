package orm

import (
	"context"
	"fmt"
)

// Page is a part of a query's rows, counted from 1.
type Page[T any] struct {
	Rows   []*T
	Number int
	Pages  int   // how many there are; at least 1
	Size   int   // rows on a full one
	Count  int64 // rows on all of them
}

// Previous is the number of the page before; 0 if this is the first.
func (p Page[T]) Previous() int { return p.Number - 1 }

// Next is the number of the page behind; 0 if this is the last.
func (p Page[T]) Next() int {
	if p.Number >= p.Pages {
		return 0
	}
	return p.Number + 1
}

// PageOf is a page of so many rows, without them: for who iterates over the rows
// instead of having them in a list, or knows the count already. [ErrNotFound] if
// there is no such page; the first is always there.
//
//	page, err := orm.PageOf[Post](number, 20, count)
//	for post, err := range page.Of(posts).All(ctx) { … }
func PageOf[T any](number, size int, count int64) (Page[T], error) {
	if size < 1 {
		return Page[T]{}, fmt.Errorf("orm: %w: pages of %d rows", ErrType, size)
	}
	pages := max(1, int((count+int64(size)-1)/int64(size)))
	if number < 1 || number > pages {
		return Page[T]{}, fmt.Errorf("orm: %w: page %d of %d", ErrNotFound, number, pages)
	}
	return Page[T]{Number: number, Pages: pages, Size: size, Count: count}, nil
}

// Of is the query of those rows of q that are on the page. Its order should leave no
// two rows at the same place, or a row may be on two pages.
func (p Page[T]) Of(q Query[T]) Query[T] { return q.Limit(p.Size).Offset((p.Number - 1) * p.Size) }

// Page returns a page of the query's rows, in its order and then by primary key, by
// two statements. A page that is not there does not match: [ErrNotFound]; the
// first is always there. Far pages are slow, since the database goes through all
// before them: filter by the last row's place instead.
func (q Query[T]) Page(ctx context.Context, number, size int) (Page[T], error) {
	q = q.with(func(s *spec) error {
		switch {
		case size < 1:
			return fmt.Errorf("%w: pages of %d rows", ErrType, size)
		case s.limit >= 0 || s.offset > 0:
			return fmt.Errorf("%w: pages of a query with a limit or an offset", ErrType)
		case number < 1:
			return fmt.Errorf("%w: page %d", ErrNotFound, number)
		}
		var err error
		s.order, err = s.keyed()
		return err
	})
	count, err := q.Count(ctx)
	if err != nil {
		return Page[T]{}, err
	}
	page, err := PageOf[T](number, size, count)
	if err != nil {
		return Page[T]{}, q.s.wrap("page of", err)
	}
	if page.Rows, err = page.Of(q).List(ctx); err != nil {
		return Page[T]{}, err
	}
	return page, nil
}

// Page is [Query.Page] for sync code.
//
//tandem:synconly
func (q SyncQuery[T]) Page(number, size int) (Page[T], error) {
	return inSync(q, "Page", func(ctx context.Context, a Query[T]) (Page[T], error) { return a.Page(ctx, number, size) })
}
