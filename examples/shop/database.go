package main

import (
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/tandem-go/tandem/orm"
	"github.com/tandem-go/tandem/orm/migrate"
	"github.com/tandem-go/tandem/session"
)

//go:embed migrations
var embedded embed.FS

// openDatabase opens the database and brings its schema up to date. However many workers start at once, one of them
// migrates and the others wait. Where a deploy is to stop before it touches the schema, m.Check is the thing to call here,
// and m.Up goes into a command of its own.
func openDatabase(ctx context.Context, url string, log *slog.Logger, options ...orm.Option) (*orm.DB, error) {
	db, err := orm.Open(ctx, url, append(options, orm.Logger(log))...)
	if err != nil {
		return nil, err
	}
	if err := migrateUp(ctx, db, log); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

func migrateUp(ctx context.Context, db *orm.DB, log *slog.Logger) error {
	files, err := fs.Sub(embedded, "migrations")
	if err != nil {
		return err
	}
	m, err := migrate.New(db.SQL(), db.Dialect(), files, migrate.Logger(log))
	if err != nil {
		return err
	}
	applied, err := m.Up(ctx)
	if err != nil {
		return err
	}
	if len(applied) > 0 {
		log.Info("migrated the database", "applied", len(applied))
	}
	// While a deploy rolls, an old worker that starts again finds the newer schema. Migrations that only add leave it working.
	if err := m.Check(ctx); err != nil {
		log.Warn("serving with a database that this program does not know", "error", err)
	}
	return nil
}

// sessionKeys are the keys that seal the session's cookie, the same for all workers and after a restart. Of several workers
// that start at once one makes the secret, and the others find it.
func sessionKeys(ctx context.Context, db *orm.DB, given string) (session.Keys, error) {
	if given == "" {
		made := &Fact{Name: "session", Value: rand.Text() + rand.Text()}
		kept, _, err := orm.For[Fact](db).GetOrCreate(ctx, made, "name")
		if err != nil {
			return session.Keys{}, fmt.Errorf("the session's key: %w", err)
		}
		given = kept.Value
	}
	return session.NewKeys(given)
}
