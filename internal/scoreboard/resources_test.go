package scoreboard

import (
	"testing"
	"time"
)

func TestResourcesAreReadAsTheyWereWritten(t *testing.T) {
	mine := create(t)
	theirs, err := Open(dup(t, mine.FD()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = theirs.Close() })
	if got := mine.Read(); got.Parked != 0 || got.Refused != 0 || got.Pool != (Pool{}) {
		t.Errorf("of a worker that has said nothing: %+v", got)
	}
	theirs.SetResources(5, Pool{})
	theirs.Refused()
	theirs.Refused()
	if got := mine.Read(); got.Parked != 5 || got.Refused != 2 || got.Pool != (Pool{}) {
		t.Errorf("of a worker without a pool: %+v", got)
	}
	want := Pool{Pools: 2, Limit: 20, Open: 12, InUse: 7, Waits: 99, Waited: 3 * time.Second}
	theirs.SetResources(4, want)
	if got := mine.Read(); got.Parked != 4 || got.Pool != want {
		t.Errorf("read %+v, want %+v", got.Pool, want)
	}
}

// What a broken worker writes is bounded.
func TestNonsenseOfResourcesIsBounded(t *testing.T) {
	board := Local()
	board.SetResources(-1, Pool{Pools: 1 << 62, Limit: -5, Open: 1 << 60, InUse: -1, Waited: -time.Second})
	got := board.Read()
	if want := (Pool{Pools: exact, Open: exact}); got.Parked != 0 || got.Pool != want {
		t.Errorf("%d parked, %+v", got.Parked, got.Pool)
	}
}
