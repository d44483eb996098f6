package migrate

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
)

// DefaultWait is how long [Migrator.Up] and [Migrator.Down] wait for another process that migrates.
const DefaultWait = 5 * time.Minute

// Migrator applies a program's migrations to one database. It is safe for concurrent use.
type Migrator struct {
	db      *sql.DB
	dialect dialect
	files   *files
	wait    time.Duration
	log     *slog.Logger
}

// Option is a choice about a [Migrator].
type Option func(*Migrator)

// Wait bounds the wait for another process that migrates; a context that ends sooner ends it too.
func Wait(d time.Duration) Option { return func(m *Migrator) { m.wait = d } }

// Logger takes the one record there is: that another process is waited for, and which. The default is slog.Default.
func Logger(log *slog.Logger) Option { return func(m *Migrator) { m.log = log } }

// New takes the migrations of a dialect, "sqlite" or "postgres", out of files; see the package's comment for where they
// lie. It does not touch the database. db stays the caller's, and one connection of it is enough. Names that cannot be
// told apart, or that are no migration's, are an error.
func New(db *sql.DB, dialectName string, files fs.FS, opts ...Option) (*Migrator, error) {
	known, ok := dialects[dialectName]
	if !ok {
		return nil, fmt.Errorf("migrate: no dialect %q; there are postgres and sqlite", dialectName)
	}
	collected, err := collect(files, dialectName)
	if err != nil {
		return nil, fmt.Errorf("migrate: %w", err)
	}
	m := &Migrator{db: db, dialect: known, files: collected, wait: DefaultWait, log: slog.Default()}
	for _, opt := range opts {
		opt(m)
	}
	return m, nil
}

// Migration is one step of a schema.
type Migration struct {
	Version   int64
	File      string    // where it lies in the files; "" if the program does not have it, and only the database does
	Applied   bool      // or pending
	AppliedAt time.Time // by the database's clock, in UTC; zero while pending
}

// String names the migration: its file, or the version that the program does not have.
func (m Migration) String() string {
	if m.File == "" {
		return fmt.Sprintf("version %d", m.Version)
	}
	return m.File
}

// Status lists all migrations that the program or the database has, by version. It changes nothing and does not wait
// for one who migrates.
func (m *Migrator) Status(ctx context.Context) ([]Migration, error) {
	h, err := newHistory(m.dialect, nil)
	if err != nil {
		return nil, fmt.Errorf("migrate: %w", err)
	}
	applied, err := h.read(ctx, m.db)
	if err != nil {
		return nil, fmt.Errorf("migrate: %w", err)
	}
	return m.merge(applied), nil
}

// Pending lists the migrations that are still to be applied, by version. As [Migrator.Status], it changes nothing.
func (m *Migrator) Pending(ctx context.Context) ([]Migration, error) {
	all, err := m.Status(ctx)
	return slices.DeleteFunc(all, func(m Migration) bool { return m.Applied }), err
}

// Check compares database and program, and changes nothing. Nil: they fit. Otherwise the error matches one of
// [ErrPending], [ErrNewer] and [ErrDiverged], and names the migrations in question.
func (m *Migrator) Check(ctx context.Context) error {
	all, err := m.Status(ctx)
	if err != nil {
		return err
	}
	if err := compare(all); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

// Up applies all that is pending, in order, and returns it. Of several processes that come at once one does it; for the
// others nothing is left to do, and they return once it is done. A database that is newer than the program is let be.
//
// Errors match [ErrDiverged] and [ErrLocked], or are an [*Error] of the migration that failed: those before it are
// applied and stay, it and those after it are not.
func (m *Migrator) Up(ctx context.Context) ([]Migration, error) {
	if err := m.Check(ctx); err == nil || !errors.Is(err, ErrPending) {
		if errors.Is(err, ErrNewer) {
			err = nil
		}
		return nil, err
	}
	fits := func(applied []Migration) error {
		if err := compare(m.merge(applied)); errors.Is(err, ErrDiverged) {
			return err
		}
		return nil
	}
	return m.run(ctx, fits, func(p *goose.Provider) ([]*goose.MigrationResult, error) { return p.Up(ctx) })
}

// Down takes the last applied migration back, and returns it; nil if none is applied. One that the program does not have,
// or that does not say how, it cannot take back.
//
// Errors match [ErrNewer] and [ErrLocked], or are an [*Error].
func (m *Migrator) Down(ctx context.Context) (*Migration, error) {
	reversible := func(applied []Migration) error {
		if len(applied) == 0 {
			return nil
		}
		last := applied[0]
		if last.File = m.files.path(last.Version); last.File == "" {
			return fmt.Errorf("%w: it has %v, which only a program that has it too can take back", ErrNewer, last)
		}
		text, err := m.files.text(last.Version)
		if err != nil {
			return fmt.Errorf("read %v: %w", last, err)
		}
		if !downAnnotation.MatchString(text) {
			return fmt.Errorf("%v cannot be taken back: it has no \"-- +goose Down\"", last)
		}
		return nil
	}
	taken, err := m.run(ctx, reversible, func(p *goose.Provider) ([]*goose.MigrationResult, error) {
		result, err := p.Down(ctx)
		if errors.Is(err, goose.ErrNoNextVersion) {
			return nil, nil
		}
		return []*goose.MigrationResult{result}, err
	})
	if err != nil || len(taken) == 0 {
		return nil, err
	}
	return &taken[0], nil
}

// run has goose do its work under the lock, once verify agrees with what is applied, the latest first.
func (m *Migrator) run(ctx context.Context, verify func(applied []Migration) error, work func(*goose.Provider) ([]*goose.MigrationResult, error)) ([]Migration, error) {
	t := &trace{files: m.files}
	h, err := newHistory(m.dialect, t)
	if err != nil {
		return nil, fmt.Errorf("migrate: %w", err)
	}
	s := &session{m: m, history: h, verify: verify}
	p, err := goose.NewProvider(goose.DialectCustom, m.db, m.files, goose.WithStore(h), goose.WithSessionLocker(s),
		goose.WithDisableGlobalRegistry(true), goose.WithSlog(slog.New(t)), goose.WithVerbose(true))
	if err != nil {
		return nil, fmt.Errorf("migrate: %w", err)
	}
	results, err := work(p)
	if s.err != nil {
		return nil, fmt.Errorf("migrate: %w", s.err)
	}
	if err != nil {
		return nil, m.failure(ctx, err, t)
	}
	return m.migrations(results), nil
}

// merge puts what the database has beside what the program has.
func (m *Migrator) merge(applied []Migration) []Migration {
	all := make([]Migration, 0, len(m.files.names))
	for version := range m.files.names {
		all = append(all, Migration{Version: version, File: m.files.path(version)})
	}
	for _, a := range applied {
		i := slices.IndexFunc(all, func(m Migration) bool { return m.Version == a.Version })
		if i < 0 {
			all = append(all, a)
			continue
		}
		all[i].Applied, all[i].AppliedAt = true, a.AppliedAt
	}
	slices.SortFunc(all, func(a, b Migration) int { return cmp.Compare(a.Version, b.Version) })
	return all
}

func (m *Migrator) migrations(results []*goose.MigrationResult) []Migration {
	var list []Migration
	for _, r := range results {
		list = append(list, Migration{Version: r.Source.Version, File: m.files.path(r.Source.Version), Applied: r.Direction == "up"})
	}
	return list
}

// compare says in what way database and program do not fit.
func compare(all []Migration) error {
	var pending, foreign, gaps []Migration
	var lastApplied, lastKnown int64
	for _, m := range all {
		if m.Applied {
			lastApplied = m.Version
		} else {
			pending = append(pending, m)
		}
		if m.File != "" {
			lastKnown = m.Version
		} else {
			foreign = append(foreign, m)
		}
	}
	for _, m := range pending {
		if m.Version < lastApplied {
			gaps = append(gaps, m)
		}
	}
	switch {
	case len(gaps) > 0:
		return fmt.Errorf("%w: %s is not applied, but version %d is, which comes after it; give the file a later version", ErrDiverged, names(gaps), lastApplied)
	case len(foreign) > 0 && foreign[0].Version < lastKnown:
		return fmt.Errorf("%w: the database has %s, which this program lacks, though it has later ones", ErrDiverged, names(foreign))
	case len(foreign) > 0:
		return fmt.Errorf("%w: it has %s", ErrNewer, names(foreign))
	case len(pending) > 0:
		return fmt.Errorf("%w: %s", ErrPending, names(pending))
	}
	return nil
}

func names(list []Migration) string {
	const shown = 3
	var words []string
	for _, m := range list[:min(len(list), shown)] {
		words = append(words, m.String())
	}
	text := strings.Join(words, ", ")
	if more := len(list) - shown; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
