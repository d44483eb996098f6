package orm_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/tandem-go/tandem/orm"
)

// Kind has a field of every kind that is stored.
type Kind struct {
	ID      int64 `bun:",pk,autoincrement"`
	Text    string
	Yes     bool
	Big     int64
	Small   int8
	Count   uint32
	Float   float64
	Bytes   []byte
	At      time.Time
	Maybe   *string
	Never   *time.Time
	Doc     map[string]any  `bun:"type:jsonb"`
	List    []mood          `bun:",array"`
	Raw     json.RawMessage `bun:"type:jsonb"`
	Mood    mood            // a type of its own
	Level   int             `bun:",nullzero,default:7"`
	Note    *string         `bun:",default:'none'"`
	Made    time.Time       `bun:",nullzero,default:current_timestamp,skipupdate"`
	Parent  orm.Ref[Kind]   `bun:"parent_id"`
	Virtual int             `bun:",scanonly"`
	Kids    orm.Refs[Kind]  `bun:"-"`
}

type mood string

// Seat has a key of two columns.
type Seat struct {
	Row   int    `bun:",pk"`
	Place string `bun:",pk"`
	Guest *string
}

// Lone is nothing but a key.
type Lone struct {
	ID int64 `bun:",pk,autoincrement"`
}

// withKinds adds the tables of these models.
func withKinds(tb testing.TB, db *orm.DB) {
	tb.Helper()
	id, at, bytes, doc, list := "INTEGER PRIMARY KEY AUTOINCREMENT", "timestamp", "blob", "text", "text"
	if db.Dialect() == orm.PostgreSQL {
		id, at, bytes, doc, list = "bigserial PRIMARY KEY", "timestamptz", "bytea", "jsonb", "text[]"
	}
	for _, text := range []string{
		`CREATE TABLE kinds (id ` + id + `, text text NOT NULL, yes boolean NOT NULL, big bigint NOT NULL, small smallint NOT NULL, count bigint NOT NULL,
			float double precision NOT NULL, bytes ` + bytes + `, at ` + at + ` NOT NULL, maybe text, never ` + at + `, doc ` + doc + `, list ` + list + `, raw ` + doc + `,
			mood text NOT NULL, level integer NOT NULL DEFAULT 7, note text DEFAULT 'none', made ` + at + ` NOT NULL DEFAULT current_timestamp,
			parent_id bigint REFERENCES kinds)`,
		`CREATE TABLE seats (row integer, place text, guest text UNIQUE, PRIMARY KEY (row, place))`,
		`CREATE TABLE lones (id ` + id + `)`,
	} {
		if _, err := db.SQL().ExecContext(tb.Context(), text); err != nil {
			tb.Fatal(err)
		}
	}
}
