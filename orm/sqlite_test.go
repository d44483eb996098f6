package orm_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tandem-go/tandem/orm"
)

// fileOf is a database of the test's, with its tables, and its file.
func fileOf(t *testing.T, options ...orm.Option) (*orm.DB, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "test.db")
	return open(t, path, options...), path
}

// again opens a file once more, as another process would.
func again(t *testing.T, url string, options ...orm.Option) *orm.DB {
	t.Helper()
	db, err := orm.Open(t.Context(), url, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

const (
	writerFile = "TANDEM_ORM_TEST_FILE"
	processes  = 3
	goroutines = 6
	writes     = 100 // of each goroutine, of each form
)

// TestWriterProcess is no test: it is the process of the next one.
func TestWriterProcess(t *testing.T) {
	path := os.Getenv(writerFile)
	if path == "" {
		t.Skip("it is started by TestProcessesWriteToOneFileWithoutFindingItLocked")
	}
	db := again(t, path)
	var all sync.WaitGroup
	for range goroutines {
		all.Go(func() {
			for range writes {
				if err := orm.Exec(t.Context(), db, "INSERT INTO tags (name) VALUES (hex(randomblob(16)))"); err != nil {
					t.Error(err)
				}
				err := orm.AtomicAsync(t.Context(), db, func(ctx context.Context, tx *orm.Tx) error {
					post, err := orm.For[Post](db).Get(ctx, 1)
					if err != nil {
						return err
					}
					return orm.ExecIn(ctx, tx, "UPDATE posts SET views = $1 WHERE id = 1", post.Views+1)
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

func TestProcessesWriteToOneFileWithoutFindingItLocked(t *testing.T) {
	db, path := fileOf(t)
	if err := orm.Exec(t.Context(), db, "UPDATE posts SET views = 0"); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range processes {
		all.Go(func() {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestWriterProcess$")
			cmd.Env = append(os.Environ(), writerFile+"="+path)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
	all.Wait()
	const want = processes * goroutines * writes
	if post, err := orm.For[Post](db).Get(t.Context(), 1); err != nil || post.Views != want {
		t.Errorf("%+v, %v; want %d views: one has written over another", post, err, want)
	}
	if n, err := orm.Column[int](t.Context(), db, "SELECT count(*) FROM tags WHERE length(name) = 32"); err != nil || n[0] != want {
		t.Errorf("%d rows, %v; want %d", n, err, want)
	}
}

func TestReadersDoNotWaitForTheWriter(t *testing.T) {
	db, path := fileOf(t, orm.PoolSize(1))
	for name, reader := range map[string]*orm.DB{"the same process": db, "another": again(t, path)} {
		err := orm.AtomicAsync(t.Context(), db, func(ctx context.Context, tx *orm.Tx) error {
			if err := rename(ctx, tx, 1, "Ada L."); err != nil {
				return err
			}
			if got := nameOf(t, reader, 1); got != "Ada" {
				t.Errorf("%s reads what is not committed: %q", name, got)
			}
			return errOwn
		})
		if !errors.Is(err, errOwn) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWritersTakeTurns(t *testing.T) {
	db, _ := fileOf(t)
	write := func(ctx context.Context) error { return orm.Exec(ctx, db, "UPDATE posts SET views = views + 1") }
	err := orm.AtomicAsync(t.Context(), db, func(context.Context, *orm.Tx) error {
		ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
		var writers sync.WaitGroup
		writers.Go(func() {
			if err := write(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("while it waits for its turn: %v", err)
			}
		})
		for db.Stats().WriteQueued < 1 {
			runtime.Gosched()
		}
		cancel()
		writers.Wait()
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if s := db.Stats(); s.WriteQueued != 0 || s.WriteWaits != 1 || s.WriteWaitTime == 0 || s.Waits != 0 {
		t.Errorf("%+v", s)
	}
	if err := write(t.Context()); err != nil {
		t.Error(err)
	}
}

// A statement that is not given the transaction it is made in would wait for ever.
func TestAWriteThatWaitsForItselfIsToldSo(t *testing.T) {
	db, _ := fileOf(t, orm.PoolWait(time.Millisecond))
	err := orm.AtomicAsync(t.Context(), db, func(context.Context, *orm.Tx) error {
		return orm.Exec(t.Context(), db, "UPDATE posts SET views = 1")
	})
	const want = "the database is not available: others have been writing for 1ms; a statement that does not use the transaction it is made in waits for itself"
	if !errors.Is(err, orm.ErrUnavailable) || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestAFileThatAnotherProcessWritesTo(t *testing.T) {
	db, path := fileOf(t)
	other := again(t, path, orm.LockTimeout(time.Millisecond))
	patient := again(t, path)
	var later sync.WaitGroup
	err := orm.AtomicAsync(t.Context(), db, func(context.Context, *orm.Tx) error {
		if err := orm.Exec(t.Context(), other, "UPDATE posts SET views = 1"); !errors.Is(err, orm.ErrLocked) {
			t.Errorf("%v, want ErrLocked", err)
		}
		err := orm.AtomicAsync(t.Context(), other, func(context.Context, *orm.Tx) error { return nil })
		if !errors.Is(err, orm.ErrLocked) {
			t.Errorf("%v, want ErrLocked", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if err := orm.Exec(ctx, patient, "UPDATE posts SET views = 1"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, want the ctx's end", err)
		}
		later.Go(func() {
			if err := orm.Exec(t.Context(), patient, "UPDATE posts SET views = 1"); err != nil {
				t.Error(err)
			}
		})
		return nil
	})
	later.Wait()
	if err != nil {
		t.Error(err)
	}
}

func TestTheLastToCloseLeavesOneFile(t *testing.T) {
	dir := t.TempDir()
	first := again(t, filepath.Join(dir, "test.db"))
	second := again(t, filepath.Join(dir, "test.db"))
	if err := orm.Exec(t.Context(), first, "CREATE TABLE things (id integer)"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _ = orm.Column[int](ctx, second, "SELECT 1")
	for _, db := range []*orm.DB{second, first} {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
	var names []string
	files, err := os.ReadDir(dir)
	for _, f := range files {
		names = append(names, f.Name())
	}
	if err != nil || !slices.Equal(names, []string{"test.db"}) {
		t.Errorf("left: %v, %v", names, err)
	}
}

func TestADatabaseInMemoryIsOfOneDB(t *testing.T) {
	db, other := open(t, ":memory:", orm.PoolWait(time.Millisecond), orm.Lifetime(1), orm.IdleTime(1)), again(t, ":memory:")
	if _, err := orm.Column[string](t.Context(), other, "SELECT name FROM authors"); !errors.Is(err, orm.ErrSchema) {
		t.Errorf("the other one has the tables: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := orm.Column[int](ctx, db, endless); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want the ctx's end", err)
	}
	db.SetPool(5)
	err := orm.AtomicAsync(t.Context(), db, func(ctx context.Context, tx *orm.Tx) error {
		if _, err := orm.For[Author](db).Count(t.Context()); !errors.Is(err, orm.ErrUnavailable) {
			t.Errorf("beside the transaction: %v, want ErrUnavailable", err)
		}
		return rename(ctx, tx, 1, "Ada L.")
	})
	if got := nameOf(t, db, 1); err != nil || got != "Ada L." {
		t.Errorf("%q, %v", got, err)
	}
}

func TestAFileThatCannotBeOpened(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return filepath.Join(dir, name)
	}
	notes := file("notes.txt", strings.Repeat("these are my notes\n", 100))
	for url, want := range map[string]string{
		filepath.Join(dir, "no/such/app.db"): "there is no directory " + filepath.Join(dir, "no/such") + ": create it first",
		filepath.Join(notes, "app.db"):       notes + " is not a directory",
		dir:                                  "it is a directory",
		notes:                                "the file is not a SQLite database",
		"file:" + filepath.Join(dir, "none.db?mode=ro"):    "open " + filepath.Join(dir, "none.db") + ": no such file or directory",
		"file:" + filepath.Join(dir, "new.db?_pragma=(1)"): "_pragma",
	} {
		_, err := orm.Open(t.Context(), url)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v\nwant %s", url, err, want)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "none.db")); err == nil {
		t.Error("mode=ro has made a file")
	}
}

func TestAFileThatIsOnlyRead(t *testing.T) {
	_, path := fileOf(t)
	db := again(t, "file:"+path+"?mode=ro")
	if got := nameOf(t, db, 1); got != "Ada" {
		t.Errorf("%q", got)
	}
	for what, write := range map[string]func() error{
		"a statement": func() error { return orm.Exec(t.Context(), db, "UPDATE posts SET views = 1") },
		"a transaction": func() error {
			return orm.AtomicAsync(t.Context(), db, func(ctx context.Context, tx *orm.Tx) error { return rename(ctx, tx, 1, "A") })
		},
	} {
		if err := write(); !errors.Is(err, orm.ErrReadOnly) {
			t.Errorf("%s: %v, want ErrReadOnly", what, err)
		}
	}
}
