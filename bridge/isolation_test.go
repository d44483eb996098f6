package bridge_test

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tandem-go/tandem/bridge"
)

var sink atomic.Uint64

// burn computes for about d, as long as nobody takes the CPU away.
func burn(d time.Duration) {
	n := uint64(1)
	for start := time.Now(); time.Since(start) < d; {
		for range 1000 {
			n = n*6364136223846793005 + 1
		}
	}
	sink.Store(n)
}

// lightBeside measures how long it takes a goroutine to be started and answered
// while others compute: the median of many.
func lightBeside(heavy func()) time.Duration {
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					heavy()
				}
			}
		})
	}
	var took []time.Duration
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); time.Since(began) < 500*time.Millisecond; {
		start := <-tick.C
		answer := make(chan struct{})
		go close(answer)
		<-answer
		took = append(took, time.Since(start))
	}
	close(stop)
	wg.Wait()
	slices.Sort(took)
	return took[len(took)/2]
}

// The measure is a ratio, so that a busy machine slows both sides; three attempts,
// because it may slow one of them.
func TestLightWorkIsNotHeldUpByComputingFrames(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a second")
	}
	if runtime.GOMAXPROCS(0) > 6 {
		t.Skip("8 computing goroutines do not fill this machine")
	}
	l := bridge.NewCPULimiter(bridge.CPUPermits())
	defer bridge.Lower(l)
	for attempt := range 3 {
		plain := lightBeside(func() { burn(30 * time.Millisecond) })
		isolated := lightBeside(func() {
			_, _ = bridge.RunSync(context.Background(), run(func() { burn(30 * time.Millisecond) }), bridge.On(l))
		})
		t.Logf("median beside 8 that compute: %v without a limiter, %v with", plain, isolated)
		if isolated < plain/5 {
			return
		}
		t.Logf("attempt %d: not five times faster", attempt+1)
	}
	t.Error("computing frames hold light work up")
}
