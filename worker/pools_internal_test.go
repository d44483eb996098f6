package worker

import (
	"database/sql"
	"testing"
	"time"

	"github.com/tandem-go/tandem/internal/scoreboard"
)

// What a pool has counted stays counted when it is closed: a total does not go back.
func TestPoolsAreAddedUpAndTheirCountsStay(t *testing.T) {
	was := pools.stats()
	since := func() scoreboard.Pool {
		now := pools.stats()
		return scoreboard.Pool{
			Pools: now.Pools - was.Pools, Limit: now.Limit - was.Limit, Open: now.Open - was.Open, InUse: now.InUse - was.InUse,
			Waits: now.Waits - was.Waits, Waited: now.Waited - was.Waited,
		}
	}
	first := sql.DBStats{MaxOpenConnections: 10, OpenConnections: 4, InUse: 3, Idle: 1, WaitCount: 5, WaitDuration: time.Second}
	stopFirst := ShowPool(func() sql.DBStats { return first })
	stopSecond := ShowPool(func() sql.DBStats { return sql.DBStats{MaxOpenConnections: 2, OpenConnections: 1} })
	if got, want := since(), (scoreboard.Pool{Pools: 2, Limit: 12, Open: 5, InUse: 3, Waits: 5, Waited: time.Second}); got != want {
		t.Errorf("of two: %+v, want %+v", got, want)
	}
	first.WaitCount, first.WaitDuration = 6, 2*time.Second
	stopFirst()
	stopFirst() // nothing
	first.WaitCount = 99
	if got, want := since(), (scoreboard.Pool{Pools: 2, Limit: 2, Open: 1, Waits: 6, Waited: 2 * time.Second}); got != want {
		t.Errorf("of the second, and what the first has counted: %+v, want %+v", got, want)
	}
	stopSecond()
	if got, want := since(), (scoreboard.Pool{Pools: 2, Waits: 6, Waited: 2 * time.Second}); got != want {
		t.Errorf("of none: %+v, want %+v", got, want)
	}
}
