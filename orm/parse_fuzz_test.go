package orm_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/orm"
)

// Whatever the parser takes is SQL that the database takes, and has no value in it.
func FuzzConditions(f *testing.F) {
	for _, seed := range []string{
		"published", "NOT published OR views > ? AND title = ?", "(views BETWEEN ? AND ?) AND id IN (?)", "rating IS NOT NULL",
		"title NOT LIKE ? AND lower(Author.name) ILIKE upper(?)", "Author.Posts.Tags.name = ?", "Comments.Parent.Text <> body",
		"id = 1", "title = 'x'", "((((id = ?))))", "NOT NOT published", "? = id", "id IN (?, ?)", "published IS TRUE", "Author = ?",
		"lower(lower(title)) = ?", "id = ? -- x", "TRUE", "id", "NULL = ?", "a.b.c.d", "Title=?AND(views<?)",
	} {
		f.Add(seed)
	}
	db, err := orm.Open(context.Background(), filepath.Join(f.TempDir(), "fuzz.db"))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = db.Close() })
	create(f, db)
	f.Fuzz(func(t *testing.T, cond string) {
		text, args, err := orm.Written[Post](db, cond)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("an error of several lines: %q", err)
			}
			return
		}
		if strings.ContainsAny(text, "';") && !strings.Contains(text, `ESCAPE '\'`) {
			t.Errorf("%q became %s", cond, text)
		}
		rows, err := db.SQL().QueryContext(t.Context(), "EXPLAIN "+text, args...)
		if err != nil {
			if deep := strings.Contains(err.Error(), "Expression tree is too large") || strings.Contains(err.Error(), "at most 64 tables"); !deep {
				t.Errorf("%q became %s: %v", cond, text, err)
			}
			return
		}
		_ = rows.Close()
	})
}

func TestConditionsHaveBounds(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		deep := strings.Repeat("(", 60) + "published" + strings.Repeat(")", 60)
		if _, _, err := orm.Written[Post](db, deep); err == nil || !strings.Contains(err.Error(), "nests deeper than 50") {
			t.Errorf("%v", err)
		}
		if err := orm.For[Post](db).Filter("id IN (?)", make([]int, 30001)).Err(); !errors.Is(err, orm.ErrType) {
			t.Errorf("%v", err)
		}
	})
}
