// Package migrate brings a database's schema to where the program wants it: numbered SQL files, embedded in the
// program, each applied once and in order.
//
// The invariant: however many processes start at once, one of them migrates and the others wait, and a file is applied
// whole or not at all, together with the record of it. A process that is killed in the middle leaves neither a half
// nor a lock behind.
//
//	//go:embed migrations
//	var embedded embed.FS
//
//	files, err := fs.Sub(embedded, "migrations")
//	m, err := migrate.New(db.SQL(), db.Dialect(), files)
//	applied, err := m.Up(ctx)
//
// # Files
//
// A file is a version and a name, 00002_tags.sql, in the form of [goose]: what follows "-- +goose Up" applies it, what
// follows "-- +goose Down" takes it back. Files in the root are for every database; those in the directories sqlite and
// postgres are for one, and take the place of one of the same name in the root:
//
//	migrations/sqlite/00001_blog.sql      ids, times and the like are declared differently
//	migrations/postgres/00001_blog.sql
//	migrations/00002_index.sql            both know this
//
// A file runs in a transaction of its own, unless it says "-- +goose NO TRANSACTION".
//
// # The lock
//
// On PostgreSQL it is a session's advisory lock, goose's own, held on the connection that migrates: it ends with that
// connection. A pooler between must not change the session from one transaction to the next. On SQLite it is flock(2)
// on a file beside the database, named as it with "-migrate.lock" behind; the kernel gives it back when its process
// ends. The file stays. Processes of several hosts on one SQLite file are not kept apart, by this lock or by SQLite.
//
// [goose]: https://pressly.github.io/goose/documentation/annotations/
package migrate
