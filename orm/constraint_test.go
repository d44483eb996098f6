package orm_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/tandem-go/tandem/orm"
)

func TestWhatTheDatabaseRefusesLeavesNothing(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	ada := "ada@example.org"
	onEach(t, func(t *testing.T, db *orm.DB) {
		posts, tags, authors := orm.For[Post](db), orm.For[Tag](db), orm.For[Author](db)
		taken := &Tag{Name: "go"}
		rows := []*Tag{{Name: "new"}, {Name: "newer"}, {Name: "go"}}
		for name, c := range map[string]struct {
			is error
			f  func(ctx context.Context) error
		}{
			"create, unique":  {orm.ErrUnique, func(ctx context.Context) error { return tags.Create(ctx, taken) }},
			"create, its key": {orm.ErrUnique, func(ctx context.Context) error { return tags.Create(ctx, &Tag{ID: 1, Name: "x"}) }},
			"create, check":   {orm.ErrCheck, func(ctx context.Context) error { return posts.Create(ctx, &Post{Views: -1, CreatedAt: at}) }},
			"create, foreign key": {orm.ErrForeignKey, func(ctx context.Context) error {
				return posts.Create(ctx, &Post{CreatedAt: at, Author: orm.RefKey[Author](99)})
			}},
			"save, unique": {orm.ErrUnique, func(ctx context.Context) error { return tags.Save(ctx, &Tag{ID: 2, Name: "go"}) }},
			"update, check": {orm.ErrCheck, func(ctx context.Context) error {
				_, err := posts.Update(ctx, orm.SetExpr("views", "views - ?", 5)) // right for some
				return err
			}},
			"update, null": {orm.ErrNotNull, func(ctx context.Context) error {
				_, err := posts.Update(ctx, orm.Set("title", nil))
				return err
			}},
			"update, foreign key": {orm.ErrForeignKey, func(ctx context.Context) error {
				_, err := posts.Update(ctx, orm.Set("Author", 99))
				return err
			}},
			"delete, foreign key": {orm.ErrForeignKey, func(ctx context.Context) error {
				_, err := tags.Delete(ctx) // right for one
				return err
			}},
			"delete one, foreign key": {orm.ErrForeignKey, func(ctx context.Context) error { return authors.DeleteRow(ctx, &Author{ID: 1}) }},
			"bulk create, unique":     {orm.ErrUnique, func(ctx context.Context) error { return tags.BulkCreate(ctx, rows) }},
			"bulk create, in several": {orm.ErrUnique, func(ctx context.Context) error { return tags.BulkCreate(ctx, rows, orm.BatchSize(1)) }},
			"bulk update, unique": {orm.ErrUnique, func(ctx context.Context) error {
				_, err := tags.BulkUpdate(ctx, []*Tag{{ID: 3, Name: "new"}, {ID: 2, Name: "go"}}, "name")
				return err
			}},
			"get or create, of other fields": {orm.ErrUnique, func(ctx context.Context) error {
				_, _, err := authors.GetOrCreate(ctx, &Author{Name: "Nobody", Email: &ada}, "name")
				return err
			}},
			"update or create, unique": {orm.ErrUnique, func(ctx context.Context) error {
				_, _, err := tags.UpdateOrCreate(ctx, &Tag{ID: 2, Name: "go"}, []string{"id"})
				return err
			}},
		} {
			t.Run(name, func(t *testing.T) {
				if err := c.f(t.Context()); !errors.Is(err, c.is) {
					t.Errorf("%v, want %v", err, c.is)
				}
			})
		}
		for _, row := range append(rows, taken) {
			if row.ID != 0 {
				t.Errorf("%+v has a key, and was not created", row)
			}
		}
		if got := ids(t, posts.Filter("views IN (?) AND title <> ?", []int{10, 20, 0, 5, 1}, "").Order("id")); len(got) != 5 {
			t.Errorf("posts %v are as they were", got)
		}
		if n, err := tags.Filter("name IN (?)", []string{"go", "c", "unused"}).Count(t.Context()); n != 3 || err != nil {
			t.Errorf("%d tags are as they were, %v", n, err)
		}
		if n, err := tags.Count(t.Context()); n != 3 || err != nil {
			t.Errorf("%d tags, %v", n, err)
		}
		if n, err := authors.Count(t.Context()); n != 3 || err != nil {
			t.Errorf("%d authors, %v", n, err)
		}
	})
}
