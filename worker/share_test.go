package worker_test

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tandem-go/tandem/internal/channel"
	"github.com/tandem-go/tandem/internal/notify"
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
