package verify

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tandem-go/tandem/internal/postmortem"
)

var start = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

// at is a moment of a run whose one reload lasts from second 2 to second 4.
func at(seconds float64) time.Time {
	return start.Add(time.Duration(seconds * float64(time.Second)))
}

func answered(seconds float64, status int) Sample {
	return Sample{End: at(seconds), Took: 5 * time.Millisecond, Path: "/", Kept: true, Outcome: Answered, Status: status}
}

func lost(seconds float64, how string) Sample {
	return Sample{End: at(seconds), Took: 5 * time.Millisecond, Path: "/", Outcome: Lost, How: how}
}

func with(s Sample, change func(*Sample)) Sample {
	change(&s)
	return s
}

// quiet is a run in which nothing happens: a good answer each tenth of a second.
func quiet() Evidence {
	e := Evidence{
		Paths:    []Path{{Path: "/", Status: 200}},
		Reloads:  []Reload{{Began: at(2), Ended: at(4), Drained: at(4.2), Generation: 2, OK: true}},
		Arrivals: []time.Time{at(3), at(3.5)},
		Timeout:  30 * time.Second,
	}
	for i := range 80 {
		e.Samples = append(e.Samples, answered(float64(i)/10, 200))
	}
	return e
}

func record(class string, seconds float64) postmortem.Record {
	return postmortem.Record{
		ID: "r1", Worker: 3, State: "ready", ReadySeconds: new(float64), Time: at(seconds), Cause: postmortem.Cause{Class: class, Text: "the text"},
		Requests: []postmortem.Request{{Method: "GET", Route: "/"}, {Method: "GET", Route: "/"}},
	}
}

// TestCauses gives each cause the evidence for it, and evidence that is like it.
func TestCauses(t *testing.T) {
	const cut = "closed before any reply"
	tandem := Departure{Worker: 1, From: at(3), To: at(3.2)}
	foreign := Departure{Worker: 1, Foreign: true, From: at(3), To: at(3.2)}
	slow := func(seconds float64) Sample {
		return with(answered(seconds, 200), func(s *Sample) { s.Took = 400 * time.Millisecond })
	}
	closes := with(answered(3.1, 200), func(s *Sample) { s.Closes = true })
	for name, tc := range map[string]struct {
		change func(*Evidence)
		ok     bool
		want   []string // symptom: code
		text   string   // in the first one's text or remedy
	}{
		"nothing": {func(*Evidence) {}, true, nil, ""},
		"undone": {
			func(e *Evidence) { e.Reloads[0].OK, e.Reloads[0].Error = false, "worker 5 exited" }, false,
			[]string{"reload: reload-undone"},
			"worker 5 exited",
		},
		"refused reload": {
			func(e *Evidence) {
				e.Reloads[0] = Reload{Began: at(2), Ended: at(2), Refused: true, Error: "a stop is under way"}
			}, false,
			[]string{"reload: reload-refused"},
			"a stop is under way",
		},

		"foreign worker cuts": {func(e *Evidence) {
			e.Departures = []Departure{tandem, foreign}
			e.Samples = append(e.Samples, lost(3.1, cut), lost(3.15, "reset within the reply"))
		}, false, []string{"lost: foreign-worker-does-not-drain"}, "--stop-signal"},
		"foreign worker left at another time": {func(e *Evidence) {
			e.Departures = []Departure{foreign}
			e.Samples = append(e.Samples, lost(5, cut))
		}, false, []string{"lost: unknown"}, cut},
		"one that still drains": {func(e *Evidence) {
			e.Departures = []Departure{{Worker: 1, Foreign: true, From: at(3)}}
			e.Samples = append(e.Samples, lost(7, cut))
		}, false, []string{"lost: foreign-worker-does-not-drain"}, ""},
		"tandem worker cuts": {func(e *Evidence) {
			e.Departures = []Departure{tandem}
			e.Samples = append(e.Samples, lost(3.1, cut))
		}, false, []string{"lost: cut-in-drain"}, "logs --worker 1"},
		"killed at the bound": {func(e *Evidence) {
			e.Departures = []Departure{foreign}
			e.Records = []postmortem.Record{record(postmortem.ClassDrain, 3.1)}
			e.Samples = append(e.Samples, lost(3.1, cut))
		}, false, []string{"lost: killed-at-graceful-timeout"}, "(GET /)"},
		"a worker died": {func(e *Evidence) {
			e.Records = []postmortem.Record{record(postmortem.ClassPanic, 5)}
			e.Samples = append(e.Samples, lost(5.1, cut))
		}, false, []string{"lost: worker-died"}, "supervisor why r1"},
		"a new worker did not start": {func(e *Evidence) {
			r := record(postmortem.ClassPanic, 3)
			r.State, r.ReadySeconds = "starting", nil
			e.Records, e.Departures = []postmortem.Record{r}, []Departure{foreign}
			e.Samples, e.Closings = append(e.Samples, lost(3.1, cut)), []time.Time{at(3.1)}
		}, false, []string{"lost: foreign-worker-does-not-drain", "closed: foreign-worker-closes"}, ""},
		"of two that died, the one that had the path": {func(e *Evidence) {
			other, own := record(postmortem.ClassPanic, 5), record(postmortem.ClassPanic, 5)
			other.Requests, own.ID = []postmortem.Request{{Method: "GET", Route: "/other"}}, "r2"
			e.Records = []postmortem.Record{other, own}
			e.Samples = append(e.Samples, lost(5.1, cut))
		}, false, []string{"lost: worker-died"}, "supervisor why r2"},
		"the same worker again": {func(e *Evidence) {
			r := record(postmortem.ClassPanic, -100)
			r.Repeats = []postmortem.Repeat{{Time: at(5)}}
			e.Records = []postmortem.Record{r}
			e.Samples = append(e.Samples, lost(5.1, cut))
		}, false, []string{"lost: worker-died"}, ""},
		"a worker died at another time": {func(e *Evidence) {
			e.Records = []postmortem.Record{record(postmortem.ClassPanic, 7)}
			e.Samples = append(e.Samples, lost(5, cut))
		}, false, []string{"lost: unknown"}, ""},
		"unanswered": {
			func(e *Evidence) { e.Samples = append(e.Samples, lost(5, "timeout after 30s, before any reply")) }, false,
			[]string{"lost: unanswered"},
			"within 30s",
		},
		"refused": {func(e *Evidence) {
			e.Samples = append(e.Samples, with(lost(3.1, "connection refused"), func(s *Sample) { s.Outcome = Refused }))
			e.Departures = []Departure{foreign}
		}, false, []string{"lost: refused"}, "connection refused"},
		"the supervisor is gone": {func(e *Evidence) {
			e.Samples = append(e.Samples, with(lost(3.1, "connection refused"), func(s *Sample) { s.Outcome = Refused }))
			e.Gone = "no supervisor answers"
		}, false, []string{"lost: supervisor-gone"}, "no supervisor answers"},
		"gone, and nothing else": {func(e *Evidence) { e.Gone = "no supervisor answers" }, false, nil, ""},
		"a proxy cuts": {
			func(e *Evidence) { e.Proxied = true; e.Samples = append(e.Samples, lost(5, cut)) }, false,
			[]string{"lost: behind-a-proxy"},
			"docs/proxies.md",
		},
		"a proxy has no answer": {
			func(e *Evidence) { e.Proxied = true; e.Samples = append(e.Samples, answered(3.1, 502)) }, false,
			[]string{"wrong: behind-a-proxy"},
			"502",
		},
		"a proxy has no answer of a worker that died": {func(e *Evidence) {
			e.Proxied, e.Samples = true, append(e.Samples, answered(5.1, 502))
			e.Records = []postmortem.Record{record(postmortem.ClassPanic, 5)}
		}, false, []string{"wrong: worker-died"}, "answered 502, and 200 before: worker 3 died"},
		"a proxy has no answer of a worker that left": {func(e *Evidence) {
			e.Proxied, e.Samples, e.Departures = true, append(e.Samples, answered(3.1, 504)), []Departure{foreign}
		}, false, []string{"wrong: foreign-worker-does-not-drain"}, "504"},
		"fault": {func(e *Evidence) {
			e.Samples = append(e.Samples, with(lost(5, "too many open files"), func(s *Sample) { s.Outcome = Fault }))
		}, false, []string{"fault: client-fault"}, "ulimit"},

		"the new generation answers otherwise": {func(e *Evidence) {
			for i, s := range e.Samples {
				if s.End.After(at(3)) {
					e.Samples[i].Status, e.Samples[i].Body = 500, "boom\n"
				}
			}
			e.Samples = append(e.Samples, answered(4.1, 200)) // of an old worker
		}, false, []string{"wrong: new-generation-answers-otherwise"}, `answered 500, and 200 before, since the new generation serves ("boom")`},
		"ready too early": {
			func(e *Evidence) { e.Samples = append(e.Samples, answered(3.1, 500), answered(4.3, 500)) }, false,
			[]string{"wrong: ready-too-early"},
			"READY=1",
		},
		"comes and goes": {
			func(e *Evidence) { e.Samples = append(e.Samples, answered(3.1, 500), answered(6.3, 500)) }, false,
			[]string{"wrong: unknown"},
			"comes and goes",
		},
		"no permit": {func(e *Evidence) {
			e.Samples = append(e.Samples, with(answered(3.1, 503), func(s *Sample) { s.RetryAfter, s.Body = true, `{"error":"busy, try again"}` }))
		}, false, []string{"wrong: permits-exhausted"}, "--surge"},
		"no database": {func(e *Evidence) {
			e.Samples = append(e.Samples, with(answered(3.1, 503), func(s *Sample) { s.RetryAfter = true }))
		}, false, []string{"wrong: turned-away"}, "Retry-After"},
		"rate limit": {func(e *Evidence) { e.Samples = append(e.Samples, answered(3.1, 429)) }, false, []string{"wrong: rate-limited"}, "--rate"},

		"cold":                            {func(e *Evidence) { e.Samples = append(e.Samples, slow(3.6)) }, true, []string{"late: cold-start"}, "worker.Lifespan"},
		"slow while they start":           {func(e *Evidence) { e.Samples = append(e.Samples, slow(2.5)) }, true, []string{"late: start-takes-cpu"}, "--surge 1"},
		"slow later":                      {func(e *Evidence) { e.Samples = append(e.Samples, slow(7)) }, true, []string{"late: unknown"}, "nothing was reloaded"},
		"slow before, which is no matter": {func(e *Evidence) { e.Samples = append(e.Samples, slow(1)) }, true, nil, ""},
		"slow among few": {func(e *Evidence) {
			e.Paths = append(e.Paths, Path{Path: "/b", Status: 200})
			e.Samples = append(e.Samples, with(slow(3), func(s *Sample) { s.Path = "/b" }))
		}, true, []string{"note: too-few-before"}, "GET /b"},
		"as slow as it always was": {func(e *Evidence) {
			e.Paths = append(e.Paths, Path{Path: "/b", Status: 200, Median: 390 * time.Millisecond})
			for i := range 40 {
				e.Samples = append(e.Samples, with(slow(float64(i)/10), func(s *Sample) { s.Path = "/b" }))
			}
			for i := range e.Samples[:20] { // and quicker for a while
				e.Samples[80+i].Took = time.Millisecond
			}
		}, true, nil, ""},
		"slower for good": {func(e *Evidence) {
			for i, s := range e.Samples {
				if s.End.After(at(4.2)) {
					e.Samples[i].Took = 300 * time.Millisecond
				}
			}
		}, true, []string{"late: new-generation-is-slower"}, "takes 300ms since the reloads are over, and took 5ms before (p50)"},

		"tls": {func(e *Evidence) {
			e.TLS, e.Departures, e.Samples = true, []Departure{tandem}, append(e.Samples, closes)
		}, true, []string{"closed: tls-stays"}, "with Connection: close"},
		"foreign worker closes, and says so": {func(e *Evidence) {
			e.Departures, e.Samples = []Departure{foreign}, append(e.Samples, closes)
		}, true, []string{"closed: foreign-worker-closes"}, "nothing is lost"},
		"foreign worker closes": {func(e *Evidence) {
			e.Departures, e.Closings = []Departure{foreign}, []time.Time{at(3.1), at(3.15)}
		}, true, []string{"closed: foreign-worker-closes"}, "without a word"},
		"not handed over": {
			func(e *Evidence) { e.Departures, e.Samples = []Departure{tandem}, append(e.Samples, closes) }, true,
			[]string{"closed: not-handed-over"},
			"worker 1",
		},
		"the app closes":        {func(e *Evidence) { e.Samples = append(e.Samples, with(closes, func(s *Sample) { s.End = at(6) })) }, true, []string{"closed: app-closes"}, ""},
		"the app always closes": {func(e *Evidence) { e.Paths[0].Closes, e.Samples = true, append(e.Samples, closes) }, true, []string{"note: app-closes"}, "also without a reload"},
		"an idle timeout":       {func(e *Evidence) { e.Closings = []time.Time{at(1), at(6)} }, true, []string{"closed: idle-timeout"}, ""},
		"a proxy closes":        {func(e *Evidence) { e.Proxied, e.Closings = true, []time.Time{at(6)} }, true, []string{"closed: behind-a-proxy"}, ""},
		"closed by a death": {func(e *Evidence) {
			e.Records, e.Closings = []postmortem.Record{record(postmortem.ClassSignal, 5)}, []time.Time{at(5)}
		}, true, []string{"closed: worker-died"}, ""},
		"broken before": {func(e *Evidence) {
			e.Paths[0].Status = 500
			for i := range e.Samples {
				e.Samples[i].Status = 500
			}
		}, true, []string{"note: broken-before"}, ""},
		"fails of itself": {
			func(e *Evidence) { e.Samples = append(e.Samples, answered(1, 500), answered(3.1, 500)) }, false,
			[]string{"wrong: broken-before", "wrong: unknown"},
			"without any reload",
		},
		"a rate limit of itself": {func(e *Evidence) { e.Samples = append(e.Samples, answered(1, 429)) }, false, []string{"wrong: rate-limited"}, "--rate"},
		"two statuses, which is allowed": {func(e *Evidence) {
			e.Paths[0].Also, e.Samples = []int{503}, append(e.Samples, answered(1, 503), answered(5, 503))
		}, true, []string{"note: several-statuses"}, "200 and 503"},
		"reach not seen": {func(e *Evidence) { e.Unreached = "it is dark" }, true, []string{"note: reach-not-proven"}, "dark"},
		"no length":      {func(e *Evidence) { e.Paths[0].Unframed, e.Paths[0].Closes = true, true }, true, []string{"note: no-length"}, ""},
		"the worst comes first": {func(e *Evidence) {
			e.Departures = []Departure{foreign}
			e.Closings = []time.Time{at(3), at(3.1), at(3.2)}
			e.Samples = append(e.Samples, slow(3.6), answered(3.2, 429), lost(3.1, cut))
		}, false, []string{"lost: foreign-worker-does-not-drain", "wrong: rate-limited", "late: cold-start", "closed: foreign-worker-closes"}, ""},
	} {
		e := quiet()
		tc.change(&e)
		r := Judge(e)
		var got []string
		for _, c := range r.Causes {
			got = append(got, c.Symptom+": "+c.Code)
			if c.Text == "" || c.Remedy == "" || c.Count < 1 {
				t.Errorf("%s: %+v", name, c)
			}
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s: causes %q, want %q", name, got, tc.want)
		} else if len(got) > 0 && !strings.Contains(r.Causes[0].Text+" "+r.Causes[0].Remedy, tc.text) {
			t.Errorf("%s: %+v does not say %q", name, r.Causes[0], tc.text)
		}
		if r.OK() != tc.ok {
			t.Errorf("%s: %s", name, r.Result)
		}
	}
}

// A verdict says no more than was seen, and what was seen goes before what was not.
func TestVerdicts(t *testing.T) {
	cut := func(seconds float64) func(*Evidence) {
		return func(e *Evidence) { e.Samples = append(e.Samples, lost(seconds, "closed before any reply")) }
	}
	unseen := func(e *Evidence) { e.Reloads[0].OK, e.Reloads[0].Unseen, e.Ended = false, true, "interrupted" }
	fault := func(e *Evidence) {
		e.Samples = append(e.Samples, with(lost(5, "no port"), func(s *Sample) { s.Outcome = Fault }))
	}
	for name, tc := range map[string]struct {
		changes []func(*Evidence)
		result  string
		problem string
	}{
		"all well":                       {nil, ResultOK, ""},
		"lost":                           {[]func(*Evidence){cut(5)}, ResultFailed, ""},
		"lost before":                    {[]func(*Evidence){cut(1)}, ResultUnjudged, "of 21 requests before the first reload 1 lost and 0 answered otherwise (the first: GET /: closed before any reply)"},
		"lost before and since":          {[]func(*Evidence){cut(1), cut(5)}, ResultUnjudged, "of 21 requests before the first reload 1 lost"},
		"lost before, and it fails":      {[]func(*Evidence){cut(1), func(e *Evidence) { e.Reloads[0].OK = false }}, ResultFailed, "of 21 requests before the first reload 1 lost"},
		"a fault before":                 {[]func(*Evidence){func(e *Evidence) { fault(e); e.Samples[80].End = at(1) }}, ResultUnjudged, "the client itself failed"},
		"interrupted":                    {[]func(*Evidence){unseen}, ResultUnjudged, "interrupted"},
		"lost, and interrupted":          {[]func(*Evidence){cut(5), unseen}, ResultFailed, "interrupted"},
		"lost, and a fault":              {[]func(*Evidence){cut(5), fault}, ResultFailed, "the client itself failed"},
		"the supervisor is gone":         {[]func(*Evidence){func(e *Evidence) { e.Gone = "it is gone" }}, ResultUnjudged, "it is gone"},
		"a reload that fails":            {[]func(*Evidence){func(e *Evidence) { e.Reloads[0].OK = false }}, ResultFailed, ""},
		"none, for a reason":             {[]func(*Evidence){func(e *Evidence) { e.Reloads, e.Ended = nil, "interrupted" }}, ResultUnjudged, "interrupted"},
		"not sent in time, and all well": {[]func(*Evidence){func(e *Evidence) { e.Unsent = 5 }}, ResultOK, ""},
	} {
		e := quiet()
		for _, change := range tc.changes {
			change(&e)
		}
		r := Judge(e)
		if r.Result != tc.result || (r.Problem == "") != (tc.problem == "") || !strings.HasPrefix(r.Problem, tc.problem) && !strings.HasSuffix(r.Problem, tc.problem) {
			t.Errorf("%s: %s, %q; want %s, %q", name, r.Result, r.Problem, tc.result, tc.problem)
		}
		if r.Unsent != e.Unsent {
			t.Errorf("%s: %d unsent", name, r.Unsent)
		}
		for _, l := range r.Reloads {
			if (l.Result == "unseen") != e.Reloads[0].Unseen {
				t.Errorf("%s: %+v", name, l)
			}
		}
	}
}

// What is counted and what is explained is the same, whatever was seen.
func TestEverySymptomIsExplained(t *testing.T) {
	e := quiet()
	for i := range 60 {
		s := answered(2+float64(i)/10, 200)
		switch i % 5 {
		case 0:
			s.Outcome, s.How = Lost, "reset within the reply"
		case 1:
			s.Status = 500 + i%3
		case 2:
			s.Took = time.Second
		case 3:
			s.Closes = true
		case 4:
			s.Outcome, s.How = Fault, "no port"
		}
		e.Samples = append(e.Samples, s)
		e.Closings = append(e.Closings, at(float64(i)/8))
	}
	e.Departures = []Departure{{Worker: 1, From: at(2), To: at(3)}, {Worker: 2, Foreign: true, From: at(4), To: at(4.1)}}
	e.Records = []postmortem.Record{record(postmortem.ClassDrain, 6)}
	r := Judge(e)
	count := map[string]int{}
	for _, c := range r.Causes {
		count[c.Symptom] += c.Count
	}
	for symptom, n := range map[string]int{
		SymptomLost: r.Lost, SymptomWrong: r.Wrong, SymptomLate: r.Late, SymptomFault: r.Faults,
		SymptomClosed: r.Closed.Announced + r.Closed.Unannounced,
	} {
		if n == 0 || count[symptom] != n {
			t.Errorf("%d %s, and causes for %d", n, symptom, count[symptom])
		}
	}
	if len(r.Events) != maxEvents {
		t.Errorf("%d events", len(r.Events))
	}
	if s := r.Slowest; s == nil || s.TookMs != 1000 || !strings.Contains(s.When, "reload 1") {
		t.Errorf("slowest: %+v", s)
	}
}
