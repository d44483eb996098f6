package orm_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/tandem-go/tandem/orm"
)

// The models and rows of Django's own tests of async queries.

type Simple struct {
	ID       int64 `bun:",pk,autoincrement"`
	Field    int
	Created  time.Time            `bun:",nullzero,default:current_timestamp"`
	Relateds orm.Refs[Related]    `bun:"-"`
	Manies   orm.Refs[ManyToMany] `bun:"-" orm:"m2m:many_to_many_simples,from:simple_id,to:many_id"`
}

type Related struct {
	ID     int64           `bun:",pk,autoincrement"`
	Simple orm.Ref[Simple] `bun:"simple_id" orm:"null"`
}

type ManyToMany struct {
	ID      int64 `bun:",pk,autoincrement"`
	Name    string
	Simples orm.Refs[Simple] `bun:"-" orm:"m2m:many_to_many_simples,from:many_id,to:simple_id"`
}

// django is what those tests begin with.
type django struct {
	*testing.T
	ctx        context.Context
	db         *orm.DB
	simples    orm.Query[Simple]
	relateds   orm.Query[Related]
	s1, s2, s3 *Simple
	r1, r2, r3 *Related
}

func onDjango(t *testing.T, test func(d *django)) {
	t.Helper()
	onEach(t, func(t *testing.T, db *orm.DB) {
		id, at := "INTEGER PRIMARY KEY AUTOINCREMENT", "timestamp"
		if db.Dialect() == orm.PostgreSQL {
			id, at = "bigserial PRIMARY KEY", "timestamptz"
		}
		_, err := db.SQL().ExecContext(t.Context(), fmt.Sprintf(`
			CREATE TABLE simples (id %[1]s, field integer NOT NULL, created %[2]s NOT NULL DEFAULT CURRENT_TIMESTAMP);
			CREATE TABLE relateds (id %[1]s, simple_id bigint REFERENCES simples ON DELETE CASCADE);
			CREATE TABLE many_to_manies (id %[1]s, name text NOT NULL);
			CREATE TABLE many_to_many_simples (many_id bigint NOT NULL REFERENCES many_to_manies ON DELETE CASCADE,
				simple_id bigint NOT NULL REFERENCES simples ON DELETE CASCADE, PRIMARY KEY (many_id, simple_id));`, id, at))
		if err != nil {
			t.Fatal(err)
		}
		d := &django{T: t, ctx: t.Context(), db: db, simples: orm.For[Simple](db), relateds: orm.For[Related](db)}
		for i, at := range []struct {
			simple  **Simple
			related **Related
		}{{&d.s1, &d.r1}, {&d.s2, &d.r2}, {&d.s3, &d.r3}} {
			*at.simple = &Simple{Field: i + 1, Created: time.Date(2022, 1, 1, 0, 0, i, 0, time.UTC)}
			d.must(d.simples.Create(d.ctx, *at.simple))
			*at.related = &Related{Simple: orm.RefTo(*at.simple)}
			d.must(d.relateds.Create(d.ctx, *at.related))
		}
		test(d)
	})
}

func (d *django) must(err error) {
	d.Helper()
	if err != nil {
		d.Fatal(err)
	}
}

func (d *django) count(want int64) {
	d.Helper()
	n, err := d.simples.Count(d.ctx)
	d.must(err)
	if n != want {
		d.Errorf("count %d, want %d", n, want)
	}
}

// same says that rows, with the error of getting them, are those.
func (d *django) same(rows []*Simple, err error, want ...*Simple) {
	d.Helper()
	d.must(err)
	if len(rows) != len(want) {
		d.Fatalf("%d rows, want %d", len(rows), len(want))
	}
	for i, row := range rows {
		if row.ID != want[i].ID || row.Field != want[i].Field {
			d.Errorf("row %d: %+v, want %+v", i, row, want[i])
		}
	}
}

func (d *django) one(row *Simple, err error, want *Simple) {
	d.Helper()
	d.must(err)
	d.same([]*Simple{row}, nil, want)
}
