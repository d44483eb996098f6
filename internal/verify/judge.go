package verify

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tandem-go/tandem/internal/strict"
)

// Report is what a verification says. Times are in milliseconds where a name says so,
// else in seconds.
type Report struct {
	// Result is ok; failed: something was lost or wrong, or a reload failed; or not-verified: Problem says
	// why neither can be said.
	Result   string        `json:"result"`
	Target   string        `json:"target"`
	Seconds  float64       `json:"seconds"`
	Paths    []PathReport  `json:"paths"`
	Requests int           `json:"requests"`
	Lost     int           `json:"lost"`    // refused, reset, cut off or not answered in time
	Wrong    int           `json:"wrong"`   // another status than before
	Late     int           `json:"late"`    // above LateAfterMs of its path
	Faults   int           `json:"faults"`  // of the client itself
	Unsent   int           `json:"unsent"`  // not sent in time, and so not at all: their clients waited for an answer still
	Closed   Closed        `json:"closed"`  // kept connections that the server ended
	Latency  Latency       `json:"latency"` // of whole answers, from when each was to be sent
	Slowest  *Slowest      `json:"slowest"` // since the first reload began
	Reloads  []ReloadEnd   `json:"reloads"`
	Causes   []Cause       `json:"causes"`
	Events   []EventReport `json:"events"` // the first of what was lost or wrong, at most 20
	Problem  string        `json:"problem,omitempty"`
}

// The results of a [Report].
const (
	ResultOK       = "ok"
	ResultFailed   = "failed"
	ResultUnjudged = "not-verified"
)

// PathReport is one path of a [Report].
type PathReport struct {
	Path   string `json:"path"`
	Status int    `json:"status"`         // before the first reload
	Also   []int  `json:"also,omitempty"` // others that it had then, and that were expected
	// LateAfterMs is above what an answer is late; nil: too few came before the first reload
	// to say.
	LateAfterMs *float64 `json:"late_after_ms"`
}

// Closed counts kept connections that the server ended since the first reload began:
// those that an answer had announced with Connection: close, and those that ended without a word.
type Closed struct {
	Announced   int `json:"announced"`
	Unannounced int `json:"unannounced"`
}

// Latency compares how long answers took before the first reload and since.
type Latency struct {
	Before Quantiles `json:"before"`
	During Quantiles `json:"during"`
}

// Quantiles are durations in milliseconds.
type Quantiles struct {
	Answers uint64  `json:"answers"`
	P50     float64 `json:"p50_ms"`
	P99     float64 `json:"p99_ms"`
	Max     float64 `json:"max_ms"`
}

// Slowest is the answer that took longest.
type Slowest struct {
	Path   string  `json:"path"`
	TookMs float64 `json:"took_ms"`
	When   string  `json:"when"` // "0.4s after reload 2 began"
}

// ReloadEnd is one reload of a [Report].
type ReloadEnd struct {
	Generation int      `json:"generation"`
	Result     string   `json:"result"` // ok, failed (undone), refused (there was none), unseen (its end was not waited for)
	Error      string   `json:"error,omitempty"`
	LastWords  []string `json:"last_words,omitempty"`
	Seconds    float64  `json:"seconds"`
}

// EventReport is one request that was lost or wrong.
type EventReport struct {
	Path string  `json:"path"`
	Took float64 `json:"took_ms"`
	How  string  `json:"how"`
	When string  `json:"when"`
}

// OK says that nothing was lost or wrong and that every reload went well.
func (r Report) OK() bool { return r.Result == ResultOK }

// problem is why what was seen is not all that there was to see; "" if it is.
func (e Evidence) problem(faults int) string {
	var list []string
	add := func(is bool, text string) {
		if is {
			list = append(list, text)
		}
	}
	unsound := e.unsound()
	add(unsound != "", unsound)
	add(e.Ended != "", e.Ended)
	add(faults > 0, "the client itself failed")
	add(e.Gone != "", "the supervisor could not be asked at the end: "+e.Gone)
	add(len(list) == 0 && len(e.Reloads) == 0, "there was no reload")
	return strings.Join(list, "; ")
}

const maxEvents = 20

// Judge says what the evidence shows, and what caused it. It is a function of its
// argument alone.
func Judge(e Evidence) Report {
	j := judge{Evidence: e, late: bounds(e)}
	r := Report{Result: ResultOK, Requests: len(e.Samples), Unsent: e.Unsent, Paths: []PathReport{}, Reloads: []ReloadEnd{}, Causes: []Cause{}, Events: []EventReport{}}
	var before, during strict.Histogram
	for _, p := range e.Paths {
		pr := PathReport{Path: p.Path, Status: p.Status, Also: p.Also}
		if bound, ok := j.late[p.Path]; ok {
			is := ms(bound)
			pr.LateAfterMs = &is
		}
		r.Paths = append(r.Paths, pr)
		j.note(p)
	}
	for _, s := range e.Samples {
		first := e.before(s)
		how := ""
		switch {
		case s.Outcome == Fault:
			r.Faults++
			j.blame(faulty(s))
		case s.Outcome != Answered:
			r.Lost++
			how = s.How
			j.blame(j.lost(s))
		default:
			into := &during
			if first {
				into = &before
			}
			into.Add(s.Took)
			if p := e.path(s.Path); !p.right(s.Status) {
				r.Wrong++
				how = fmt.Sprintf("status %d, and %d before", s.Status, p.Status)
				j.blame(j.wrong(s))
			} else if bound, ok := j.late[s.Path]; ok && !first && s.Took > bound {
				r.Late++
				j.blame(j.slow(s))
			}
			if !first && (r.Slowest == nil || ms(s.Took) > r.Slowest.TookMs) {
				r.Slowest = &Slowest{Path: s.Path, TookMs: ms(s.Took), When: e.when(s.End)}
			}
		}
		if s.Closes && !first && !e.path(s.Path).Closes {
			r.Closed.Announced++
			j.blame(j.closed(s.End, true))
		}
		if how != "" && len(r.Events) < maxEvents {
			r.Events = append(r.Events, EventReport{Path: s.Path, Took: ms(s.Took), How: how, When: e.when(s.End)})
		}
	}
	for _, at := range e.Closings {
		if len(e.Reloads) > 0 && !at.Before(e.Reloads[0].Began) {
			r.Closed.Unannounced++
			j.blame(j.closed(at, false))
		}
	}
	failed := false
	for _, l := range e.Reloads {
		end := ReloadEnd{Generation: l.Generation, Result: ResultOK, Error: l.Error, LastWords: l.LastWords, Seconds: l.Ended.Sub(l.Began).Seconds()}
		if !l.OK {
			end.Result = ResultFailed
			switch {
			case l.Unseen:
				end.Result = "unseen"
			case l.Refused:
				end.Result = "refused"
			}
			if !l.Unseen {
				failed = true
				j.blame(undone(l))
			}
		}
		r.Reloads = append(r.Reloads, end)
	}
	r.Problem = e.problem(r.Faults)
	switch {
	case failed, r.Lost+r.Wrong > 0 && e.unsound() == "":
		r.Result = ResultFailed
	case r.Problem != "":
		r.Result = ResultUnjudged
	}
	j.unreached()
	r.Latency = Latency{Before: quantiles(&before), During: quantiles(&during)}
	r.Causes = j.causes()
	return r
}

// enoughBefore is how many answers of a path before the first reload say what is usual.
const enoughBefore = 10

// bounds are above what an answer of each path is late: three times what all but the slowest
// hundredth took before, and at least 100 ms more than that. No path has one with too
// few answers to tell.
func bounds(e Evidence) map[string]time.Duration {
	before := map[string]*strict.Histogram{}
	for _, s := range e.Samples {
		if s.Outcome != Answered || !e.before(s) {
			continue
		}
		if before[s.Path] == nil {
			before[s.Path] = &strict.Histogram{}
		}
		before[s.Path].Add(s.Took)
	}
	late := map[string]time.Duration{}
	for path, h := range before {
		if h.Count() >= enoughBefore {
			usual := max(h.Quantile(.99), e.path(path).Median)
			late[path] = max(3*usual, usual+100*time.Millisecond)
		}
	}
	return late
}

// when puts a moment into relation to the reloads.
func (e Evidence) when(at time.Time) string {
	for i, r := range slices.Backward(e.Reloads) {
		if at.Before(r.Began) {
			continue
		}
		if at.After(r.Ended) {
			return fmt.Sprintf("%.1fs after reload %d ended", at.Sub(r.Ended).Seconds(), i+1)
		}
		return fmt.Sprintf("%.1fs after reload %d began", at.Sub(r.Began).Seconds(), i+1)
	}
	return "before the first reload"
}

func quantiles(h *strict.Histogram) Quantiles {
	return Quantiles{h.Count(), ms(h.Quantile(.5)), ms(h.Quantile(.99)), ms(h.Max())}
}

// ms keeps hundredths.
func ms(d time.Duration) float64 { return float64(d.Round(10*time.Microsecond).Microseconds()) / 1000 }

// judge gathers causes.
type judge struct {
	Evidence
	late map[string]time.Duration // above what is late, by path; none where that cannot be said
	list []Cause

	lasting map[answer]bool // what lasts found, and onlyInReloads
	passing map[answer]bool
	medians map[string]medians
}

// blame counts one more of what a cause explains.
func (j *judge) blame(c Cause) {
	for i := range j.list {
		if j.list[i].Symptom == c.Symptom && j.list[i].Code == c.Code && j.list[i].subject == c.subject {
			j.list[i].Count++
			return
		}
	}
	c.Count = 1
	j.list = append(j.list, c)
}

// causes are the worst symptoms first, and of each what explains most of it.
func (j *judge) causes() []Cause {
	if j.list == nil {
		return []Cause{}
	}
	slices.SortStableFunc(j.list, func(a, b Cause) int {
		return cmp.Or(cmp.Compare(slices.Index(symptoms, a.Symptom), slices.Index(symptoms, b.Symptom)), cmp.Compare(b.Count, a.Count))
	})
	return j.list
}
