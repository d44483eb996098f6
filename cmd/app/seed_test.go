package main

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tandem-go/tandem/internal/pgtest"
	"github.com/tandem-go/tandem/orm"
)

// contents is what posts there are, without ids.
func contents(t *testing.T, db *orm.DB) string {
	t.Helper()
	rows, err := db.SQL().QueryContext(t.Context(), `
		SELECT p.title, p.body, p.published, p.created_at, a.name, a.email, t.name
		FROM posts p JOIN authors a ON a.id = p.author_id JOIN post_tags pt ON pt.post_id = p.id JOIN tags t ON t.id = pt.tag_id
		ORDER BY p.created_at, t.name`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var all strings.Builder
	for rows.Next() {
		var title, body, author, email, tag string
		var published bool
		var at time.Time
		if err := rows.Scan(&title, &body, &published, &at, &author, &email, &tag); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&all, title, body, published, at.UTC(), author, email, tag)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all.String()
}

func wantAdded(t *testing.T, db *orm.DB, want int) {
	t.Helper()
	if added, err := seed(t.Context(), db); err != nil || added != want {
		t.Fatalf("seed: %d, %v, want %d", added, err, want)
	}
}

func TestSeedIsTheSameOnBothDatabases(t *testing.T) {
	sqlite, postgres := openMigrated(t, databaseURL(t.TempDir()+"/test.db")), openMigrated(t, databaseURL(pgtest.URL(t)))
	wantAdded(t, sqlite, 50)
	wantAdded(t, postgres, 50)
	a, b := contents(t, sqlite), contents(t, postgres)
	if a != b {
		t.Errorf("SQLite has\n%s\nPostgreSQL\n%s", a, b)
	}
	const first = "An introduction to views that wait An introduction to views that wait: post 1 of the demonstration data. true " +
		"2026-01-05 08:00:00 +0000 UTC Ada Brook ada@example.com async\n"
	if !strings.HasPrefix(a, first) {
		t.Errorf("got %s\nwant %s", a, first)
	}
}

func TestSeedAddsWhatIsMissingAndNothingElse(t *testing.T) {
	onEach(t, func(t *testing.T, u databaseURL) {
		db := openMigrated(t, u)
		exec := func(text string) {
			t.Helper()
			if _, err := db.SQL().ExecContext(t.Context(), text); err != nil {
				t.Fatal(err)
			}
		}
		wantAdded(t, db, 50)
		wantDemoData(t, db)
		wantAdded(t, db, 0)
		before := contents(t, db)
		exec("DELETE FROM posts WHERE title LIKE 'Notes on %'")
		exec("DELETE FROM tags WHERE name = 'howto' AND id NOT IN (SELECT tag_id FROM post_tags)")
		wantAdded(t, db, 10)
		wantDemoData(t, db)
		if after := contents(t, db); after != before {
			t.Errorf("after it was made good\n%s\nwant\n%s", after, before)
		}
		exec("INSERT INTO posts (title, author_id) SELECT 'Of my own', min(id) FROM authors")
		exec("UPDATE authors SET name = 'Ada B.' WHERE name = 'Ada Brook'")
		wantAdded(t, db, 0)
		var kept int
		if err := db.SQL().QueryRowContext(t.Context(), "SELECT count(*) FROM posts p, authors a WHERE p.title = 'Of my own' AND a.name = 'Ada B.'").Scan(&kept); err != nil || kept != 1 {
			t.Errorf("kept %d of what others have made, %v", kept, err)
		}
	})
}

func TestOfManyThatSeedOneAdds(t *testing.T) {
	onEach(t, func(t *testing.T, u databaseURL) {
		db := openMigrated(t, u)
		var all sync.WaitGroup
		added := make([]int, 8)
		for i := range added {
			all.Go(func() {
				n, err := seed(t.Context(), db)
				if err != nil {
					t.Error(err)
				}
				added[i] = n
			})
		}
		all.Wait()
		sum := 0
		for _, n := range added {
			sum += n
		}
		if sum != 50 {
			t.Errorf("added %v", added)
		}
		wantDemoData(t, db)
	})
}

func TestSeedIsWholeOrNotThere(t *testing.T) {
	onEach(t, func(t *testing.T, u databaseURL) {
		db := openMigrated(t, u)
		if _, err := db.SQL().ExecContext(t.Context(), "DROP TABLE post_tags"); err != nil {
			t.Fatal(err)
		}
		if added, err := seed(t.Context(), db); err == nil || added != 0 || !strings.HasPrefix(err.Error(), "fill in the demonstration data: ") {
			t.Errorf("%d, %v", added, err)
		}
		var authors int
		if err := db.SQL().QueryRowContext(t.Context(), "SELECT count(*) FROM authors").Scan(&authors); err != nil || authors != 0 {
			t.Errorf("%d authors, %v", authors, err)
		}
	})
}
