package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	"github.com/uptrace/bun/schema"

	"github.com/tandem-go/tandem/internal/pgtest"
	"github.com/tandem-go/tandem/orm"
	"github.com/tandem-go/tandem/test/harness"
)

// author and post are the models of the measurements, as the ORM has them.
type author struct {
	ID    int64 `bun:",pk,autoincrement"`
	Name  string
	Email string
}

type post struct {
	ID        int64 `bun:",pk,autoincrement"`
	Title     string
	Body      string
	Published bool
	CreatedAt time.Time
	Author    orm.Ref[author] `bun:"author_id"`
}

// A database is filled with so many authors, and as many posts as a measurement
// wants: four of five are published.
const (
	authorRows = 100
	postRows   = 1000
)

// fill fills the tables that the app's migrations make; %[1]d and %[2]d say how many
// rows.
const fill = `
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %[1]d)
	INSERT INTO authors (name, email) SELECT 'Author ' || i, 'author' || i || '@example.org' FROM n;
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %[2]d)
	INSERT INTO posts (title, body, published, author_id)
	SELECT 'Riding in tandem, part ' || i, 'The one in front steers, the one behind sees nothing and pedals. Both arrive at the same time.',
		i %% 5 <> 0, 1 + i %% %[1]d FROM n;
ANALYZE`

// database is one that is filled, and open.
type database struct {
	*orm.DB
	name   string // in tables
	url    string // for orm.Open
	django string // what Django has in DATABASES, as JSON
}

// eachDatabase measures on SQLite and on PostgreSQL, each with the app's tables and so
// many posts. A database that is not installed is named in the report.
func eachDatabase(ctx context.Context, o options, r *report, posts int, do func(*database) error) error {
	for _, start := range []func(context.Context, options) (d *database, stop func() error, err error){sqliteFile, postgres} {
		d, stop, err := start(ctx, o)
		if missing, ok := errors.AsType[*notInstalled](err); ok {
			r.text("%v.", missing)
			continue
		}
		if err != nil {
			return err
		}
		err = d.use(ctx, o, posts, do)
		if err := errors.Join(err, stop()); err != nil {
			return fmt.Errorf("%s: %w", d.name, err)
		}
	}
	return nil
}

// use makes the tables, fills them and measures.
func (d *database) use(ctx context.Context, o options, posts int, do func(*database) error) (err error) {
	res, err := harness.Run(ctx, filepath.Join(o.bin, "app"), o.tempDir, []string{d.env()}, "migrate")
	if err == nil && res.Code != 0 {
		err = fmt.Errorf("exit %d: %s", res.Code, res.Stderr)
	}
	if err != nil {
		return fmt.Errorf("app migrate: %w", err)
	}
	if d.DB, err = orm.Open(ctx, d.url); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	for statement := range strings.SplitSeq(fmt.Sprintf(fill, authorRows, posts), ";\n") {
		if _, err := d.SQL().ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("fill the database: %w: %s", err, statement)
		}
	}
	return do(d)
}

// env has the app use the database.
func (d *database) env() string { return "APP_DATABASE_URL=" + d.url }

func sqliteFile(_ context.Context, o options) (*database, func() error, error) {
	dir, err := os.MkdirTemp(o.tempDir, "sqlite")
	if err != nil {
		return nil, nil, err
	}
	path := filepath.Join(dir, "bench.db")
	django, err := json.Marshal(map[string]string{"ENGINE": "django.db.backends.sqlite3", "NAME": path})
	return &database{name: "SQLite", url: path, django: string(django)}, func() error { return os.RemoveAll(dir) }, err
}

func postgres(context.Context, options) (*database, func() error, error) {
	cluster, err := pgtest.New()
	if errors.Is(err, pgtest.ErrMissing) {
		return nil, nil, &notInstalled{"PostgreSQL", "postgresql"}
	}
	if err != nil {
		return nil, nil, err
	}
	_, address, err := cluster.Create()
	d := &database{name: "PostgreSQL", url: address}
	if err == nil {
		d.django, err = djangoOf(address)
	}
	if err != nil {
		return nil, nil, errors.Join(err, cluster.Close())
	}
	return d, cluster.Close, nil
}

// dialectOf is what bun alone needs for the same database.
func dialectOf(db *orm.DB) schema.Dialect {
	if db.Dialect() == orm.PostgreSQL {
		return pgdialect.New()
	}
	return sqlitedialect.New()
}

// djangoOf is the URL of a PostgreSQL database as Django is told of it.
func djangoOf(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", err
	}
	password, _ := u.User.Password()
	settings := map[string]string{
		"ENGINE": "django.db.backends.postgresql", "NAME": strings.TrimPrefix(u.Path, "/"),
		"HOST": u.Hostname(), "PORT": u.Port(), "USER": u.User.Username(), "PASSWORD": password,
	}
	if dir := u.Query().Get("host"); dir != "" { // of its socket
		settings["HOST"], settings["PORT"] = dir, u.Query().Get("port")
	}
	text, err := json.Marshal(settings)
	return string(text), err
}
