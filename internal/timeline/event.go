package timeline

import (
	"strings"
	"time"
)

// Kind says what has changed. Programs that read it must expect kinds that they
// do not know.
type Kind string

// The kinds of events.
const (
	SupervisorStarted Kind = "supervisor-started"
	SupervisorStopped Kind = "supervisor-stopped"
	SupervisorLost    Kind = "supervisor-lost" // it ended without a word; its successor says so

	State Kind = "state" // of the service as a whole

	WorkerStarted   Kind = "worker-started"
	WorkerFailed    Kind = "worker-failed" // it could not be started
	WorkerReady     Kind = "worker-ready"
	WorkerDraining  Kind = "worker-draining"
	WorkerRecycled  Kind = "worker-recycled" // it is to be replaced: it has reached a bound
	WorkerHung      Kind = "worker-hung"
	WorkerKilled    Kind = "worker-killed"  // by the supervisor
	WorkerStopped   Kind = "worker-stopped" // by SIGSTOP or a tracer
	WorkerContinued Kind = "worker-continued"
	WorkerExited    Kind = "worker-exited"

	ReloadStarted Kind = "reload-started"
	ReloadDone    Kind = "reload-done"
	ReloadUndone  Kind = "reload-undone"

	UpgradeStarted Kind = "upgrade-started"
	UpgradeDone    Kind = "upgrade-done"
	UpgradeFailed  Kind = "upgrade-failed"

	Scaled       Kind = "scaled"
	StopAsked    Kind = "stop-asked"
	LogsReopened Kind = "logs-reopened"

	// Missing stands where events are not: they could not be written to disk, and its
	// Seq is that of the last of them; or they came faster than a reader took them,
	// and it is 0.
	Missing Kind = "missing"
)

// Event is one change.
type Event struct {
	// Seq counts from 1, is never used again, and goes on over an upgrade in place
	// and a restart. Events that a disk did not take at first are numbered when it does.
	Seq  uint64    `json:"seq"`
	Time time.Time `json:"time"` // of day
	// Clock is when it was on the machine's monotonic clock, in milliseconds: between
	// two events of one boot it is what has passed, whatever was done to the time of
	// day. 0: not known.
	Clock      int64  `json:"clock_ms,omitempty"`
	Kind       Kind   `json:"kind"`                 // what has changed
	Worker     uint64 `json:"worker,omitempty"`     // the supervisor's number of it, not its pid
	Generation int    `json:"generation,omitempty"` // of the worker, the reload or the service
	Cause      string `json:"cause,omitempty"`      // why
	Actor      string `json:"actor,omitempty"`      // who
	Text       string `json:"text"`                 // all of it in a line, for a person
}

const (
	maxCause = 300 // bytes, as the others
	maxActor = 150
	maxText  = 600
)

// bound cuts what others can make long, and keeps each in one line.
func (e *Event) bound() {
	e.Cause, e.Actor, e.Text = line(e.Cause, maxCause), line(e.Actor, maxActor), line(e.Text, maxText)
}

// line makes one line of text, of at most n bytes.
func line(text string, n int) string {
	text = strings.ToValidUTF8(text, "\ufffd")
	if strings.ContainsFunc(text, control) {
		text = strings.Map(func(r rune) rune {
			if control(r) {
				return ' '
			}
			return r
		}, text)
	}
	if len(text) <= n {
		return text
	}
	cut := n - len("…")
	for cut > 0 && text[cut]&0xc0 == 0x80 {
		cut--
	}
	return text[:cut] + "…"
}

func control(r rune) bool { return r < ' ' || 0x7f <= r && r < 0xa0 }

// Query says which events are wanted: those that satisfy all of it, the oldest
// first.
type Query struct {
	After  uint64    // with higher numbers than that
	Since  time.Time // not older; zero: of any age
	Limit  int       // of these the last so many; 0: all. It does not count what comes with Follow
	Follow bool      // go on with what comes
}

// Pick gives those of events, the oldest first, that the query wants.
func (q Query) Pick(events []Event) []Event {
	var picked []Event
	for _, e := range events {
		if e.Seq > q.After && !e.Time.Before(q.Since) {
			picked = append(picked, e)
		}
	}
	if q.Limit > 0 && len(picked) > q.Limit {
		picked = picked[len(picked)-q.Limit:]
	}
	return picked
}
