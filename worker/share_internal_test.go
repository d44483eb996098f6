package worker

import (
	"log/slog"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/internal/channel"
)

func TestAShareChangesWhatTheProgramHasNotSetItself(t *testing.T) {
	cpus, memory := bridge.Share(), debug.SetMemoryLimit(-1)
	t.Cleanup(func() {
		bridge.SetShare(cpus)
		debug.SetMemoryLimit(memory)
	})
	log := slog.New(slog.DiscardHandler)
	s := share{cpus: cpus, memory: memory}
	check := func(when string, cpus int, memory int64) {
		t.Helper()
		if n, m := runtime.GOMAXPROCS(0), debug.SetMemoryLimit(-1); n != cpus || m != memory {
			t.Errorf("%s: %d CPUs and %d bytes, want %d and %d", when, n, m, cpus, memory)
		}
	}
	told := func(cpus int, memory int64) {
		s.become(log, channel.Message{Type: channel.Share, CPUs: cpus, Memory: memory})
	}
	told(3, 5<<30)
	check("told both", 3, 5<<30)
	told(0, 6<<30)
	check("told memory alone", 3, 6<<30)
	told(4, 0)
	check("told CPUs alone", 4, 6<<30)
	runtime.GOMAXPROCS(7)
	told(2, 7<<30)
	check("the program has set GOMAXPROCS", 7, 7<<30)
	debug.SetMemoryLimit(1 << 40)
	told(2, 5<<30)
	check("the program has set both", 7, 1<<40)
}
