package orm_test

import (
	"context"
	"database/sql"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/internal/pgtest"
	"github.com/tandem-go/tandem/orm"
)

func TestConstraintsAreNamed(t *testing.T) {
	const checked = "views >= 0"
	for name, c := range map[string]struct {
		text       string
		kind       *orm.Error
		status     int
		table      string // PostgreSQL's; SQLite's is the same unless lite says otherwise
		columns    []string
		constraint string
		lite       string // SQLite's text
	}{
		"unique": {
			"INSERT INTO authors (name, email) VALUES ('s3cret', 'ada@example.org')", orm.ErrUnique, http.StatusConflict,
			"authors",
			[]string{"email"},
			"authors_email_key", "there is a row with that value already: authors.email",
		},
		"unique, two columns": {
			"INSERT INTO post_tags (post_id, tag_id) SELECT post_id, tag_id FROM post_tags", orm.ErrUnique, http.StatusConflict,
			"post_tags",
			[]string{"post_id", "tag_id"},
			"post_tags_pkey", "there is a row with that value already: post_tags.post_id, tag_id",
		},
		"primary key": {
			"INSERT INTO editors (code, name) VALUES ('ed', 's3cret')", orm.ErrUnique, http.StatusConflict,
			"editors",
			[]string{"code"},
			"editors_pkey", "there is a row with that value already: editors.code",
		},
		"foreign key": {
			"UPDATE posts SET author_id = 4711 WHERE id = 1", orm.ErrForeignKey, http.StatusConflict,
			"posts",
			[]string{"author_id"},
			"posts_author_id_fkey", "a row would refer to one that is not there",
		},
		"foreign key, of a row that goes": {
			"DELETE FROM editors", orm.ErrForeignKey, http.StatusConflict,
			"posts",
			[]string{"code"},
			"posts_editor_id_fkey", "a row would refer to one that is not there",
		},
		"not null": {
			"INSERT INTO authors (email) VALUES ('s3cret')", orm.ErrNotNull, http.StatusInternalServerError,
			"authors",
			[]string{"name"},
			"", "a value is missing that must not be NULL: authors.name",
		},
		"check": {
			"UPDATE posts SET views = -4711 WHERE id = 1", orm.ErrCheck, http.StatusInternalServerError,
			"posts", nil, "posts_views_check", "a value breaks a check of the database (constraint " + checked + ")",
		},
	} {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, db *orm.DB) {
				err := orm.Exec(t.Context(), db, c.text)
				var of *orm.ConstraintError
				if !errors.As(err, &of) || !errors.Is(err, c.kind) || of.Kind != c.kind {
					t.Fatalf("%v, want %v", err, c.kind)
				}
				var status interface{ HTTPStatus() int }
				if !errors.As(err, &status) || status.HTTPStatus() != c.status {
					t.Errorf("status %v, want %d", status, c.status)
				}
				if strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "4711") || strings.Contains(err.Error(), "ada@") {
					t.Errorf("it says values: %v", err)
				}
				if db.Dialect() == orm.SQLite {
					if err.Error() != c.lite {
						t.Errorf("%v\nwant %s", err, c.lite)
					}
					return
				}
				if of.Table != c.table || !slices.Equal(of.Columns, c.columns) || of.Constraint != c.constraint {
					t.Errorf("%+v, want %s %v %s", of, c.table, c.columns, c.constraint)
				}
			})
		})
	}
}

func TestWhatElseCanGoWrongHasAKind(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		postgres := db.Dialect() == orm.PostgreSQL
		for text, c := range map[string]struct {
			kind     *orm.Error
			postgres bool
			args     []any
			want     string
		}{
			"UPDATE nowhere SET x = 1":                                               {kind: orm.ErrSchema},
			"UPDATE posts SET no_such = 1":                                           {kind: orm.ErrSchema},
			"INSERT INTO tags (no_such) VALUES (1)":                                  {kind: orm.ErrSchema},
			"UPDATE tags SET id = 's3cret'":                                          {kind: orm.ErrType},
			"UPDATE posts SET views = 4711000000000":                                 {orm.ErrType, true, nil, "wrong type: a number is outside of what its column holds"},
			"UPDATE posts SET created_at = 's3cret'":                                 {orm.ErrType, true, nil, "wrong type: a text is no time of its column's type"},
			"UPDATE posts SET title = E'\\xff'":                                      {orm.ErrType, true, nil, "wrong type: a text has bytes that are no text to the database"},
			"UPDATE posts SET views = $1":                                            {orm.ErrType, true, []any{"s3cret"}, "wrong type: a text is no value of its column's type"},
			"UPDATE posts SET title = $1":                                            {orm.ErrType, true, []any{4711}, "wrong type: an argument cannot be sent as text"},
			"DO $$ BEGIN RAISE SQLSTATE '40001' USING MESSAGE = 'try again'; END $$": {orm.ErrSerialization, true, nil, "the transaction collided with another one: try again"},
			"DO $$ BEGIN RAISE SQLSTATE '53100' USING MESSAGE = 'full'; END $$":      {orm.ErrFull, true, nil, "the database's disk is full: full"},
			"DO $$ BEGIN RAISE SQLSTATE '55P03' USING MESSAGE = 'locked'; END $$":    {orm.ErrLocked, true, nil, "the database is locked by another writer: locked"},
		} {
			if c.postgres && !postgres {
				continue
			}
			err := orm.Exec(t.Context(), db, text, c.args...)
			if !errors.Is(err, c.kind) || c.want != "" && err.Error() != c.want || strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "4711") {
				t.Errorf("%s: %v\nwant %v %s", text, err, c.kind, c.want)
			}
		}
	})
}

func TestASnapshotThatIsTooOldToWrite(t *testing.T) {
	db, path := fileOf(t)
	other := again(t, path)
	tx, err := db.SQL().BeginTx(t.Context(), &sql.TxOptions{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	var n int
	if err := tx.QueryRow("SELECT count(*) FROM posts").Scan(&n); err != nil {
		t.Fatal(err)
	}
	if err := orm.Exec(t.Context(), other, "UPDATE posts SET views = 1"); err != nil {
		t.Fatal(err)
	}
	_, err = tx.Exec("UPDATE posts SET views = 2")
	if err = orm.Classified(db, err); !errors.Is(err, orm.ErrSerialization) {
		t.Errorf("%v, want ErrSerialization", err)
	}
}

func TestStatementsThatTheServerEnds(t *testing.T) {
	db := again(t, withParam(t, pgtest.URL(t), "statement_timeout", "10"))
	err := orm.Exec(t.Context(), db, "SELECT pg_sleep(60)")
	if !errors.Is(err, orm.ErrTimeout) || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want ErrTimeout", err)
	}
}
