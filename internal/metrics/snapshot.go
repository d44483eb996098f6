package metrics

import (
	"github.com/tandem-go/tandem/internal/scoreboard"
)

// maxInFlight bounds what is believed of a worker's present.
const maxInFlight = 1 << 24

// Snapshot is everything that one scrape shows. It shares nothing with what goes
// on changing.
type Snapshot struct {
	Version    string
	State      string         // of the service, one of States
	States     []string       // all that it can be in
	Generation int            // of workers, the committed one
	Wanted     int            // workers there should be
	Workers    map[string]int // by their state; one that is 0 is shown too
	Each       []Worker
	Present    Present
	Totals     State
	Logs       Logs
	Queues     []Queue
}

// Logs is what the log fan-in has counted.
type Logs struct {
	Lines, Dropped, Lost uint64
}

// Queue is a listening socket's queue of connections that no worker has accepted
// yet.
type Queue struct {
	Listener      string
	Length, Limit int
}

// Present is what the workers' boards say of this moment, added up. The zero
// value is that of no worker.
type Present struct {
	// Uncounted is the number of workers whose requests nobody counts: foreign
	// ones, those of another release, and those that have not spoken yet.
	Uncounted int

	inFlight, connections, parked  int64
	poolLimit, poolOpen, poolInUse int64
	limiters                       map[string]*permits
}

type permits struct{ limit, inUse, queue, abandoned int64 }

// Add adds what a worker's board says.
func (p *Present) Add(c scoreboard.Counters) {
	p.inFlight += bounded(c.InFlight)
	p.connections += bounded(c.Connections)
	p.parked += bounded(c.Parked)
	p.poolLimit += bounded(c.Pool.Limit)
	p.poolOpen += bounded(c.Pool.Open)
	p.poolInUse += bounded(min(c.Pool.InUse, c.Pool.Open))
	for _, l := range c.Permits {
		name := limiterName(l.Name)
		if p.limiters == nil {
			p.limiters = map[string]*permits{}
		}
		if p.limiters[name] == nil {
			if len(p.limiters) >= maxLimiters {
				name = rest
			}
			if p.limiters[name] == nil {
				p.limiters[name] = new(permits)
			}
		}
		sum := p.limiters[name]
		sum.limit += bounded(l.Limit)
		sum.inUse += bounded(l.InUse)
		sum.queue += bounded(l.Queue)
		sum.abandoned += bounded(l.Abandoned)
	}
}

// Sum is what all workers have now, those that are not counted left out.
type Sum struct {
	InFlight, Connections int64
	Permits, InUse, Queue int64 // of all limiters of sync code
}

// Sum gives it.
func (p *Present) Sum() Sum {
	sum := Sum{InFlight: p.inFlight, Connections: p.connections}
	for _, l := range p.limiters {
		sum.Permits += l.limit
		sum.InUse += l.inUse
		sum.Queue += l.queue
	}
	return sum
}

func bounded(n int64) int64 { return min(max(n, 0), maxInFlight) }
