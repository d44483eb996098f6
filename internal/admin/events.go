package admin

import (
	"context"
	"encoding/json"
	"time"
)

// maxEvents is with how many events a live page begins.
const maxEvents = 200

// Event is one thing that happened to the service, without any word of a worker.
type Event struct {
	Seq        uint64    `json:"seq"`
	Time       time.Time `json:"time"`
	Moment     time.Time `json:"-"` // the same by the clock that only goes forward; zero: not known
	Kind       string    `json:"kind"`
	Worker     uint64    `json:"worker,omitempty"`
	Generation int       `json:"generation,omitempty"`
	Cause      string    `json:"cause,omitempty"`
	Actor      string    `json:"actor,omitempty"` // "signal HUP", "control socket", never who
	Crash      bool      `json:"crash,omitempty"` // a worker ended, or hangs, that was not asked to
}

// Events is what happened, as the admin listener sees it.
type Events interface {
	// Follow gives the last events, at most so many and the oldest first, and then
	// those that come, until ctx ends. It closes the channel then, and when its
	// reader could not keep up.
	Follow(ctx context.Context, atMost int) <-chan []Event
}

// placedEvent is an event, and where on the clock of the history it is.
type placedEvent struct {
	Event
	At *int64 `json:"at,omitempty"`
}

// appendEvents writes events; at gives the place of a moment.
func appendEvents(to []byte, events []Event, at func(time.Time) int64) []byte {
	placed := make([]placedEvent, len(events))
	for i, e := range events {
		placed[i].Event = e
		if !e.Moment.IsZero() {
			n := at(e.Moment)
			placed[i].At = &n
		}
	}
	text, _ := json.Marshal(placed) // numbers, times and strings
	return append(to, text...)
}
