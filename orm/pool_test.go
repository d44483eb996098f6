package orm_test

import (
	"database/sql"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/tandem-go/tandem/internal/pgtest"
	"github.com/tandem-go/tandem/orm"
)

// take takes n connections.
func take(t *testing.T, db *orm.DB, n int) []*sql.Conn {
	t.Helper()
	conns := make([]*sql.Conn, n)
	for i := range conns {
		var err error
		if conns[i], err = db.SQL().Conn(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return conns
}

func give(t *testing.T, conns []*sql.Conn) {
	t.Helper()
	for _, c := range conns {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestSetPoolBoundsConnectionsInUseAndIdle(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		db.SetPool(4)
		conns := take(t, db, 4)
		db.SetPool(2)
		for _, c := range conns {
			if _, err := c.ExecContext(t.Context(), "SELECT 1"); err != nil {
				t.Errorf("a connection in use was cut: %v", err)
			}
		}
		give(t, conns)
		if s := db.SQL().Stats(); s.OpenConnections != 2 || s.Idle != 2 || s.MaxOpenConnections != 2 {
			t.Errorf("given back: %+v", s)
		}
		db.SetPool(1)
		if s := db.SQL().Stats(); s.OpenConnections != 1 {
			t.Errorf("idle: %+v", s)
		}
		db.SetPool(0)
		if s := db.SQL().Stats(); s.MaxOpenConnections != 1 {
			t.Errorf("0 is no bound: %+v", s)
		}
	})
}

func TestOfPoolSizesAtOnceOneHolds(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "test.db"))
	for range 500 {
		_ = atOnce(8, func(i int) error { db.SetPool(i + 1); return nil })
		if size, of := db.Stats().Size, db.SQL().Stats().MaxOpenConnections; size != of {
			t.Fatalf("%d statements are let to %d connections", size, of)
		}
	}
}

// Nothing is given back here, and nobody else comes: those who wait must get what
// the pool has grown by.
func TestWhoWaitsGetsAConnectionWhenThePoolGrows(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		db.SetPool(1)
		held := take(t, db, 1)
		var queries sync.WaitGroup
		for range 3 {
			queries.Go(func() {
				if _, err := orm.For[Author](db).Count(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		for db.Stats().Waits < 3 { // it counts who has begun to wait
			runtime.Gosched()
		}
		db.SetPool(3)
		queries.Wait()
		give(t, held)
	})
}

func TestServerLimitIsTheLeastOfItsBounds(t *testing.T) {
	onEach(t, func(t *testing.T, db *orm.DB) {
		if n, err := db.ServerLimit(t.Context()); db.Dialect() == orm.SQLite && (n != 0 || err != nil) {
			t.Errorf("%d, %v", n, err)
		}
	})
	server := pgtest.Start(t, "max_connections = 20", "superuser_reserved_connections = 3")
	db, err := orm.Open(t.Context(), server.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, step := range []struct {
		text string
		want int
	}{
		{"SELECT 1", 17},
		{"DO $$ BEGIN EXECUTE format('ALTER DATABASE %I CONNECTION LIMIT 30', current_database()); END $$", 17},
		{"DO $$ BEGIN EXECUTE format('ALTER DATABASE %I CONNECTION LIMIT 9', current_database()); END $$", 9},
	} {
		if _, err := db.SQL().ExecContext(t.Context(), step.text); err != nil {
			t.Fatal(err)
		}
		if n, err := db.ServerLimit(t.Context()); n != step.want || err != nil {
			t.Errorf("after %s: %d, %v; want %d", step.text, n, err, step.want)
		}
	}
}
