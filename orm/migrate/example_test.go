package migrate_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing/fstest"

	_ "modernc.org/sqlite"

	"github.com/tandem-go/tandem/orm/migrate"
)

// A program has its files by go:embed; a map does here.
var embedded = fstest.MapFS{
	"sqlite/00001_blog.sql": {Data: []byte(`-- +goose Up
CREATE TABLE posts (id integer PRIMARY KEY AUTOINCREMENT, title text NOT NULL);

-- +goose Down
DROP TABLE posts;
`)},
	"00002_title.sql": {Data: []byte(`-- +goose Up
CREATE INDEX posts_title ON posts (title);

-- +goose Down
DROP INDEX posts_title;
`)},
}

func Example() {
	ctx := context.Background()
	db, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Close()
	db.SetMaxOpenConns(1) // each connection has a memory of its own
	m, err := migrate.New(db, "sqlite", embedded)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("pending:", errors.Is(m.Check(ctx), migrate.ErrPending))
	applied, err := m.Up(ctx)
	fmt.Println("applied:", applied, err)
	taken, err := m.Down(ctx)
	fmt.Println("taken back:", taken, err)
	// Output:
	// pending: true
	// applied: [sqlite/00001_blog.sql 00002_title.sql] <nil>
	// taken back: 00002_title.sql <nil>
}
