package orm_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tandem-go/tandem/orm"
)

func TestAModelWithWhatIsNotSupportedIsRefused(t *testing.T) {
	type Gone struct {
		ID        int64     `bun:",pk"`
		DeletedAt time.Time `bun:",soft_delete,nullzero"`
	}
	type Packed struct {
		ID   int64          `bun:",pk"`
		Data map[string]any `bun:",msgpack"`
	}
	onEach(t, func(t *testing.T, db *orm.DB) {
		for want, f := range map[string]func(){
			"field DeletedAt: no such field: bun's option soft_delete is not supported": func() { orm.For[Gone](db) },
			"field Data: no such field: bun's option msgpack is not supported":          func() { orm.For[Packed](db) },
		} {
			func() {
				defer func() {
					if text, _ := recover().(string); !strings.HasSuffix(text, want) {
						t.Errorf("%q, want %q", text, want)
					}
				}()
				f()
			}()
		}
	})
}

func TestAModelWithoutAPrimaryKeyIsCreatedAndNoMore(t *testing.T) {
	type Line struct{ Text string }
	onEach(t, func(t *testing.T, db *orm.DB) {
		ctx := t.Context()
		if _, err := db.SQL().ExecContext(ctx, "CREATE TABLE lines (text text)"); err != nil {
			t.Fatal(err)
		}
		lines, one := orm.For[Line](db), &Line{"a"}
		if err := lines.Create(ctx, one); err != nil {
			t.Fatal(err)
		}
		_, bulk := lines.BulkUpdate(ctx, []*Line{one}, "text")
		_, limited := lines.Limit(1).Delete(ctx)
		_, contains := lines.Contains(ctx, one)
		for op, err := range map[string]error{
			"save": lines.Save(ctx, one), "delete one": lines.DeleteRow(ctx, one), "refresh": lines.Refresh(ctx, one),
			"bulk update": bulk, "delete some": limited, "contains": contains,
		} {
			if !errors.Is(err, orm.ErrField) || !strings.HasSuffix(err.Error(), "Line has no primary key") {
				t.Errorf("%s: %v", op, err)
			}
		}
		if n, err := lines.Filter("text = ?", "a").Update(ctx, orm.Set("text", "b")); n != 1 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		if n, err := lines.Delete(ctx); n != 1 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	})
}

func TestWritesAreInTheTransaction(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		tags := orm.For[Tag](db)
		err := orm.AtomicAsync(t.Context(), db, func(ctx context.Context, tx *orm.Tx) error {
			tag, created, err := tags.GetOrCreate(ctx, &Tag{Name: "new"}, "name")
			if err != nil || !created {
				t.Errorf("%t, %v", created, err)
			}
			if _, created, err = tags.With(tx).GetOrCreate(ctx, &Tag{Name: "new"}, "name"); err != nil || created {
				t.Errorf("%t, %v", created, err)
			}
			if _, created, err = tags.UpdateOrCreate(ctx, &Tag{ID: tag.ID, Name: "newer"}, []string{"id"}); err != nil || created {
				t.Errorf("%t, %v", created, err)
			}
			rows := []*Tag{{Name: "x"}, {Name: "y"}}
			if err := tags.BulkCreate(ctx, rows, orm.BatchSize(1)); err != nil {
				t.Error(err)
			}
			return errors.Join(tags.DeleteRow(ctx, rows[0]), errOwn)
		})
		if !errors.Is(err, errOwn) {
			t.Error(err)
		}
		if n, err := tags.Count(t.Context()); n != 3 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		err = orm.AtomicAsync(t.Context(), db, func(ctx context.Context, _ *orm.Tx) error {
			return tags.Create(ctx, &Tag{Name: "x"})
		}, orm.ReadOnly())
		if !errors.Is(err, orm.ErrReadOnly) {
			t.Errorf("%v, want ErrReadOnly", err)
		}
	})
}

func TestARefreshedRowIsStillAmongItsPeers(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		posts, ctx := orm.For[Post](db).Fetch(orm.FetchPeers), t.Context()
		p, err := posts.Get(ctx, 1)
		if err != nil {
			t.Fatal(err)
		}
		if err := posts.Refresh(ctx, p); err != nil {
			t.Fatal(err)
		}
		tags, err := p.Tags.Load(ctx)
		if err != nil || len(tags) != 2 || !p.Tags.Loaded() {
			t.Errorf("%v, loaded %t, %v", tags, p.Tags.Loaded(), err)
		}
		author, err := p.Author.Load(ctx)
		if err != nil || author.Name != "Ada" {
			t.Errorf("%v, %v", author, err)
		}
	})
}

func TestACreatedRowLoadsItsRelations(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		ctx := t.Context()
		p := &Post{Title: "New", CreatedAt: time.Now(), Author: orm.RefKey[Author](1)}
		if err := orm.For[Post](db).Create(ctx, p); err != nil {
			t.Fatal(err)
		}
		author, err := p.Author.Load(ctx)
		if err != nil || author.Name != "Ada" {
			t.Errorf("%v, %v", author, err)
		}
		if tags, err := p.Tags.Load(ctx); err != nil || len(tags) != 0 {
			t.Errorf("%v, %v", tags, err)
		}
	})
}

func TestAKeyOfTextThatIsNotStoredIsNotFound(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		for _, key := range []string{"a\x00b", "\xff", "none"} {
			if _, err := orm.For[Editor](db).Get(t.Context(), key); !errors.Is(err, orm.ErrNotFound) {
				t.Errorf("%q: %v, want ErrNotFound", key, err)
			}
		}
	})
}
