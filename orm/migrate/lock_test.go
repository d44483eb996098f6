package migrate_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tandem-go/tandem/orm/migrate"
)

func TestOfEightProcessesOneMigrates(t *testing.T) {
	each(t, func(t *testing.T, p place) {
		files := map[string]string{"1_first.sql": first, "2_other.sql": other}
		var outputs []io.Reader
		var waits []func() error
		for range 8 {
			cmd, out := process(t, p, files)
			outputs, waits = append(outputs, out), append(waits, cmd.Wait)
		}
		applied := map[string]int{}
		for i, out := range outputs {
			lines := bufio.NewScanner(out)
			for lines.Scan() {
				applied[lines.Text()]++
			}
			if err := waits[i](); err != nil {
				t.Errorf("process %d: %v", i, err)
			}
		}
		if fmt.Sprint(applied) != "map[1_first.sql:1 2_other.sql:1]" {
			t.Errorf("applied: %v", applied)
		}
		wantTables(t, p, "first", "goose_db_version", "other")
	})
}

func TestAProcessThatIsKilledLeavesNeitherHalfNorLock(t *testing.T) {
	each(t, func(t *testing.T, p place) {
		half := "-- +goose Up\nCREATE TABLE half (id integer PRIMARY KEY);\n" + stall[p.Dialect]
		cmd, out := process(t, p, map[string]string{"1_first.sql": first, "2_half.sql": half})
		lines := bufio.NewScanner(out)
		if !lines.Scan() || lines.Text() != "stalled" {
			t.Fatalf("it says %q, not that it has stalled", lines.Text())
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		wantTables(t, p, "first", "goose_db_version")
		applied, err := newMigrator(t, p.db(t), p, map[string]string{"1_first.sql": first, "2_other.sql": other}).Up(t.Context())
		if err != nil || len(applied) != 1 {
			t.Errorf("got %v, %v", applied, err)
		}
		wantTables(t, p, "first", "goose_db_version", "other")
	})
}

// hold has this process hold the lock, until the test ends, and returns what is said of it.
func hold(t *testing.T, p place) (because string) {
	t.Helper()
	if p.Dialect == "postgres" {
		conn, err := p.db(t).Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		var pid int
		if err := conn.QueryRowContext(t.Context(), "SELECT pg_backend_pid() FROM pg_advisory_lock(4097083626)").Scan(&pid); err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf(`session %d of PostgreSQL, user \w+(, address [\d.]+)? has the advisory lock`, pid)
	}
	path, _, _ := strings.Cut(strings.TrimPrefix(p.URL, "file:"), "?")
	file, err := os.OpenFile(path+"-migrate.lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	if _, err := file.WriteString("process 7 (app) on host\n"); err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	return `process 7 \(app\) on host has locked ` + regexp.QuoteMeta(file.Name())
}

// told calls a function when a record comes, whichever it is.
type told struct {
	slog.Handler
	of func()
}

func (h told) Handle(ctx context.Context, r slog.Record) error {
	h.of()
	return h.Handler.Handle(ctx, r)
}

func TestTheWaitIsBoundedAndSaysForWhom(t *testing.T) {
	tests := map[string]struct {
		wait    time.Duration
		cancels bool // when it is known to wait
		kind    error
		says    string
	}{
		"by the migrator": {wait: 30 * time.Millisecond, kind: migrate.ErrLocked, says: "gave up"},
		"by the context":  {wait: time.Hour, cancels: true, kind: context.Canceled, says: "context canceled"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, p place) {
				because := hold(t, p)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var log bytes.Buffer
				handler := told{slog.NewTextHandler(&log, nil), func() {
					if test.cancels {
						cancel()
					}
				}}
				m := newMigrator(t, p.db(t), p, map[string]string{"1_first.sql": first}, migrate.Wait(test.wait), migrate.Logger(slog.New(handler)))
				_, err := m.Up(ctx)
				want := regexp.MustCompile(`^migrate: another process migrates the database: ` + test.says + ` after [\d.]+m?s: ` + because + `$`)
				if !errors.Is(err, migrate.ErrLocked) || !errors.Is(err, test.kind) || !want.MatchString(err.Error()) {
					t.Errorf("got  %v\nwant %v", err, want)
				}
				if got := strings.Count(log.String(), "waiting for another process to migrate the database"); got != 1 {
					t.Errorf("it said %d times that it waits:\n%s", got, &log)
				}
				wantTables(t, p)
			})
		})
	}
}

func TestALockFileThatIsRemovedIsNoLock(t *testing.T) {
	path := t.TempDir() + "/test.db"
	p := sqlitePlace(path)
	hold(t, p)
	if err := os.Remove(path + "-migrate.lock"); err != nil {
		t.Fatal(err)
	}
	if _, err := newMigrator(t, p.db(t), p, map[string]string{"1_first.sql": first}).Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	said, err := os.ReadFile(path + "-migrate.lock")
	if want := fmt.Sprintf("process %d (", os.Getpid()); err != nil || !strings.HasPrefix(string(said), want) {
		t.Errorf("the lock says %q, %v, want %q", said, err, want)
	}
}

// Root gives the lock's file to the database's owner, who may have made the link.
func TestALockFileThatIsALinkIsNotFollowed(t *testing.T) {
	path := t.TempDir() + "/test.db"
	target := t.TempDir() + "/target"
	if err := errors.Join(os.WriteFile(target, []byte("precious"), 0o600), os.Symlink(target, path+"-migrate.lock")); err != nil {
		t.Fatal(err)
	}
	p := sqlitePlace(path)
	_, err := newMigrator(t, p.db(t), p, map[string]string{"1_first.sql": first}).Up(t.Context())
	if want := "migrate: lock the database for a migration: " + path + "-migrate.lock is a symbolic link: remove it"; err == nil || err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
	if text, err := os.ReadFile(target); string(text) != "precious" {
		t.Errorf("the target has %q, %v", text, err)
	}
}

func TestALockFileThatCannotBeMadeIsClear(t *testing.T) {
	path := t.TempDir() + "/test.db"
	if err := os.Mkdir(path+"-migrate.lock", 0o700); err != nil {
		t.Fatal(err)
	}
	p := sqlitePlace(path)
	_, err := newMigrator(t, p.db(t), p, map[string]string{"1_first.sql": first}).Up(t.Context())
	if err == nil || !strings.Contains(err.Error(), "migrate: lock the database for a migration: open "+path+"-migrate.lock: ") {
		t.Errorf("got %v", err)
	}
}
