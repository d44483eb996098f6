package supervise

import (
	"time"

	"github.com/tandem-go/tandem/internal/arbiter"
)

// vigil judges the fleet as a whole, for the service manager's watchdog.
//
// That the supervisor's loop runs is shown by the beat itself: the loop sends
// it. Beyond that a supervisor has a cure for whatever a worker does, and as
// long as a cure is under way a restart of everything would only make it worse:
// a first start, a reload, crashes and their back-off, stopped workers and a stop
// never withhold a beat. One thing the supervisor cannot cure: workers that are
// replaced because they hang, and whose replacements hang again. That is so when
// twice as many have been judged hung as there are workers, and not one has
// proved meanwhile that it lives on: was ready for twice the time of silence
// after which it would have been judged itself.
type vigil struct {
	hung  map[arbiter.WorkerID]bool // judged, counted, and still there
	inRow int                       // judged since a worker last proved itself
}

// observe takes in what the arbiter shows. timeout is the silence after which a
// worker is hung. It must be called after each step, or a worker that is
// judged and gone between two calls is not counted.
func (v *vigil) observe(now time.Time, snap arbiter.Snapshot, timeout time.Duration) {
	present := make(map[arbiter.WorkerID]bool, len(v.hung))
	for _, w := range snap.Workers {
		switch {
		case w.Liveness == "hung":
			present[w.ID] = true
			if !v.hung[w.ID] {
				v.inRow++
			}
		case w.State == arbiter.Ready && now.Sub(w.ReadyAt) >= 2*timeout:
			v.inRow = 0
		}
	}
	v.hung = present
}

// lost says whether the fleet is hung beyond what replacing workers can cure.
func (v *vigil) lost(snap arbiter.Snapshot) bool {
	return snap.Phase != arbiter.PhaseStopping && v.inRow >= 2*snap.Wanted
}
