package metrics

import "time"

// Handovers is how often workers gave each other connections.
type Handovers struct {
	AcceptCalls uint64 `json:"accept_calls"` // those in vain among them
	Accepted    uint64 `json:"accepted"`     // connections
	Passed      uint64 `json:"passed"`       // of these: given to a sibling before anything was read
	Moved       uint64 `json:"moved"`        // idle ones, given to a sibling in a drain
	Received    uint64 `json:"received"`     // taken from a sibling
}

// Handed adds what worker id, which is age old, has counted since it was read
// last. It is read for the last time before Ended. It gives false as Read does.
func (t *Totals) Handed(id uint64, age time.Duration, h Handovers) (sound bool) {
	w := t.reading(id)
	limit := limit(max(0, age.Seconds()))
	sound = advance(&t.handovers.AcceptCalls, &w.handovers.AcceptCalls, h.AcceptCalls, limit)
	sound = advance(&t.handovers.Accepted, &w.handovers.Accepted, h.Accepted, limit) && sound
	sound = advance(&t.handovers.Passed, &w.handovers.Passed, h.Passed, limit) && sound
	sound = advance(&t.handovers.Moved, &w.handovers.Moved, h.Moved, limit) && sound
	sound = advance(&t.handovers.Received, &w.handovers.Received, h.Received, limit) && sound
	return t.judge(w, sound)
}

// reading is what was read of a worker last.
func (t *Totals) reading(id uint64) *reading {
	w := t.workers[id]
	if w == nil {
		w = &reading{codes: newCodes(), limiters: map[string]*limiter{}}
		t.workers[id] = w
	}
	return w
}

// limit is what a worker can have counted in so many seconds.
func limit(seconds float64) uint64 { return uint64(min((seconds+1)*maxRate, full)) }

// judge counts a worker whose memory says, for the first time, what cannot be.
func (t *Totals) judge(w *reading, sound bool) bool {
	if sound || w.faulty {
		return true
	}
	w.faulty = true
	t.faults = add(t.faults, 1)
	return false
}
