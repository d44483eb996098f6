package worker_test

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tandem-go/tandem/internal/channel"
	"github.com/tandem-go/tandem/internal/notify"
	"github.com/tandem-go/tandem/worker"
)

func TestPermitsToComputeFollowWhatTheSupervisorSays(t *testing.T) {
	fd, _ := listen(t)
	defer unix.Close(fd)
	p := start(t, fd, "GOMAXPROCS=2", "GOMEMLIMIT=1GiB")
	computing := func(want int64) {
		t.Helper()
		p.until(t, func(notify.Message) bool { // with each beat the board is younger
			for _, limiter := range p.board.Permits() {
				if limiter.Name == "cpu" && limiter.Limit == want {
					return true
				}
			}
			return false
		})
	}
	computing(1)
	for _, share := range []struct {
		cpus    int
		permits int64
	}{{5, 4}, {1, 1}, {0, 1}, {3, 2}} {
		if err := p.channel.Send(channel.Message{Type: channel.Share, CPUs: share.cpus}); err != nil {
			t.Fatal(err)
		}
		computing(share.permits)
	}
}

func TestConnectionsFollowWhatTheSupervisorSays(t *testing.T) {
	fd, addr := listen(t)
	defer unix.Close(fd)
	p := start(t, fd, "TANDEM_DB_CONNECTIONS=7")
	if got := get("http://" + addr + "/connections"); got != "told 7, 7" {
		t.Errorf("at the start %q", got)
	}
	for _, share := range []channel.Message{{CPUs: 2}, {DatabaseConnections: 7}, {DatabaseConnections: 9}} {
		share.Type = channel.Share
		if err := p.channel.Send(share); err != nil {
			t.Fatal(err)
		}
	}
	if got := get("http://" + addr + "/connections"); got != "told 9, 9" {
		t.Errorf("told the same, and another: %q", got)
	}
	if got := get("http://" + addr + "/child-sees"); strings.Contains(got, "TANDEM_DB_CONNECTIONS") {
		t.Error("a program that the worker starts would take the connections for its own")
	}
}

func TestNobodySaysHowManyConnectionsWithoutASupervisor(t *testing.T) {
	worker.OnDatabaseConnections(func(n int) { t.Errorf("told %d", n) })()
	if n := worker.DatabaseConnections(); n != 0 {
		t.Errorf("there may be %d", n)
	}
}
