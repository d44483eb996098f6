package postmortem

import "time"

// Version is the version of a record's form. A reader skips records of another.
const Version = 1

// Record is all that is kept of one abnormal end. It holds no environment.
type Record struct {
	Version    int       `json:"version"`    // of this form: 1
	ID         string    `json:"id"`         // sorts by time; "20261122-203015-w7"
	Time       time.Time `json:"time"`       // of the end
	Worker     uint64    `json:"worker"`     // the supervisor's number of it
	PID        int       `json:"pid"`        // its process id
	Generation int       `json:"generation"` // that it belonged to
	Command    []string  `json:"command"`    // the program and its arguments

	Cause        Cause    `json:"cause"`            // why it ended
	State        string   `json:"state"`            // starting, ready or draining, before it was killed
	AgeSeconds   float64  `json:"age_seconds"`      // since its start
	ReadySeconds *float64 `json:"ready_seconds"`    // for how long it had been ready; null: never
	Reload       *Reload  `json:"reload,omitempty"` // that it was started for

	Memory     Memory    `json:"memory"`      // what it had
	CPUSeconds *float64  `json:"cpu_seconds"` // user and system
	Counters   *Counters `json:"counters"`    // null: it had no scoreboard

	// Requests were in flight, the oldest first.
	Requests        []Request `json:"requests"`
	RequestsOmitted int       `json:"requests_omitted,omitempty"` // how many were beside these

	Lines []Line `json:"lines"`          // the last, of both streams; none in a list
	Dump  *Dump  `json:"dump,omitempty"` // its goroutines, of a Go program; absent in a list

	// Count is how many ends like this one were seen, this one included. Of the
	// others only what Repeats says is kept, of the last of them.
	Count   int      `json:"count"`
	Repeats []Repeat `json:"repeats,omitempty"` // the last of the others
}

// Reload is the reload that a worker's generation was tried by.
type Reload struct {
	Generation int `json:"generation"` // that it was to bring
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
	Requests    uint64 `json:"requests"`    // begun since its start
	InFlight    int64  `json:"in_flight"`   // begun and not ended
	Connections int64  `json:"connections"` // open
}

// Request is one that was in flight.
type Request struct {
	Method     string  `json:"method"`       // GET, …
	Route      string  `json:"route"`        // the matched pattern, else the path; never the query
	ID         string  `json:"id,omitempty"` // as in the access log and X-Request-Id
	AgeSeconds float64 `json:"age_seconds"`  // when the worker ended
}

// Line is one record of a worker's log, without what we put before it.
type Line struct {
	Stream string `json:"stream,omitempty"` // stdout or stderr; "" is unknown
	Text   string `json:"text"`             // without its end
}

// Repeat is one more end like the one recorded.
type Repeat struct {
	Time   time.Time `json:"time"`   // of that end
	Worker uint64    `json:"worker"` // the supervisor's number of it
	PID    int       `json:"pid"`    // its process id
}

// Last is when an end like this was seen last.
func (r *Record) Last() time.Time {
	if n := len(r.Repeats); n > 0 {
		return r.Repeats[n-1].Time
	}
	return r.Time
}
