package supervise

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tandem-go/tandem/internal/arbiter"
	"github.com/tandem-go/tandem/internal/control"
)

const (
	// progressAfter is how long something may take before it is said what it waits
	// for, and how often the service manager is told.
	progressAfter = time.Second
	// namedRequests is how many requests are named, and namedWorkers how many workers.
	namedRequests = 3
	namedWorkers  = 5
	// longestRoute is how much of a route is shown in a line, in characters.
	longestRoute = 60
)

// begun is when what may take its time began.
type begun struct {
	stop  time.Time
	asked time.Time // the first reload of those that wait
	undo  time.Time // of the last reload
	drain map[arbiter.WorkerID]time.Time
}

// progressOf says what is under way and which workers it waits for; nil when
// nothing has taken a second. A stop comes before a reload, and that before what
// only drains: a reload does not wait for that.
func progressOf(now time.Time, snap arbiter.Snapshot, at begun) *control.Progress {
	p := &control.Progress{Wanted: snap.Wanted, Workers: []uint64{}}
	var since time.Time
	wait := func(which func(arbiter.Worker) bool) {
		for _, w := range snap.Workers {
			if which(w) {
				p.Workers = append(p.Workers, uint64(w.ID))
			}
		}
	}
	leaving := func(w arbiter.Worker) bool { return w.State == arbiter.Draining || w.State == arbiter.Killed }
	starting := func(n arbiter.Generation) func(arbiter.Worker) bool {
		return func(w arbiter.Worker) bool { return w.Generation == n && w.State == arbiter.Starting }
	}
	roll := snap.Roll
	switch {
	case snap.Phase == arbiter.PhaseStopping:
		p.What, p.Stage, since = control.ProgressStop, "draining", at.stop
		if !snap.DuckUntil.IsZero() {
			p.Stage, p.LeftSeconds = "serving", seconds(max(0, snap.DuckUntil.Sub(now)))
			break
		}
		wait(func(arbiter.Worker) bool { return true })
	case roll.Generation != 0:
		p.What, p.Stage, p.Generation, since = control.ProgressReload, roll.Stage, int(roll.Generation), roll.Began
		for _, w := range snap.Workers {
			if w.Generation == roll.Generation && w.State == arbiter.Ready && !w.Stopped {
				p.Ready++
			}
		}
		if roll.Stage == "baking" {
			p.LeftSeconds = seconds(max(0, roll.BakeUntil.Sub(now)))
			wait(func(w arbiter.Worker) bool { return w.Generation == roll.Generation && w.State == arbiter.Ready })
		} else {
			wait(starting(roll.Generation))
		}
	case snap.Phase == arbiter.PhaseReloading && !snap.LastReload.OK && !at.undo.IsZero() && slices.ContainsFunc(snap.Workers, starting(snap.Generation)):
		p.What, p.Stage, p.Generation, since = control.ProgressReload, "undoing", int(snap.LastReload.Generation), at.undo
		wait(starting(snap.Generation))
	case snap.Waiting:
		p.What, p.Stage, since = control.ProgressReload, "waiting", at.asked
		wait(leaving)
	default:
		p.What, p.Stage = control.ProgressDrain, "draining"
		wait(leaving)
		for _, id := range p.Workers {
			if t := at.drain[arbiter.WorkerID(id)]; !t.IsZero() && (since.IsZero() || t.Before(since)) {
				since = t
			}
		}
	}
	if since.IsZero() || now.Sub(since) < progressAfter {
		return nil
	}
	p.Seconds = seconds(now.Sub(since))
	return p
}

// inFlight is what one worker has in flight, the oldest first, as far as it is
// listed.
type inFlight struct {
	worker   uint64
	count    int64
	requests []control.RequestStatus
}

// drains says whether it is requests that are waited for.
func drains(p *control.Progress) bool { return p.Stage == "draining" || p.Stage == "waiting" }

// complete adds the requests that are waited for, of all that the workers have,
// and says all of it in words.
func complete(p *control.Progress, all []inFlight) {
	if drains(p) {
		total := int64(0)
		for _, w := range all {
			if !slices.Contains(p.Workers, w.worker) {
				continue
			}
			total += max(w.count, int64(len(w.requests)))
			for _, r := range w.requests {
				r.Route = strings.TrimPrefix(r.Route, r.Method+" ") // a pattern may begin with it
				p.Requests = append(p.Requests, control.ProgressRequest{Worker: w.worker, RequestStatus: r})
			}
		}
		slices.SortStableFunc(p.Requests, func(a, b control.ProgressRequest) int { return cmp.Compare(b.AgeSeconds, a.AgeSeconds) })
		p.Requests = p.Requests[:min(len(p.Requests), namedRequests)]
		p.MoreRequests = total - int64(len(p.Requests))
	}
	p.Text = progressText(p)
}

// progressText is a progress in one line, fit for a terminal, a log and the service
// manager: what it says of requests comes from workers. A path is not in it, for it
// may hold a secret, and what the service manager is told everybody may read.
func progressText(p *control.Progress) string {
	var b strings.Builder
	b.WriteString(p.What)
	if p.Generation != 0 {
		fmt.Fprintf(&b, " to generation %d", p.Generation)
	}
	fmt.Fprintf(&b, " (%s): ", brief(p.Seconds))
	workers := workerList(p.Workers)
	switch p.Stage {
	case "preparing":
		b.WriteString("reads the env file and finds the program")
	case "booting", "rolling", "undoing":
		b.WriteString(p.Stage)
		if p.Stage == "rolling" {
			fmt.Fprintf(&b, ", %d of %d ready", p.Ready, p.Wanted)
		}
		if workers != "" {
			fmt.Fprintf(&b, ", waits for %s to become ready", workers)
		}
	case "baking":
		fmt.Fprintf(&b, "baking, %s must stay healthy for another %s", cmp.Or(workers, "its first worker"), brief(p.LeftSeconds))
	case "serving":
		fmt.Fprintf(&b, "serves for another %s, then drains", brief(p.LeftSeconds))
	case "waiting":
		if drained := have(p.Workers); drained != "" {
			fmt.Fprintf(&b, "waits until %s drained", drained)
		} else { // the first start, or workers that are replaced
			b.WriteString("waits until the service has all its workers")
		}
	default:
		b.WriteString(p.Stage)
		if workers != "" {
			b.WriteString(", waits for " + workers)
		}
	}
	for i, r := range p.Requests {
		if i == 0 {
			b.WriteString(": ")
		} else {
			b.WriteString(", ")
		}
		route := "(no route)"
		if r.Matched {
			route = clean(r.Route)
		}
		fmt.Fprintf(&b, "%s %s for %s", clean(r.Method), route, brief(r.AgeSeconds))
		if len(p.Workers) > 1 {
			fmt.Fprintf(&b, " at worker %d", r.Worker)
		}
	}
	switch {
	case p.MoreRequests > 0 && len(p.Requests) > 0:
		fmt.Fprintf(&b, ", and %d more", p.MoreRequests)
	case p.MoreRequests > 0:
		fmt.Fprintf(&b, ": %s in flight", count(int(p.MoreRequests), "request"))
	}
	return b.String()
}

func have(ids []uint64) string {
	switch len(ids) {
	case 0:
		return ""
	case 1:
		return workerList(ids) + " has"
	}
	return workerList(ids) + " have"
}

// workerList is "worker 7", "workers 1, 2 and 7", "workers 1, 2, 3, 4, 5 and 9 more".
func workerList(ids []uint64) string {
	var names []string
	for _, id := range ids[:min(len(ids), namedWorkers)] {
		names = append(names, fmt.Sprint(id))
	}
	if n := len(ids) - len(names); n > 0 {
		names = append(names, fmt.Sprintf("%d more", n))
	}
	switch n := len(names); n {
	case 0:
		return ""
	case 1:
		return "worker " + names[0]
	default:
		return "workers " + strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
}

// brief is a length of time with as much of it as matters.
func brief(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	if d < 10*time.Second {
		return d.Truncate(100 * time.Millisecond).String()
	}
	return d.Truncate(time.Second).String()
}

// clean makes text of a worker fit for one line, and for a message of sd_notify,
// in which each line is an order.
func clean(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || 0x7f <= r && r < 0xa0 {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	if utf8.RuneCountInString(text) > longestRoute {
		text = string([]rune(text)[:longestRoute-1]) + "…"
	}
	return text
}
