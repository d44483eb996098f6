package history

import (
	"time"

	"github.com/tandem-go/tandem/internal/metrics"
	"github.com/tandem-go/tandem/internal/scoreboard"
)

// Class is what the status code of an answer begins with.
type Class int

// The classes that are told apart.
const (
	Other      Class = iota // 1xx, and requests that got no answer
	Successful              // 2xx
	Redirected              // 3xx
	Refused                 // 4xx: the client's mistake
	Failed                  // 5xx: ours
	Classes                 // how many there are
)

func classOf(status int) Class {
	switch {
	case status < 200 || status > 599:
		return Other
	default:
		return Class(status/100) - 1
	}
}

// buckets is how many a histogram of durations has.
const buckets = len(scoreboard.DurationBounds) + 1

// Reading is what is known at one moment: totals, and the present.
type Reading struct {
	At      time.Time
	Counted bool             // a worker that counts its requests was there
	Ended   [Classes]uint64  // requests that have ended
	Took    [buckets]uint64  // of these, by their duration
	State   string           // of the service
	Present                  // what is of this moment
	Memory  []metrics.Worker // of each worker, by its id
}

// Present is what a sample has of a moment, and not of a second.
type Present struct {
	InFlight    uint32 // requests
	Connections uint32
	Permits     uint32 // for sync code, of all limiters and workers
	InUse       uint32
	Queue       uint32 // who waits for a permit
	Ready       uint16 // workers
	Wanted      uint16
	Generation  uint32
}

// Read takes what a scrape shows.
func Read(at time.Time, snap metrics.Snapshot) Reading {
	p := snap.Present.Sum()
	r := Reading{
		At: at, Counted: snap.Totals.Counted, State: snap.State, Memory: snap.Each,
		Present: Present{
			InFlight: clip(p.InFlight), Connections: clip(p.Connections),
			Permits: clip(p.Permits), InUse: clip(p.InUse), Queue: clip(p.Queue),
			Ready: uint16(min(max(snap.Workers["ready"], 0), 1<<16-1)), Wanted: uint16(min(max(snap.Wanted, 0), 1<<16-1)),
			Generation: clip(int64(snap.Generation)),
		},
	}
	for _, code := range snap.Totals.Requests {
		r.Ended[classOf(code.Status)] += code.N
	}
	copy(r.Took[:], snap.Totals.Duration.Counts)
	return r
}

const most = 1<<32 - 1

func clip[T int64 | uint64](n T) uint32 { return uint32(min(max(n, 0), most)) }
