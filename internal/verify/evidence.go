package verify

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tandem-go/tandem/internal/postmortem"
)

// Evidence is what one verification has seen. Its parts are in the order of their
// times.
type Evidence struct {
	Paths      []Path
	Samples    []Sample
	Closings   []time.Time // when kept connections ended between two requests, without a word
	Reloads    []Reload
	Arrivals   []time.Time // when workers were seen to be ready that had not been
	Departures []Departure
	Records    []postmortem.Record // of workers that ended abnormally meanwhile
	Proxied    bool                // the load went to a URL, and not to a listener of the supervisor
	TLS        bool
	Timeout    time.Duration // that one request had
	Gone       string        // why the supervisor could not be asked at the end; "" if it could
	Ended      string        // why it ended before all was seen; "" if it did not
	Unreached  string        // what could not be seen of whether the load came to the supervisor's workers
	Unsent     int           // requests that were not sent, for their clients waited for an answer still
}

// Path is what a path answered before the first reload.
type Path struct {
	Path   string
	Status int // the first
	// Also are others that it had before the first reload, and that were expected.
	Also []int
	// Closes: each answer ends its connection, also without a reload.
	Closes bool
	// Unframed: the end of its answers is that of the connection, so that a cut cannot be seen.
	Unframed bool
	Median   time.Duration
}

// right says whether a status is one that the path had before the first reload.
func (p *Path) right(status int) bool { return status == p.Status || slices.Contains(p.Also, status) }

// saw notes a status that the path has before the first reload.
func (p *Path) saw(status int) {
	if !p.right(status) {
		p.Also = append(p.Also, status)
	}
}

// Sample is the end of one request.
type Sample struct {
	End     time.Time
	Took    time.Duration
	Path    string
	Kept    bool // on a connection that is used again
	Outcome Outcome
	How     string // of one that was not answered
	Status  int
	// RetryAfter: the answer had that header.
	RetryAfter bool
	Closes     bool   // the answer to a kept client ends the connection
	Body       string // the head of an answer whose status was not asked for
}

// Outcome is what became of one request.
type Outcome string

// The outcomes.
const (
	Answered Outcome = "answered" // whole, with whatever status
	Lost     Outcome = "lost"     // accepted, and not answered whole
	Refused  Outcome = "refused"  // no connection came about
	Fault    Outcome = "fault"    // the client's own: it proves nothing
)

// Reload is one reload that was asked for.
type Reload struct {
	Began, Ended time.Time
	Drained      time.Time // when the old workers were gone; zero: that was not awaited
	Generation   int
	OK           bool
	Refused      bool // there was none: Error says why
	Unseen       bool // its end was not waited for
	Error        string
	LastWords    []string
}

// Departure is a worker that was asked to drain, or went without.
type Departure struct {
	Worker     uint64
	Generation int
	Foreign    bool      // it does not speak Tandem's channel
	From       time.Time // when it was last seen to be ready
	To         time.Time // when it was first seen to be gone; zero: it is still there
}

// before are the samples that ended before the first reload began.
func (e Evidence) before(s Sample) bool {
	return len(e.Reloads) == 0 || s.End.Before(e.Reloads[0].Began)
}

// settled is when the last reload that went well was over, with the old workers gone;
// zero without any.
func (e Evidence) settled() (at time.Time) {
	for _, r := range e.Reloads {
		if r.OK {
			at = r.over()
		}
	}
	return at
}

// over is when nothing of the reload goes on any more.
func (r Reload) over() time.Time {
	if r.Drained.After(r.Ended) {
		return r.Drained
	}
	return r.Ended
}

// path is what is known of a path.
func (e Evidence) path(name string) *Path {
	for i := range e.Paths {
		if e.Paths[i].Path == name {
			return &e.Paths[i]
		}
	}
	return &Path{Path: name}
}

// unsound says what failed of itself before the first reload; "" if nothing did. What fails
// without a reload cannot be blamed on one, nor be told from what one costs.
func (e Evidence) unsound() string {
	lost, wrong, all, first := 0, 0, 0, Sample{}
	for _, s := range e.Samples {
		if !e.before(s) || s.Outcome == Fault {
			continue
		}
		all++
		switch {
		case s.Outcome != Answered:
			lost++
		case !e.path(s.Path).right(s.Status):
			wrong++
		default:
			continue
		}
		if lost+wrong == 1 {
			first = s
		}
	}
	if lost+wrong == 0 {
		return ""
	}
	how := first.How
	if first.Outcome == Answered {
		how = fmt.Sprintf("status %d", first.Status)
	}
	return fmt.Sprintf("of %d requests before the first reload %d lost and %d answered otherwise (the first: GET %s: %s): what a reload costs cannot be told from what fails anyway", all, lost, wrong, first.Path, how)
}

// near is how far apart what is seen by a look at the status twenty times a second and
// what a client sees may be.
const near = 500 * time.Millisecond

// departure finds the worker that left at a moment. A foreign one is taken first: of a
// Tandem worker it is known that it drains.
func (e Evidence) departure(at time.Time) (found Departure, ok bool) {
	for _, d := range e.Departures {
		if at.Before(d.From.Add(-near)) || !d.To.IsZero() && at.After(d.To.Add(near)) {
			continue
		}
		if !ok || d.Foreign && !found.Foreign {
			found, ok = d, true
		}
	}
	return found, ok
}

// record finds the abnormal end at a moment of a worker that served: one that failed to
// start had no request to lose. One with path in flight is taken first.
func (e Evidence) record(at time.Time, path string) (found postmortem.Record, ok bool) {
	for _, r := range e.Records {
		if r.State == "starting" || r.ReadySeconds == nil || !endedNear(r, at) {
			continue
		}
		if path != "" && slices.ContainsFunc(r.Requests, func(q postmortem.Request) bool { return routed(q.Route, path) }) {
			return r, true
		}
		if !ok {
			found, ok = r, true
		}
	}
	return found, ok
}

func endedNear(r postmortem.Record, at time.Time) bool {
	is := func(t time.Time) bool { return at.Sub(t).Abs() <= 2*near }
	return is(r.Time) || slices.ContainsFunc(r.Repeats, func(again postmortem.Repeat) bool { return is(again.Time) })
}

// routed says whether a route, which may be a pattern like /posts/{id}, is that of a path.
func routed(route, path string) bool {
	path, _, _ = strings.Cut(path, "?")
	parts, wants := strings.Split(path, "/"), strings.Split(route, "/")
	for i, want := range wants {
		switch {
		case strings.HasPrefix(want, "{") && strings.HasSuffix(want, "...}"):
			return i < len(parts)
		case want == "{$}" && i == len(wants)-1:
			want = ""
		}
		if i >= len(parts) || want != parts[i] && (!strings.HasPrefix(want, "{") || parts[i] == "") {
			return false
		}
	}
	return len(parts) == len(wants)
}
