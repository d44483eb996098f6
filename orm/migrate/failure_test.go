package migrate_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/orm/migrate"
)

func TestAMigrationThatFailsLeavesNothing(t *testing.T) {
	const broken = `-- +goose Up
CREATE TABLE half (id integer PRIMARY KEY);
SELECT 1;

-- The same text again: the second is the one that fails.
-- +goose StatementBegin
INSERT INTO half
VALUES (1);
-- +goose StatementEnd
INSERT INTO half
VALUES (1);
CREATE TABLE never (id integer PRIMARY KEY);

-- +goose Down
INSERT INTO half
VALUES (1);
DROP TABLE half;
`
	tests := map[string]struct {
		file   string
		line   int
		says   string // behind the database's own words
		tables []string
	}{
		"a statement": {
			file: broken, line: 10, says: "; nothing of it stays; applied before it: 1_first.sql",
			tables: []string{"first", "goose_db_version"},
		},
		"without a transaction": {
			file: "-- +goose NO TRANSACTION\n" + broken, line: 11, tables: []string{"first", "goose_db_version", "half"},
			says: "; it says NO TRANSACTION: what it did before that stays; applied before it: 1_first.sql",
		},
		"lines of Windows": {
			file: strings.ReplaceAll(broken, "\n", "\r\n"), line: 10, says: "; nothing of it stays; applied before it: 1_first.sql",
			tables: []string{"first", "goose_db_version"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, p place) {
				m := newMigrator(t, p.db(t), p, map[string]string{"1_first.sql": first, "2_half.sql": test.file, "3_other.sql": other})
				_, err := m.Up(t.Context())
				failed, ok := errors.AsType[*migrate.Error](err)
				if !ok || failed.Migration.File != "2_half.sql" || failed.Line != test.line || !slices.Equal(names(failed.Applied), []string{"1_first.sql"}) {
					t.Fatalf("got %v", err)
				}
				if text := err.Error(); !strings.HasPrefix(text, "migrate: 2_half.sql, line 1") || !strings.HasSuffix(text, test.says) || strings.Contains(text, "\n") {
					t.Errorf("got %q", text)
				}
				wantTables(t, p, test.tables...)
				// The lock is free, and the database where it was: with the file put right it goes on.
				mended := map[string]string{"1_first.sql": first, "2_mended.sql": "-- +goose Up\nDROP TABLE IF EXISTS half;\n", "3_other.sql": other}
				applied, err := newMigrator(t, p.db(t), p, mended).Up(t.Context())
				if err != nil || !slices.Equal(names(applied), []string{"2_mended.sql", "3_other.sql"}) {
					t.Errorf("got %q, %v", names(applied), err)
				}
			})
		})
	}
}

func TestAFailedStepBackLeavesAll(t *testing.T) {
	const file = "-- +goose Up\nCREATE TABLE first (id integer PRIMARY KEY);\nDROP TABLE IF EXISTS nowhere;\n" +
		"-- +goose Down\nDROP TABLE IF EXISTS nowhere;\nDROP TABLE first;\nDROP TABLE nowhere;\n"
	each(t, func(t *testing.T, p place) {
		m := newMigrator(t, p.db(t), p, map[string]string{"1_first.sql": file})
		if _, err := m.Up(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, err := m.Down(t.Context())
		if failed, ok := errors.AsType[*migrate.Error](err); !ok || failed.Line != 7 {
			t.Errorf("got %v", err)
		}
		wantTables(t, p, "first", "goose_db_version")
		if err := m.Check(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestAFileThatCannotBeReadStopsAllBeforeTheFirst(t *testing.T) {
	each(t, func(t *testing.T, p place) {
		m := newMigrator(t, p.db(t), p, map[string]string{"1_first.sql": first, "2_x.sql": "CREATE TABLE x (id integer);\n"})
		if _, err := m.Up(t.Context()); err == nil || !strings.Contains(err.Error(), "2_x.sql") {
			t.Errorf("got %v", err)
		}
		wantTables(t, p, "goose_db_version")
	})
}

func TestACommitThatFailsIsNoLine(t *testing.T) {
	const deferred = "-- +goose Up\nCREATE TABLE parent (id integer PRIMARY KEY);\n" +
		"CREATE TABLE child (parent_id integer REFERENCES parent DEFERRABLE INITIALLY DEFERRED);\nINSERT INTO child VALUES (1);\n"
	each(t, func(t *testing.T, p place) {
		_, err := newMigrator(t, p.db(t), p, map[string]string{"1_deferred.sql": deferred}).Up(t.Context())
		if failed, ok := errors.AsType[*migrate.Error](err); !ok || failed.Line != 0 || !strings.HasPrefix(err.Error(), "migrate: 1_deferred.sql: ") {
			t.Errorf("got %v", err)
		}
		wantTables(t, p, "goose_db_version")
	})
}

func TestCancelledOnItsWay(t *testing.T) {
	// An endless statement that both databases know, and that both end.
	const endless = "-- +goose Up\nCREATE TABLE half (id integer PRIMARY KEY);\n" +
		"INSERT INTO half WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i > 0) SELECT max(i) FROM n;\n"
	each(t, func(t *testing.T, p place) {
		db := p.db(t)
		ctx, cancel := context.WithCancelCause(t.Context())
		boot := errors.New("the boot took too long")
		m := newMigrator(t, db, p, map[string]string{"1_half.sql": endless})
		done := make(chan error, 1)
		go func() {
			_, err := m.Up(ctx)
			done <- err
		}()
		for db.Stats().InUse == 0 { // it is under way, wherever that is
			select {
			case err := <-done:
				t.Fatalf("ended with %v", err)
			default:
				runtime.Gosched()
			}
		}
		cancel(boot)
		if err := <-done; !errors.Is(err, context.Canceled) && !errors.Is(err, boot) {
			t.Errorf("got %v", err)
		}
		if got := tables(t, p); slices.Contains(got, "half") {
			t.Errorf("there are %q", got)
		}
	})
}
