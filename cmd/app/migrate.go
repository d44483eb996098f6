package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/tandem-go/tandem/orm"
	"github.com/tandem-go/tandem/orm/migrate"
)

const migrateHelp = `Usage: app migrate [up|down|status]

Works on the schema of the database that APP_DATABASE_URL names, or of the default one.

  up      apply every migration that is pending; this is what migrate does without a word
  down    take the last applied one back
  status  print every migration and when it was applied; this changes nothing

However many run at once, one migrates and the others wait, for at most 5 minutes. A migration is applied whole or not at
all.
`

const seedHelp = `Usage: app seed

Fills the database that APP_DATABASE_URL names, or the default one, with demonstration data: 5 authors, 50 posts of which
40 are published, 6 tags. What is there already is let be, so that to run it again adds nothing. The schema must be there:
app migrate.
`

// step is one thing to do with a database that is open.
type step func(ctx context.Context, db *orm.DB, m *migrate.Migrator, stdout io.Writer) error

// manage runs a command that works on the database, and returns the exit code.
func manage(command string, args []string, stdout, stderr io.Writer) int {
	help, takes, steps := migrateHelp, "up, down or status", map[string]step{"": migrateUp, "up": migrateUp, "down": migrateDown, "status": migrateStatus}
	if command == "seed" {
		help, takes, steps = seedHelp, "no argument", map[string]step{"": seedNow}
	}
	args = append(args, "") // for none
	do, known := steps[args[0]]
	switch {
	case len(args) > 2:
		return fail(stderr, 2, fmt.Errorf("%s takes %s, not also %q", command, takes, args[1]))
	case isHelp(args[0]):
		if _, err := io.WriteString(stdout, help); err != nil {
			return fail(stderr, 1, err)
		}
		return 0
	case !known:
		return fail(stderr, 2, fmt.Errorf("%s takes %s, not %q", command, takes, args[0]))
	}
	s, err := loadSettings()
	if err != nil {
		return fail(stderr, 2, err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	makes := command == "migrate" && (args[0] == "" || args[0] == "up")
	log := slog.New(slog.NewTextHandler(stderr, nil))
	slog.SetDefault(log)
	err = withDatabase(ctx, s.DatabaseURL, makes, log, func(db *orm.DB, m *migrate.Migrator) error { return do(ctx, db, m, stdout) })
	if err != nil {
		return fail(stderr, 1, err)
	}
	return 0
}

func isHelp(word string) bool { return word == "-h" || word == "-help" || word == "--help" }

func withDatabase(ctx context.Context, u databaseURL, makes bool, log *slog.Logger, do func(*orm.DB, *migrate.Migrator) error) (err error) {
	opening, cancel := context.WithTimeoutCause(ctx, openTimeout, errNotReady)
	defer cancel()
	db, err := openDatabase(opening, u, makes)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	m, err := migrator(db, log)
	if err != nil {
		return err
	}
	return do(db, m)
}

func migrateUp(ctx context.Context, _ *orm.DB, m *migrate.Migrator, stdout io.Writer) error {
	applied, err := m.Up(ctx)
	if failed, ok := errors.AsType[*migrate.Error](err); ok {
		applied = failed.Applied
	}
	for _, one := range applied {
		fmt.Fprintln(stdout, "applied", one)
	}
	if err != nil || len(applied) > 0 {
		return err
	}
	newer := ""
	if err := m.Check(ctx); errors.Is(err, migrate.ErrNewer) {
		newer = "; " + err.Error()
	} else if err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "nothing is pending%s\n", newer)
	return err
}

func migrateDown(ctx context.Context, _ *orm.DB, m *migrate.Migrator, stdout io.Writer) error {
	taken, err := m.Down(ctx)
	if err != nil {
		return err
	}
	if taken == nil {
		_, err = fmt.Fprintln(stdout, "nothing is applied")
		return err
	}
	_, err = fmt.Fprintln(stdout, "took back", taken)
	return err
}

func migrateStatus(ctx context.Context, _ *orm.DB, m *migrate.Migrator, stdout io.Writer) error {
	all, err := m.Status(ctx)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "VERSION\tMIGRATION\tAPPLIED")
	for _, one := range all {
		file, applied := one.File, "pending"
		if file == "" {
			file = "(not in this program)"
		}
		if one.Applied {
			applied = one.AppliedAt.Format(time.RFC3339)
		}
		fmt.Fprintf(table, "%d\t%s\t%s\n", one.Version, file, applied)
	}
	return table.Flush()
}

func seedNow(ctx context.Context, db *orm.DB, m *migrate.Migrator, stdout io.Writer) error {
	if err := m.Check(ctx); err != nil && !errors.Is(err, migrate.ErrNewer) {
		return advise(err)
	}
	posts, err := seed(ctx, db)
	if err != nil {
		return err
	}
	if posts == 0 {
		_, err = fmt.Fprintln(stdout, "the demonstration data is there already")
		return err
	}
	_, err = fmt.Fprintf(stdout, "added %d posts\n", posts)
	return err
}

// advise says what to do about a schema that is not up to date.
func advise(err error) error {
	if errors.Is(err, migrate.ErrPending) {
		return fmt.Errorf("%w; `app migrate` applies them", err)
	}
	return err
}
