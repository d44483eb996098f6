package orm_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tandem-go/tandem/orm"
)

// filled is the path of a SQLite file that holds the tests' rows, and is closed.
func filled(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "test.db")
	if err := open(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{filepath.Dir(path), filepath.Dir(filepath.Dir(path))} { // also for nobody
		if err := os.Chmod(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func content(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAFileThatCannotBeWrittenTo(t *testing.T) {
	path := filled(t)
	before := content(t, path)
	fixed(t, path)
	asNobody(t)
	db := again(t, path)
	if err := write(t.Context(), db); !errors.Is(err, orm.ErrReadOnly) {
		t.Errorf("%v, want ErrReadOnly", err)
	}
	if name := nameOf(t, db, 1); name != "Ada" {
		t.Errorf("it reads %s", name)
	}
	if !bytes.Equal(content(t, path), before) {
		t.Error("the file was changed")
	}
}

func TestAFileInADirectoryThatCannotBeWrittenTo(t *testing.T) {
	path := filled(t)
	before := content(t, path)
	fixed(t, path, filepath.Dir(path))
	asNobody(t)
	if db, err := orm.Open(t.Context(), path); err == nil {
		db.Close()
		t.Error("no error: where are the files that say who reads?")
	} else if !strings.Contains(err.Error(), filepath.Dir(path)) || !strings.Contains(err.Error(), "immutable=1") {
		t.Errorf("%v: want the directory, and what to do", err)
	}
	db := again(t, "file:"+path+"?immutable=1") // so nobody writes
	if name := nameOf(t, db, 1); name != "Ada" {
		t.Errorf("it reads %s", name)
	}
	if err := write(t.Context(), db); !errors.Is(err, orm.ErrReadOnly) {
		t.Errorf("%v, want ErrReadOnly", err)
	}
	if !bytes.Equal(content(t, path), before) {
		t.Error("the file was changed")
	}
}

func TestWhatIsNotASQLiteDatabaseIsLeftAsItIs(t *testing.T) {
	const pdf = "%PDF-1.7\nnot a database, though it is longer than the header of one has to be: 100 bytes at the very least, so here are some more\n"
	for _, c := range []struct {
		name, want string
		make       func(t *testing.T, path string) error
	}{
		{"another kind of file", "the file is not a SQLite database", func(_ *testing.T, path string) error {
			return os.WriteFile(path, []byte(strings.Repeat(pdf, 40)), 0o644)
		}},
		{"its header alone", "", func(t *testing.T, path string) error {
			return os.WriteFile(path, content(t, filled(t))[:100], 0o644)
		}},
		{"not for this user", "permission denied", func(_ *testing.T, path string) error { return os.WriteFile(path, nil, 0) }},
		{"new, where this user may not write", "cannot write to directory", func(t *testing.T, path string) error {
			fixed(t, filepath.Dir(path))
			return nil
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(filepath.Dir(filled(t)), "dir", "some.db")
			if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := c.make(t, path); err != nil {
				t.Fatal(err)
			}
			before, _ := os.ReadFile(path)
			asNobody(t)
			db, err := orm.Open(t.Context(), path)
			if err == nil {
				_, err = orm.For[Author](db).Get(t.Context(), 1)
				db.Close()
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) && !strings.Contains(err.Error(), filepath.Dir(path)) {
				t.Errorf("%v: want the path, and %s", err, c.want)
			}
			if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
				t.Error("the file was changed")
			}
		})
	}
}

func TestAFileThatAnotherProcessHolds(t *testing.T) {
	path := filled(t)
	db := again(t, path, orm.LockTimeout(time.Millisecond))
	for name, end := range map[string]func(*holder){"and lets go": (*holder).release, "and is killed": (*holder).kill} {
		t.Run(name, func(t *testing.T) {
			other := hold(t, path)
			if err := write(t.Context(), db); !errors.Is(err, orm.ErrLocked) {
				t.Errorf("%v, want ErrLocked", err)
			}
			for range 2 {
				if name := nameOf(t, db, 2); name != "Brian" {
					t.Errorf("it reads %s, of a transaction that is not committed", name)
				}
				if !other.ended {
					end(other)
				}
			}
			if err := write(t.Context(), db); err != nil {
				t.Errorf("once the other one has ended: %v", err)
			}
		})
	}
}

func TestADiskThatIsFull(t *testing.T) {
	for _, c := range []struct {
		name string
		on   func(t *testing.T) (url string, free func(ctx context.Context, db *orm.DB) error)
	}{
		{"no room on the disk", func(t *testing.T) (string, func(context.Context, *orm.DB) error) {
			dir := smallDisk(t, "1m")
			ballast := filepath.Join(dir, "ballast")
			if err := os.WriteFile(ballast, make([]byte, 500<<10), 0o644); err != nil {
				t.Fatal(err)
			}
			return filepath.Join(dir, "test.db"), func(context.Context, *orm.DB) error { return os.Remove(ballast) }
		}},
		{"no more pages", func(t *testing.T) (string, func(context.Context, *orm.DB) error) {
			return "file:" + filepath.Join(t.TempDir(), "test.db") + "?_pragma=max_page_count(60)", func(ctx context.Context, db *orm.DB) error {
				return orm.AtomicAsync(ctx, db, func(ctx context.Context, tx *orm.Tx) error {
					return orm.ExecIn(ctx, tx, "DELETE FROM posts WHERE id > 5")
				})
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			url, free := c.on(t)
			db := open(t, url)
			ctx := t.Context()
			post := func() error {
				return orm.AtomicAsync(ctx, db, func(ctx context.Context, tx *orm.Tx) error {
					if err := orm.ExecIn(ctx, tx, "UPDATE posts SET views = views + 1 WHERE id = 1"); err != nil {
						return err
					}
					return orm.ExecIn(ctx, tx, "INSERT INTO posts (title, body, created_at) VALUES ('t', $1, '2026-01-01 10:00:00+00:00')", strings.Repeat("x", 20<<10))
				})
			}
			n := 0
			var err error
			for ; n < 1000 && err == nil; n++ {
				err = post()
			}
			n-- // the last one was not done
			if !errors.Is(err, orm.ErrFull) {
				t.Fatalf("%v, want ErrFull", err)
			}
			count, err := orm.For[Post](db).Count(ctx)
			if err != nil || count != int64(5+n) {
				t.Errorf("%d rows, %v; want %d", count, err, 5+n)
			}
			first, err := orm.For[Post](db).Get(ctx, 1)
			if err != nil || first.Views != 10+n {
				t.Errorf("%+v, %v; want %d views: a transaction is done whole or not at all", first, err, 10+n)
			}
			if err := free(ctx, db); err != nil {
				t.Fatal(err)
			}
			if err := post(); err != nil {
				t.Errorf("once there is room: %v", err)
			}
		})
	}
}

func TestAFileThatIsRemovedOrReplacedWhileItIsOpen(t *testing.T) {
	for name, c := range map[string]struct {
		change func(path string) error
		want   string
	}{
		"removed": {func(string) error { return nil }, "was removed while it was open"},
		"replaced": {func(path string) error {
			b, err := os.ReadFile(path + ".old")
			if err != nil {
				return err
			}
			return os.WriteFile(path, b, 0o644)
		}, "was replaced while it was open"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filled(t)
			db := again(t, path)
			if err := write(t.Context(), db); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(os.Rename(path, path+".old"), c.change(path)); err != nil {
				t.Fatal(err)
			}
			before, _ := os.ReadFile(path)
			for what, do := range map[string]func() error{
				"a statement that writes": func() error { return write(t.Context(), db) },
				"a transaction": func() error {
					return orm.AtomicAsync(t.Context(), db, func(ctx context.Context, tx *orm.Tx) error { return rename(ctx, tx, 1, "Augusta") })
				},
				"a query": func() error {
					_, err := orm.For[Author](db).Get(t.Context(), 1)
					return err
				},
			} {
				if err := do(); !errors.Is(err, orm.ErrUnavailable) || !strings.Contains(err.Error(), path+" "+c.want) {
					t.Errorf("%s: %v, want ErrUnavailable, and that %s %s", what, err, path, c.want)
				}
			}
			if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
				t.Error("the other file was changed")
			}
			if err := os.Rename(path+".old", path); err != nil {
				t.Fatal(err)
			}
			if err := write(t.Context(), db); err != nil {
				t.Errorf("once it is back: %v", err)
			}
			if name := nameOf(t, db, 1); name == "Augusta" {
				t.Error("what failed was written")
			}
		})
	}
}
