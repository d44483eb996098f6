package metrics

import (
	"time"

	"github.com/tandem-go/tandem/internal/scoreboard"
)

// maxWaiters is how many at most are believed to wait for a database connection in
// one worker at a time.
const maxWaiters = 10_000

// Resources is what workers have counted of what they run out of.
type Resources struct {
	Refused uint64 `json:"refused"` // connections beyond a worker's bound
	Pools   bool   `json:"pools"`   // a worker has shown a pool of database connections
	Waits   uint64 `json:"waits"`   // for a database connection
	Waited  uint64 `json:"waited"`  // so many microseconds
}

// readResources adds what a worker of that age has counted since it was read last.
func (t *Totals) readResources(w *reading, c scoreboard.Counters, limit uint64, age float64) (sound bool) {
	t.resources.Pools = t.resources.Pools || c.Pool.Pools > 0
	waited := uint64(max(0, c.Pool.Waited) / time.Microsecond)
	longest := uint64(min((age+1)*1e6*maxWaiters, full))
	sound = advance(&t.resources.Refused, &w.resources.Refused, c.Refused, limit)
	sound = advance(&t.resources.Waits, &w.resources.Waits, c.Pool.Waits, limit) && sound
	return advance(&t.resources.Waited, &w.resources.Waited, waited, longest) && sound
}

// Worker is what is known of one worker at the moment of a scrape.
type Worker struct {
	ID         uint64
	Generation int
	Memory     *int64 // resident, in bytes; nil: not known

	// InFlight and Connections are nil of a worker without a scoreboard.
	InFlight, Connections *int64
}
