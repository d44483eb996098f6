package worker

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

// heapFloor is how much a worker's heap may grow before the garbage is collected,
// however little lives in it, in bytes. Go's own rule, to collect when the heap has
// doubled, makes a small heap a busy one: with three megabytes alive and three
// kilobytes for each request it is collected every thousand requests.
const heapFloor = 16 << 20

// keepFloor keeps to it from now on, unless GOGC is in the environment or the program
// calls [debug.SetGCPercent]. A heap with more alive than the floor is Go's as ever, and
// so is one with a memory limit that is near.
var keepFloor = sync.OnceFunc(func() {
	if os.Getenv("GOGC") != "" {
		return
	}
	s := &sentinel{percent: 100, live: []metrics.Sample{{Name: "/gc/heap/live:bytes"}}}
	s.arm()
})

// sentinel is found to be garbage by each collection, and looks at what that one left.
type sentinel struct {
	percent int
	live    []metrics.Sample
}

// arm waits for the next collection. The finalizer is the only way to hear of one.
func (s *sentinel) arm() { runtime.SetFinalizer(&bait{s}, (*bait).taken) }

type bait struct{ *sentinel }

func (b *bait) taken() {
	metrics.Read(b.live)
	p := percentFor(b.live[0].Value.Uint64(), debug.SetMemoryLimit(-1))
	if p < b.percent*9/10 || p > b.percent*11/10 { // each change stops the world for a moment
		if theirs := debug.SetGCPercent(p); theirs != b.percent {
			debug.SetGCPercent(theirs) // the program has a rule of its own
			return
		}
		b.percent = p
	}
	b.arm()
}

// percentFor is GOGC for a heap with so many bytes alive under a limit.
func percentFor(live uint64, limit int64) int {
	room := min(heapFloor, uint64(limit)/4)
	return int(min(1000, max(100, room*100/max(1, live))))
}
