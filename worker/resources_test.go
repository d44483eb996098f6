package worker_test

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tandem-go/tandem/internal/notify"
	"github.com/tandem-go/tandem/internal/scoreboard"
)

// The supervisor sees which connections rest, which were one too many, and how the pools are.
func TestResourcesAreOnTheBoard(t *testing.T) {
	fd, addr := listen(t)
	defer unix.Close(fd)
	p := start(t, fd, "PARK="+parkAfter.String(), "CONNECTIONS=1", "POOL=7")
	until := func(is func(scoreboard.Counters) bool) {
		t.Helper()
		p.until(t, func(notify.Message) bool { return is(p.board.Read()) }) // with each beat the board is younger
	}
	until(func(c scoreboard.Counters) bool {
		return c.Pool == scoreboard.Pool{Pools: 1, Limit: 7, Open: 2, InUse: 1} && c.Parked == 0 && c.Refused == 0
	})
	first := dial(t, addr)
	first.must(t, "/past", "")
	until(func(c scoreboard.Counters) bool { return c.Parked == 1 && c.Connections == 1 })
	dial(t, addr)
	until(func(c scoreboard.Counters) bool { return c.Refused == 1 && c.Parked == 1 })
	first.must(t, "/past", "")
}
