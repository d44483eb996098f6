package control

import (
	"context"
	"io"
	"time"

	"github.com/tandem-go/tandem/internal/postmortem"
	"github.com/tandem-go/tandem/internal/timeline"
)

// Status is what the supervisor knows of itself and of its workers, in the form
// of GET /v1/status. What is not known is null.
type Status struct {
	State         string         `json:"state"`                    // starting, running, reloading, degraded, stopping
	PID           int            `json:"pid"`                      // of the supervisor
	Version       string         `json:"version"`                  // of the supervisor, as `supervisor version` says it
	Generation    int            `json:"generation"`               // in force; counts from 1, and up with each reload that is tried
	Wanted        int            `json:"workers_wanted,omitempty"` // how many workers there should be
	UptimeSeconds float64        `json:"uptime_seconds"`           // since the supervisor was started; an upgrade in place does not end it
	Listeners     []string       `json:"listeners"`                // "tcp://127.0.0.1:8000"
	LastReload    *LastReload    `json:"last_reload"`              // null before the first
	LastUpgrade   *LastUpgrade   `json:"last_upgrade,omitempty"`   // absent before the first
	Workers       []WorkerStatus `json:"workers"`                  // that there are, those that drain among them

	// Progress is what a reload, a drain or a stop waits for; absent where none has
	// taken a second yet.
	Progress *Progress `json:"progress,omitempty"`

	// LatencyBounds are the upper bounds, in seconds, of the buckets in each
	// [WorkerStatus.Latency]; absent where no worker has any.
	LatencyBounds []float64 `json:"latency_bounds_seconds,omitempty"`

	// Suspects are requests that were in flight in several dead workers.
	Suspects []postmortem.Suspicion `json:"suspects,omitempty"`
}

// Progress is something that takes longer than a second, and what it waits for.
type Progress struct {
	What       string  `json:"what"`                 // [ProgressReload], [ProgressDrain] or [ProgressStop]
	Generation int     `json:"generation,omitempty"` // that a reload is to bring
	Stage      string  `json:"stage"`                // of a reload: waiting, preparing, booting, baking, rolling, undoing; else draining, or serving before that
	Seconds    float64 `json:"seconds"`              // since it began
	Ready      int     `json:"ready"`                // of the new generation, in a reload
	Wanted     int     `json:"wanted"`               // how many are to be ready
	// LeftSeconds is how long it still bakes, or serves before it drains.
	LeftSeconds float64 `json:"left_seconds,omitempty"`

	Workers []uint64 `json:"workers"` // that are waited for
	// Requests are in flight at those that drain, the oldest three of all. A foreign
	// worker does not tell of its own.
	Requests     []ProgressRequest `json:"requests,omitempty"`
	MoreRequests int64             `json:"more_requests,omitempty"` // how many are in flight beside these

	Text string `json:"text"` // all of it in a line, for a person
}

// ProgressRequest is a request that is waited for.
type ProgressRequest struct {
	Worker uint64 `json:"worker"` // the id of the one that has it
	RequestStatus
}

// What may take its time.
const (
	ProgressReload = "reload"
	ProgressDrain  = "drain"
	ProgressStop   = "stop"
)

// LastUpgrade is the outcome of the most recent upgrade in place.
type LastUpgrade struct {
	Time   time.Time `json:"time"`   // of its end
	Result string    `json:"result"` // [ResultOK] or [ResultFailed]
	From   string    `json:"from"`   // the version that ran
	To     string    `json:"to"`     // the one that was to run; "" if it is not known
	Error  string    `json:"error"`  // "" when it went well
}

// LastReload is the outcome of the most recent reload.
type LastReload struct {
	Generation int    `json:"generation"` // the one that was to be
	Result     string `json:"result"`     // [ResultOK] or [ResultFailed]
	Error      string `json:"error"`      // "" when it went well

	// LastWords are the last lines of the worker that failed it.
	LastWords []string `json:"last_words,omitempty"`
}

// WorkerStatus is what is known of one worker. Requests, InFlight, Connections
// and what is below RSSBytes come from its scoreboard, which a foreign worker
// does not have.
type WorkerStatus struct {
	ID          uint64  `json:"id"`          // the supervisor's number of it, never used again
	PID         int     `json:"pid"`         // the process id
	Generation  int     `json:"generation"`  // that it belongs to
	State       string  `json:"state"`       // starting, ready, draining, stopped (by SIGSTOP or a tracer), killed
	AgeSeconds  float64 `json:"age_seconds"` // since its start
	Liveness    string  `json:"liveness"`    // ok; hung; stopped: not judged; none: it has never beaten and is watched for its exit only
	Requests    *uint64 `json:"requests"`    // begun since its start; null of a foreign worker, as the next two
	InFlight    *int64  `json:"in_flight"`   // begun and not ended
	Connections *int64  `json:"connections"` // open
	RSSBytes    *int64  `json:"rss_bytes"`   // resident memory; may be half a second old

	// DatabaseConnections is how many the worker may hold, as it was told last;
	// absent where they are not divided.
	DatabaseConnections int `json:"db_connections,omitempty"`

	// OldestRequestSeconds is the age of the oldest request in flight; absent without
	// one.
	OldestRequestSeconds *float64        `json:"oldest_request_seconds,omitempty"`
	OldestRequests       []RequestStatus `json:"oldest_requests,omitempty"` // at most ten in flight, the oldest first
	Permits              []PermitStatus  `json:"permits,omitempty"`         // of each limiter of sync code

	// Latency is how long its requests took that have ended; absent before the
	// first.
	Latency *LatencyStatus `json:"latency,omitempty"`
}

// LatencyStatus counts durations since the worker's start. Two of them, one
// taken from the other, are those of the time between.
type LatencyStatus struct {
	// Counts are of each bucket by itself, one more than [Status.LatencyBounds]: the
	// last is of what took longer than all of them.
	Counts     []uint64 `json:"counts"`
	SumSeconds float64  `json:"sum_seconds"` // of all of them
}

// RequestStatus is one request in flight.
type RequestStatus struct {
	Method     string  `json:"method"`      // GET, …
	Route      string  `json:"route"`       // the matched pattern, else the path; never the query
	RequestID  string  `json:"request_id"`  // as in the access log and X-Request-Id
	AgeSeconds float64 `json:"age_seconds"` // since its header was read

	Matched bool `json:"-"` // Route is a pattern, and no path; not over the socket
}

// PermitStatus is a limiter of sync code, as its worker last said, which it does
// twice a second.
type PermitStatus struct {
	Limiter  string `json:"limiter"`  // its name, such as blocking or cpu
	Limit    int64  `json:"limit"`    // permits that there are
	InUse    int64  `json:"in_use"`   // of these
	Queue    int64  `json:"queue"`    // who waits for a permit
	Rejected uint64 `json:"rejected"` // turned away since the worker's start: the queue was full, or took too long

	// StarvingSeconds is for how long none was given back although all are taken
	// and somebody waits; --timeout is how long it may.
	StarvingSeconds float64 `json:"starving_seconds"`

	// Abandoned is sync code that goes on past its request's deadline, which has
	// been answered.
	Abandoned              int64   `json:"abandoned"`
	OldestAbandonedSeconds float64 `json:"oldest_abandoned_seconds"` // for how long that runs, the oldest of it; 0 without any
}

// The results of a reload.
const (
	ResultOK       = "ok"
	ResultFailed   = "failed"   // it was undone; the old generation goes on
	ResultAccepted = "accepted" // nobody waited for the outcome
)

// ReloadResult is the answer to a reload.
type ReloadResult struct {
	Generation int      `json:"generation"`           // that serves, or that was to
	Result     string   `json:"result"`               // [ResultOK], [ResultFailed] or [ResultAccepted]
	Error      string   `json:"error,omitempty"`      // why it was undone
	LastWords  []string `json:"last_words,omitempty"` // of the worker that failed
}

// Backend is the supervisor as the server sees it. The methods are called from
// many goroutines at once; each must return when its ctx ends.
type Backend interface {
	// Status gives a snapshot.
	Status(ctx context.Context) (Status, error)
	// Reload starts a reload. With wait it returns the outcome; a reload that was
	// undone is a result, not an error. Without, it returns once the reload is
	// accepted. An error says that there was no reload.
	Reload(ctx context.Context, wait bool) (ReloadResult, error)
	// Scale sets the number of workers and returns once it is accepted. n is at
	// least 1.
	Scale(ctx context.Context, n int) error
	// Stop asks for a graceful stop, or with now for a quick one, and returns
	// once it is accepted.
	Stop(ctx context.Context, now bool) error
	// Logs writes the last lines of the workers to w, and with Follow what comes,
	// until the supervisor has stopped; see LogQuery. It writes at least once, or
	// gives an error: ErrNoWorker where there is no such worker.
	Logs(ctx context.Context, q LogQuery, w io.Writer) error
	// Timeline calls emit with the events that q wants, and with Follow with what
	// comes until the supervisor has stopped. It calls it at least once, be it with
	// none, or gives an error; an error of emit ends it.
	Timeline(ctx context.Context, q timeline.Query, emit func([]timeline.Event) error) error
	// Why gives the records of workers that ended abnormally, in short.
	Why(ctx context.Context) (postmortem.Report, error)
	// Postmortem gives one of them whole, by its id or by its worker's. The error
	// is postmortem.ErrNotFound when there is none.
	Postmortem(ctx context.Context, which string) (postmortem.Record, error)
	// Upgrade replaces the supervisor's program. It returns only when that came
	// to nothing, with the reason; else the new program answers, see [Caller].
	Upgrade(ctx context.Context) (UpgradeResult, error)
}

// UpgradeResult is the new program's answer to an upgrade.
type UpgradeResult struct {
	Version string  `json:"version"` // that runs now
	From    string  `json:"from"`    // that ran before
	PID     int     `json:"pid"`     // the same as before
	Seconds float64 `json:"seconds"` // that nobody watched the workers
}
