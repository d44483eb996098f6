package orm_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/tandem-go/tandem/orm"
)

// listed is the query of the benchmarks, made anew as views do.
func listed(db *orm.DB) orm.Query[Post] {
	return orm.For[Post](db).Related("Author").Filter("published = ?", true).Order("id").Limit(20)
}

// manyPosts is a SQLite database with n posts more, all published and of an author
// without an address.
func manyPosts(tb testing.TB, n int) *orm.DB {
	tb.Helper()
	db := open(tb, filepath.Join(tb.TempDir(), "test.db"))
	text := fmt.Sprintf(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
	INSERT INTO posts (title, body, published, created_at, author_id)
	SELECT 'title ' || i, 'body', true, '2026-02-01 10:00:00+00:00', 2 FROM n`, n)
	if _, err := db.SQL().ExecContext(tb.Context(), text); err != nil {
		tb.Fatal(err)
	}
	return db
}

// The text of a list with a join, and the query that it is made of.
func BenchmarkText(b *testing.B) {
	db := manyPosts(b, 0)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := orm.Text(listed(db)); err != nil {
			b.Fatal(err)
		}
	}
}

// The text alone, of a query that is there.
func BenchmarkTextOfKeptQuery(b *testing.B) {
	q := listed(manyPosts(b, 0))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := orm.Text(q); err != nil {
			b.Fatal(err)
		}
	}
}

// Twenty rows, each with one that is joined to it, from SQLite.
func BenchmarkListOf20(b *testing.B) {
	db := manyPosts(b, 20)
	b.ReportAllocs()
	for b.Loop() {
		if rows, err := listed(db).List(b.Context()); err != nil || len(rows) != 20 {
			b.Fatal(len(rows), err)
		}
	}
}

// The same rows by database/sql: what of BenchmarkListOf20 is not ours.
func BenchmarkListOf20BySQL(b *testing.B) {
	db := manyPosts(b, 20)
	text, args, err := orm.Text(listed(db))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if n := bySQL(b, db, text, args); n != 20 {
			b.Fatal(n)
		}
	}
}

// bySQL reads all rows of a statement, each value as the driver has it.
func bySQL(tb testing.TB, db *orm.DB, text string, args []any) (n int) {
	tb.Helper()
	rows, err := db.SQL().QueryContext(tb.Context(), text, args...)
	if err != nil {
		tb.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		tb.Fatal(err)
	}
	values, dest := make([]any, len(columns)), make([]any, len(columns))
	for i := range dest {
		dest[i] = &values[i]
	}
	for ; rows.Next(); n++ {
		if err := rows.Scan(dest...); err != nil {
			tb.Fatal(err)
		}
	}
	if err := rows.Err(); err != nil {
		tb.Fatal(err)
	}
	return n
}

// What a row of a list allocates beyond what the driver does is its struct and that
// of the row joined to it: no value of theirs is boxed or copied on the way.
func TestARowAllocatesItsStructsAlone(t *testing.T) {
	const few, many = 40, 140
	db := manyPosts(t, many+10)
	beyond := func(n int) float64 {
		q := orm.For[Post](db).Related("Author").Order("-id").Limit(n)
		text, args, err := orm.Text(q)
		if err != nil {
			t.Fatal(err)
		}
		ours := testing.AllocsPerRun(50, func() {
			if rows, err := q.List(t.Context()); err != nil || len(rows) != n {
				t.Fatal(len(rows), err)
			}
		})
		return ours - testing.AllocsPerRun(50, func() { bySQL(t, db, text, args) })
	}
	// The slice of the rows grows now and then.
	if perRow := (beyond(many) - beyond(few)) / (many - few); perRow < 1.9 || perRow > 2.1 {
		t.Errorf("%.2f allocations a row, want 2", perRow)
	}
}

// One row by its key.
func BenchmarkGet(b *testing.B) {
	db := manyPosts(b, 0)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := orm.For[Post](db).Get(b.Context(), 1); err != nil {
			b.Fatal(err)
		}
	}
}

// A relation that was loaded with its row.
func BenchmarkRefGet(b *testing.B) {
	post, err := orm.For[Post](manyPosts(b, 0)).Related("Author").Get(b.Context(), 1)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if author, err := post.Author.Get(); err != nil || author.ID != 1 {
			b.Fatal(author, err)
		}
	}
}

// The key of one that was not.
func BenchmarkRefPK(b *testing.B) {
	post, err := orm.For[Post](manyPosts(b, 0)).Get(b.Context(), 1)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if post.Author.PK() != int64(1) {
			b.Fatal(post.Author.PK())
		}
	}
}
