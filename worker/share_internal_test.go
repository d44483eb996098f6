package worker

import (
	"log/slog"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
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

func TestFollowersHearOfConnectionsOneAtATime(t *testing.T) {
	c := &connections{followers: map[*func(int)]struct{}{}}
	var first, second []int
	stopFirst := c.follow(func(n int) { first = append(first, n) })
	c.become(5)
	stopSecond := c.follow(func(n int) { second = append(second, n) })
	c.become(0)
	c.become(5)
	c.become(3)
	stopFirst()
	stopFirst()
	c.become(8)
	stopSecond()
	c.become(9)
	if !slices.Equal(first, []int{5, 3}) || !slices.Equal(second, []int{5, 3, 8}) {
		t.Errorf("told %v and %v", first, second)
	}
	var calls sync.WaitGroup
	busy, last := 0, 0
	for range 4 {
		defer c.follow(func(n int) {
			if busy++; busy != 1 {
				t.Error("two calls at the same time")
			}
			last = n
			busy--
		})()
	}
	for n := range 100 {
		calls.Go(func() { c.become(10 + n) })
	}
	calls.Wait()
	if got := int(c.n.Load()); last != got {
		t.Errorf("told %d at last, and there are %d", last, got)
	}
}
