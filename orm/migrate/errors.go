package migrate

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/pressly/goose/v3"
)

// What can be wrong, beyond a migration that fails: errors of this package match these by errors.Is.
var (
	// ErrPending: the program has migrations that were not applied.
	ErrPending = errors.New("migrations are pending")
	// ErrNewer: the database has migrations that come after all that the program has, as a worker sees it that is
	// still there while its next version is deployed. Whether such a program may serve is for who writes migrations to
	// say; one that only adds to the schema leaves those before it working.
	ErrNewer = errors.New("the database is newer than this program")
	// ErrDiverged: database and program each have what the other lacks, or a file came in below what is applied.
	ErrDiverged = errors.New("the migrations of database and program do not fit together")
	// ErrLocked: another process migrates, and has not finished in time.
	ErrLocked = errors.New("another process migrates the database")
)

// Error is a migration that failed.
type Error struct {
	Migration Migration
	Line      int         // of the file, where the statement that failed begins; 0 where it is not a statement that did
	Applied   []Migration // before it, by the same call; they stay
	Err       error       // the database's, or goose's about the file

	halves bool
}

// Error names file and line, the cause, and what of it stays.
func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "migrate: %v", e.Migration)
	if e.Line > 0 {
		fmt.Fprintf(&b, ", line %d", e.Line)
	}
	fmt.Fprintf(&b, ": %v; ", e.Err)
	if e.halves {
		b.WriteString("it says NO TRANSACTION: what it did before that stays")
	} else {
		b.WriteString("nothing of it stays")
	}
	if len(e.Applied) > 0 {
		fmt.Fprintf(&b, "; applied before it: %s", names(e.Applied))
	}
	return b.String()
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// failure makes one clear error of goose's.
func (m *Migrator) failure(ctx context.Context, err error, t *trace) error {
	partial, ok := errors.AsType[*goose.PartialError](err)
	if !ok {
		return fmt.Errorf("migrate: %w", err)
	}
	version := partial.Failed.Source.Version
	cause := partial.Err
	// Goose adds that it rolled back, or could not: because the context's end had done so before.
	if several, ok := cause.(interface{ Unwrap() []error }); ok {
		cause = several.Unwrap()[0]
	}
	if ctx.Err() != nil && !errors.Is(cause, ctx.Err()) {
		cause = fmt.Errorf("%w: %w", context.Cause(ctx), cause)
	}
	text, _ := m.files.text(version)
	return &Error{
		Migration: Migration{Version: version, File: m.files.path(version)},
		Line:      t.line,
		Applied:   m.migrations(partial.Applied),
		Err:       cause,
		halves:    withoutTransact.MatchString(text),
	}
}

// trace finds out which statement goose executes, by what it logs before each: its errors do not say.
type trace struct {
	files   *files
	version int64
	offset  int // in the file, behind the statement
	line    int // where the statement begins; 0: not known
}

// finished is told that a migration's statements have all been executed.
func (t *trace) finished() { t.line = 0 }

// Enabled implements slog.Handler.
func (*trace) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements slog.Handler.
func (t *trace) Handle(_ context.Context, r slog.Record) error {
	attrs := map[string]slog.Value{}
	r.Attrs(func(a slog.Attr) bool {
		attrs[a.Key] = a.Value
		return true
	})
	statement, ok := attrs["statement"]
	if !ok {
		return nil
	}
	t.line = 0
	version := attrs["version"].Int64()
	text, err := t.files.text(version)
	if err != nil {
		return nil
	}
	if version != t.version {
		t.version, t.offset = version, 0
		if down := downAnnotation.FindStringIndex(text); down != nil && attrs["direction"].String() == "down" {
			t.offset = down[1]
		}
	}
	at := strings.Index(text[t.offset:], statement.String())
	if at < 0 { // changed by ENVSUB
		return nil
	}
	t.line = 1 + strings.Count(text[:t.offset+at], "\n")
	t.offset += at + len(statement.String())
	return nil
}

// WithAttrs implements slog.Handler.
func (t *trace) WithAttrs([]slog.Attr) slog.Handler { return t }

// WithGroup implements slog.Handler.
func (t *trace) WithGroup(string) slog.Handler { return t }
