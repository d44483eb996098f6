package orm_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tandem-go/tandem/internal/pgtest"
	"github.com/tandem-go/tandem/orm"
	"github.com/tandem-go/tandem/view"
)

// lines hands on the messages of a log.
type lines chan string

func (l lines) Enabled(context.Context, slog.Level) bool { return true }
func (l lines) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l lines) WithGroup(string) slog.Handler            { return l }
func (l lines) Handle(_ context.Context, r slog.Record) error {
	l <- r.Message
	return nil
}

// withheld checks that an error has not told the password of a URL.
func withheld(t *testing.T, text string, err error) {
	t.Helper()
	u, of := url.Parse(text)
	if of != nil {
		t.Fatal(of)
	}
	if secret, _ := u.User.Password(); secret != "" && strings.Contains(err.Error(), secret) {
		t.Error("the error has the password in it")
	}
}

func TestOpenWaitsForAServerThatIsDown(t *testing.T) {
	server := pgtest.Start(t)
	url := server.URL()
	server.Stop()
	log := make(lines, 100)
	opened := make(chan error)
	var db *orm.DB
	go func() {
		var err error
		db, err = orm.Open(t.Context(), url, orm.Logger(slog.New(log)))
		opened <- err
	}()
	if line := <-log; line != "waiting for the database" {
		t.Errorf("the log says %q", line)
	}
	server.Start()
	if err := <-opened; err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.SQL().PingContext(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestOpenGivesUpWhenItsCtxEnds(t *testing.T) {
	server := pgtest.Start(t, "max_connections = 4", "superuser_reserved_connections = 3")
	there := server.URL()
	deaf, err := net.Listen("tcp", "127.0.0.1:0") // connects, and never says a word
	if err != nil {
		t.Fatal(err)
	}
	defer deaf.Close()
	at := func(addr string) string {
		u, err := url.Parse(there)
		if err != nil {
			t.Fatal(err)
		}
		u.Host = addr
		return u.String()
	}
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	for _, c := range []struct {
		name, url, host string
	}{
		{"nobody listens", at(gone.Addr().String()), gone.Addr().String()},
		{"nobody answers", at(deaf.Addr().String()), deaf.Addr().String()},
		{"no connection is to spare", there, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.host == "" {
				holder, err := orm.Open(t.Context(), there, orm.PoolSize(1))
				if err != nil {
					t.Fatal(err)
				}
				defer holder.Close()
			}
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			db, err := orm.Open(ctx, c.url)
			if err == nil {
				db.Close()
			}
			if !errors.Is(err, orm.ErrUnavailable) {
				t.Fatalf("%v, want ErrUnavailable", err)
			}
			if !strings.Contains(err.Error(), c.host) || strings.ContainsRune(err.Error(), '\n') {
				t.Errorf("%v: want one line, with the host", err)
			}
			withheld(t, c.url, err)
		})
	}
}

func TestOpenDoesNotWaitForWhatWaitingDoesNotMend(t *testing.T) {
	server := pgtest.Start(t)
	there, err := url.Parse(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		change func(u *url.URL)
		want   string
	}{
		{"no such database", func(u *url.URL) { u.Path = "/nowhere" }, `database "nowhere" does not exist`},
		{"wrong password", func(u *url.URL) { u.User = url.UserPassword("tester", "mistyped") }, `password authentication failed for user "tester"`},
		{"no such parameter", func(u *url.URL) { u.RawQuery = "nonsense=1" }, `"nonsense"`},
		{"no TLS there", func(u *url.URL) { u.RawQuery = "sslmode=require" }, `TLS`},
	} {
		t.Run(c.name, func(t *testing.T) {
			u := *there
			c.change(&u)
			db, err := orm.Open(t.Context(), u.String())
			if err == nil {
				db.Close()
				t.Fatal("no error")
			}
			if errors.Is(err, orm.ErrUnavailable) || !strings.Contains(err.Error(), c.want) || strings.ContainsRune(err.Error(), '\n') {
				t.Errorf("%v: want one line with %s", err, c.want)
			}
			withheld(t, u.String(), err)
		})
	}
}

func TestAServerThatGoesIsA503UntilItIsBack(t *testing.T) {
	server := pgtest.Start(t)
	db := open(t, server.URL())
	posts := orm.For[Post](db)
	app := view.New()
	app.Routes(view.Path("GET /posts/{id}/", func(ctx context.Context, r *view.Request) (view.Response, error) {
		p, err := posts.Get(ctx, r.PathValue("id"))
		if err != nil {
			return nil, err
		}
		return view.JSON(p.Title), nil
	}))
	get := func() *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		app.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/posts/1/", nil))
		return w
	}
	if w := get(); w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	server.Stop()
	for range 3 {
		w := get()
		if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || strings.Contains(w.Body.String(), "127.0.0.1") {
			t.Errorf("%d, Retry-After %q: %s", w.Code, w.Header().Get("Retry-After"), w.Body)
		}
	}
	if err := write(t.Context(), db); !errors.Is(err, orm.ErrUnavailable) {
		t.Errorf("a transaction: %v, want ErrUnavailable", err)
	}
	server.Start()
	if w := get(); w.Code != http.StatusOK {
		t.Errorf("after the server has come back: %d %s", w.Code, w.Body)
	}
	if err := write(t.Context(), db); err != nil {
		t.Error(err)
	}
}

// write is a transaction of one statement.
func write(ctx context.Context, db *orm.DB) error {
	return orm.AtomicAsync(ctx, db, func(ctx context.Context, tx *orm.Tx) error { return rename(ctx, tx, 1, "written") })
}

func TestABackendThatEndsWithinATransactionUndoesIt(t *testing.T) {
	server := pgtest.Start(t)
	db := open(t, server.URL())
	endAsleep := func(t *testing.T) {
		for asleep := 0; asleep == 0; {
			if err := db.SQL().QueryRowContext(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'").Scan(&asleep); err != nil {
				t.Error(err)
				return
			}
		}
		server.Disconnect()
	}
	for _, c := range []struct {
		name string
		rest func(ctx context.Context, t *testing.T, tx *orm.Tx) error
	}{
		{"while a statement runs", func(ctx context.Context, t *testing.T, tx *orm.Tx) error {
			var other sync.WaitGroup
			defer other.Wait()
			other.Go(func() { endAsleep(t) })
			return orm.ExecIn(ctx, tx, "SELECT pg_sleep(3600)")
		}},
		{"between statements", func(ctx context.Context, _ *testing.T, tx *orm.Tx) error {
			server.Disconnect()
			return rename(ctx, tx, 2, "half")
		}},
		{"before the commit", func(context.Context, *testing.T, *orm.Tx) error {
			server.Disconnect()
			return nil
		}},
		{"in a part of it", func(ctx context.Context, t *testing.T, tx *orm.Tx) error {
			err := orm.AtomicAsync(ctx, db, func(ctx context.Context, part *orm.Tx) error {
				server.Disconnect()
				return rename(ctx, part, 2, "half")
			})
			if !errors.Is(err, orm.ErrUnavailable) {
				t.Errorf("the part: %v, want ErrUnavailable", err)
			}
			return rename(ctx, tx, 2, "half") // the part cannot be undone alone
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			runs := 0
			err := orm.AtomicAsync(t.Context(), db, func(ctx context.Context, tx *orm.Tx) error {
				runs++
				tx.OnCommit(func(context.Context) error {
					t.Error("it has committed")
					return nil
				})
				if err := rename(ctx, tx, 1, "half"); err != nil {
					return err
				}
				return c.rest(ctx, t, tx)
			}, orm.Retry(3))
			if !errors.Is(err, orm.ErrUnavailable) || runs != 1 {
				t.Errorf("%v after %d runs, want ErrUnavailable after one", err, runs)
			}
			for id, want := range map[int64]string{1: "Ada", 2: "Brian"} {
				if name := nameOf(t, db, id); name != want {
					t.Errorf("half of it was written: %s", name)
				}
			}
		})
	}
	if err := write(t.Context(), db); err != nil {
		t.Errorf("the next transaction: %v", err)
	}
}

func TestAServerThatGoesEndsAnIteration(t *testing.T) {
	server := pgtest.Start(t)
	db := open(t, server.URL())
	var seen []int64
	var last error
	for p, err := range orm.For[Post](db).Chunk(2).All(t.Context()) {
		if err != nil {
			last = err
			break
		}
		if seen = append(seen, p.ID); p.ID == 2 {
			server.Stop()
		}
	}
	if !errors.Is(last, orm.ErrUnavailable) || !slices.Equal(seen, []int64{1, 2}) {
		t.Errorf("%v, then %v; want two rows and ErrUnavailable", seen, last)
	}
}

func TestAServerThatAdmitsNoMoreIsUnavailable(t *testing.T) {
	server := pgtest.Start(t, "max_connections = 5", "superuser_reserved_connections = 3")
	first, second := open(t, server.URL()), server.URL()
	held, err := orm.Open(t.Context(), second, orm.PoolSize(1))
	if err != nil {
		t.Fatal(err)
	}
	first.SQL().SetMaxIdleConns(-1) // it opens one anew each time
	if err := write(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	all, err := orm.Open(t.Context(), second, orm.PoolSize(1))
	if err != nil {
		t.Fatal(err)
	}
	defer all.Close()
	if err := write(t.Context(), first); !errors.Is(err, orm.ErrUnavailable) {
		t.Errorf("%v, want ErrUnavailable", err)
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestWhatAServerCannotStore(t *testing.T) {
	server := pgtest.Start(t)
	db := open(t, server.URL())
	raise := func(state string) func(context.Context) error {
		return func(ctx context.Context) error {
			return orm.AtomicAsync(ctx, db, func(ctx context.Context, tx *orm.Tx) error {
				if err := rename(ctx, tx, 1, "half"); err != nil {
					return err
				}
				return orm.ExecIn(ctx, tx, "DO $$ BEGIN RAISE EXCEPTION 'no room' USING ERRCODE = '"+state+"'; END $$")
			})
		}
	}
	for _, c := range []struct {
		name string
		do   func(context.Context) error
		want *orm.Error
	}{
		{"the disk is full", raise("53100"), orm.ErrFull},
		{"it ends", raise("57P01"), orm.ErrUnavailable},
		{"it starts", raise("57P03"), orm.ErrUnavailable},
		{"it recovers, and is read-only", raise("25006"), orm.ErrReadOnly},
		{"a lock is not to be had", raise("55P03"), orm.ErrLocked},
		{"a deadlock", raise("40P01"), orm.ErrSerialization},
		{"it is set to read-only", func(ctx context.Context) error {
			server.Restart("default_transaction_read_only = on")
			return write(ctx, db)
		}, orm.ErrReadOnly},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := c.do(t.Context()); !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			if name := nameOf(t, db, 1); name != "Ada" {
				t.Errorf("half of it was written: %s", name)
			}
		})
	}
}
