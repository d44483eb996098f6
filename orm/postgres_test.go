package orm_test

import (
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/tandem-go/tandem/internal/pgtest"
	"github.com/tandem-go/tandem/orm"
)

// withParam is a URL with one more parameter.
func withParam(t *testing.T, text, name, value string) string {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set(name, value)
	u.RawQuery = q.Encode()
	return u.String()
}

// single reads one value.
func single[T any](t *testing.T, db *orm.DB, text string, args ...any) T {
	t.Helper()
	all, err := orm.Column[T](t.Context(), db, text, args...)
	if err != nil || len(all) != 1 {
		t.Fatalf("%s: %v, %v", text, all, err)
	}
	return all[0]
}

func TestLongStatementsAreNotKeptPrepared(t *testing.T) {
	for mode, kept := range map[string]int{"cache_statement": 1, "cache_describe": 0, "exec": 0} {
		db := open(t, withParam(t, pgtest.URL(t), "default_query_exec_mode", mode), orm.PoolSize(1))
		posts := orm.For[Post](db)
		for _, n := range []int{1, 3000, 3001, 3000} {
			ids := make([]int64, n)
			for i := range ids {
				ids[i] = int64(i + 1)
			}
			rows, err := orm.InBulk(t.Context(), posts, ids)
			if err != nil || len(rows) != min(n, 5) {
				t.Errorf("%s: of %d keys %d rows, %v", mode, n, len(rows), err)
			}
			updated, err := posts.Filter("id IN (?)", ids).Update(t.Context(), orm.Set("title", "T"))
			if err != nil || updated != int64(min(n, 5)) {
				t.Errorf("%s: of %d keys %d updated, %v", mode, n, updated, err)
			}
		}
		const ofQueries = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE 'SELECT %IN (%' AND statement NOT LIKE '%pg_prepared%'"
		if n := single[int](t, db, ofQueries); n != kept {
			t.Errorf("%s: %d statements are kept, want %d", mode, n, kept)
		}
	}
}

const backend = "SELECT pg_backend_pid()"

func TestACancelledStatementLeavesItsConnection(t *testing.T) {
	db := open(t, pgtest.URL(t), orm.PoolSize(1))
	before := single[int](t, db, backend)
	for range 10 {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		if _, err := orm.Column[string](ctx, db, "SELECT pg_sleep(60)::text"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, want the ctx's end", err)
		}
		cancel()
		err := orm.AtomicAsync(t.Context(), db, func(ctx context.Context, tx *orm.Tx) error {
			ctx, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
			defer cancel()
			return orm.ExecIn(ctx, tx, "SELECT pg_sleep(60)")
		})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("in a transaction: %v, want the ctx's end", err)
		}
		single[int](t, db, "SELECT 1") // it hits no other statement
	}
	// Where the server has not answered within the bound, as on a machine that is
	// busy, the connection is given up.
	if after := single[int](t, db, backend); after != before {
		t.Logf("the connection was replaced: %d, %d", before, after)
	}
}

// pgx asks a connection that it has just made, and one that was idle for a second,
// whether it is there. These have been used a moment before.
func TestConnectionsLostWhileIdleAreReplaced(t *testing.T) {
	server := pgtest.Start(t)
	const idle = 4
	db := open(t, server.URL(), orm.PoolSize(idle))
	for name, use := range map[string]func(context.Context) error{
		"a read": func(ctx context.Context) error {
			_, err := orm.For[Author](db).Get(ctx, 1)
			return err
		},
		"a write": func(ctx context.Context) error { return orm.Exec(ctx, db, "UPDATE posts SET views = views + 1") },
		"a transaction": func(ctx context.Context) error {
			return orm.AtomicAsync(ctx, db, func(ctx context.Context, tx *orm.Tx) error { return rename(ctx, tx, 1, "Ada") })
		},
	} {
		for cause, lose := range map[string]func(){
			"the server ended it": func() { server.Disconnect() },
			"it restarted":        func() { server.Restart() },
		} {
			for range 3 { // made, asked, trusted
				give(t, take(t, db, idle))
			}
			if s := db.Stats(); s.Open != idle {
				t.Fatalf("%+v", s)
			}
			lose()
			var all sync.WaitGroup
			for range idle {
				all.Go(func() {
					if err := use(t.Context()); err != nil {
						t.Errorf("%s, on a connection that was lost when %s: %v", name, cause, err)
					}
				})
			}
			all.Wait()
		}
	}
}

// What is bound and read has to be the same whichever way pgx sends it: the last
// three are for poolers that work by transaction.
func TestValuesAreTheSameInEachModeOfPgx(t *testing.T) {
	for _, mode := range []string{"cache_statement", "cache_describe", "describe_exec", "exec", "simple_protocol"} {
		t.Run(mode, func(t *testing.T) {
			db := open(t, withParam(t, pgtest.URL(t), "default_query_exec_mode", mode))
			at := time.Date(2026, 7, 1, 12, 30, 0, 123456000, time.FixedZone("", 2*60*60))
			rating, email := 4.25, `o'neil\"@example.org`
			ada := &Author{Name: "Ada; --", Email: &email}
			if err := orm.For[Author](db).Create(t.Context(), ada); err != nil {
				t.Fatal(err)
			}
			post := &Post{Title: "x", Published: true, Views: 7, Rating: &rating, CreatedAt: at, Author: orm.RefTo(ada)}
			if err := orm.For[Post](db).Create(t.Context(), post); err != nil {
				t.Fatal(err)
			}
			remark := &Comment{Text: "y", Meta: map[string]string{"a": "'b'"}, Post: orm.RefTo(post)}
			if err := orm.For[Comment](db).Create(t.Context(), remark); err != nil {
				t.Fatal(err)
			}
			got, err := orm.For[Post](db).Related("Author").
				Filter("published = ? AND views = ? AND rating = ? AND created_at = ? AND Author.email = ? AND id IN (?)", true, 7, 4.25, at, email, []int64{post.ID}).One(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if author := got.Author.Must(); author.Name != "Ada; --" || *author.Email != email || *got.Rating != rating || !got.CreatedAt.Equal(at) || got.CreatedAt.Location() != time.UTC {
				t.Errorf("%+v, %+v", got, author)
			}
			back, err := orm.For[Comment](db).Get(t.Context(), remark.ID)
			if err != nil || back.Meta["a"] != "'b'" {
				t.Errorf("%+v, %v", back, err)
			}
		})
	}
}

func TestASessionIsNamedAndInUTC(t *testing.T) {
	db := open(t, pgtest.URL(t))
	if zone := single[string](t, db, "SHOW timezone"); zone != "UTC" {
		t.Errorf("timezone %s", zone)
	}
	if name := single[string](t, db, "SHOW application_name"); name != filepath.Base(os.Args[0]) {
		t.Errorf("application_name %s", name)
	}
	named := open(t, withParam(t, pgtest.URL(t), "application_name", "worker"))
	if name := single[string](t, named, "SHOW application_name"); name != "worker" {
		t.Errorf("application_name %s, which the URL names", name)
	}
}

func TestAConnectionIsReplacedWhenItIsOld(t *testing.T) {
	db := open(t, pgtest.URL(t), orm.PoolSize(1), orm.Lifetime(time.Nanosecond))
	if a, b := single[int](t, db, backend), single[int](t, db, backend); a == b {
		t.Error("it is the same one")
	}
}
