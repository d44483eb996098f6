package postmortem

import "time"

// Version is the version of a record's form. A reader skips records of another.
const Version = 1

// Record is all that is kept of one abnormal end. It holds no environment.
type Record struct {
	Version    int       `json:"version"`
	ID         string    `json:"id"` // sorts by time; "20261122-203015-w7"
	Time       time.Time `json:"time"`
	Worker     uint64    `json:"worker"`
	PID        int       `json:"pid"`
	Generation int       `json:"generation"`
	Command    []string  `json:"command"`

	Cause        Cause    `json:"cause"`
	State        string   `json:"state"` // starting, ready or draining, before it was killed
	AgeSeconds   float64  `json:"age_seconds"`
	ReadySeconds *float64 `json:"ready_seconds"` // for how long it had been ready; null: never
	Reload       *Reload  `json:"reload,omitempty"`

	Memory     Memory    `json:"memory"`
	CPUSeconds *float64  `json:"cpu_seconds"` // user and system
	Counters   *Counters `json:"counters"`    // null: it had no scoreboard

	// Requests were in flight, the oldest first; RequestsOmitted more were.
	Requests        []Request `json:"requests"`
	RequestsOmitted int       `json:"requests_omitted,omitempty"`

	Lines []Line `json:"lines"` // the last, of both streams
	Dump  *Dump  `json:"dump,omitempty"`

	// Count is how many ends like this one were seen, this one included. Of the
	// others only what Repeats says is kept, of the last of them.
	Count   int      `json:"count"`
	Repeats []Repeat `json:"repeats,omitempty"`
}

// Reload is the reload that a worker's generation was tried by.
type Reload struct {
	Generation int `json:"generation"`
	// Failed is why the reload was undone, if it was because of this worker.
	Failed string `json:"failed,omitempty"`
}

// Memory is what is known of a worker's memory, in bytes; null is unknown.
type Memory struct {
	LastBytes  *int64 `json:"last_rss_bytes"` // resident, when it was last looked at
	PeakBytes  *int64 `json:"peak_rss_bytes"` // the most it ever was
	LimitBytes *int64 `json:"limit_bytes"`    // of the cgroup, else of the machine: for all of the service
}

// Counters is what its scoreboard said at the end.
type Counters struct {
	Requests    uint64 `json:"requests"`
	InFlight    int64  `json:"in_flight"`
	Connections int64  `json:"connections"`
}

// Request is one that was in flight.
type Request struct {
	Method     string  `json:"method"`
	Route      string  `json:"route"`
	ID         string  `json:"id,omitempty"`
	AgeSeconds float64 `json:"age_seconds"`
}

// Line is one record of a worker's log, without what we put before it.
type Line struct {
	Stream string `json:"stream,omitempty"` // stdout or stderr; "" is unknown
	Text   string `json:"text"`
}

// Repeat is one more end like the one recorded.
type Repeat struct {
	Time   time.Time `json:"time"`
	Worker uint64    `json:"worker"`
	PID    int       `json:"pid"`
}

// Last is when an end like this was seen last.
func (r *Record) Last() time.Time {
	if n := len(r.Repeats); n > 0 {
		return r.Repeats[n-1].Time
	}
	return r.Time
}
