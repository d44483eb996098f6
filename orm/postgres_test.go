package orm_test

import (
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
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

// No sleep makes these connections idle for long: that their ends have come in is
// seen when they are taken.
func TestConnectionsLostWhileIdleAreReplaced(t *testing.T) {
	server := pgtest.Start(t)
	db := open(t, server.URL(), orm.PoolSize(4))
	fill := func() {
		give(t, take(t, db, 4))
		if s := db.Stats(); s.Open != 4 {
			t.Fatalf("%+v", s)
		}
	}
	for name, lose := range map[string]func(){
		"the server ended them": func() { server.Disconnect() },
		"the server restarted":  func() { server.Restart() },
	} {
		fill()
		lose()
		for range 4 {
			if got := nameOf(t, db, 1); got != "Ada" {
				t.Errorf("%s: %q", name, got)
			}
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

func TestAServerThatRefuses(t *testing.T) {
	right, err := url.Parse(pgtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*url.URL){
		`database "nowhere" does not exist`: func(u *url.URL) { u.Path = "/nowhere" },
		`unrecognized configuration parameter "no_such_setting"`: func(u *url.URL) {
			u.RawQuery += "&no_such_setting=1"
		},
	} {
		u := *right
		change(&u)
		if u.User != nil {
			u.User = url.UserPassword(u.User.Username(), "tops3cret")
		}
		_, err := orm.Open(t.Context(), u.String())
		if err == nil || !strings.Contains(err.Error(), want) || errors.Is(err, orm.ErrUnavailable) || strings.Contains(err.Error(), "tops3cret") {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err = orm.Open(ctx, "postgres://u:tops3cret@127.0.0.1:1/app?sslmode=disable")
	if !errors.Is(err, orm.ErrUnavailable) || !strings.HasPrefix(err.Error(), "orm: open PostgreSQL 127.0.0.1:1/app: ") || strings.ContainsAny(err.Error(), "\n") || strings.Contains(err.Error(), "tops3cret") {
		t.Errorf("nobody listens: %v", err)
	}
}
