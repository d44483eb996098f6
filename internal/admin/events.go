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

func appendEvents(to []byte, events []Event) []byte {
	text, _ := json.Marshal(events) // numbers, times and strings
	return append(to, text...)
}
