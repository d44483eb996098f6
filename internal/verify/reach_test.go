package verify

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tandem-go/tandem/internal/control"
)

// workers gives a status of those that have begun so many requests, by id; negative: it does
// not count.
func workers(begun map[uint64]int) control.Status {
	var st control.Status
	for id, n := range begun {
		w := control.WorkerStatus{ID: id, State: "ready"}
		if n >= 0 {
			w.Requests = new(uint64(n))
		}
		st.Workers = append(st.Workers, w)
	}
	return st
}

func TestReach(t *testing.T) {
	type look struct {
		answered uint64
		begun    map[uint64]int
	}
	type counts = map[uint64]int
	for name, tc := range map[string]struct {
		looks         []look
		elsewhere     bool // the target is no listener of the supervisor
		open, problem string
	}{
		"its own":            {looks: []look{{0, counts{1: 500, 2: 3}}, {200, counts{1: 600, 2: 103}}}},
		"another server":     {looks: []look{{0, counts{1: 500, 2: 3}}, {200, counts{1: 500, 2: 3}}}, problem: "have begun 0: another server answers there"},
		"an address shared":  {looks: []look{{0, counts{1: 0}}, {200, counts{1: 100}}}, problem: "of 200 requests that URL has answered, the workers of this supervisor have begun 100"},
		"nothing answered":   {looks: []look{{0, counts{1: 0}}, {0, counts{1: 0}}}},
		"recycled":           {looks: []look{{0, counts{1: 500}}, {100, counts{1: 600, 2: 0}}, {110, counts{2: 5}}, {200, counts{2: 95}}}},
		"recycled elsewhere": {looks: []look{{0, counts{1: 500}}, {100, counts{1: 500, 2: 0}}, {110, counts{2: 0}}, {200, counts{2: 0}}}, problem: "have begun 0"},
		"recycled unseen":    {looks: []look{{0, counts{1: 500}}, {200, counts{2: 20}}}, open: "workers that left meanwhile an unknown number"},
		"others send too":    {looks: []look{{0, counts{1: 0}}, {200, counts{1: 900}}}, open: "others send requests too"},
		"a probe now and then": {
			looks: []look{{0, counts{1: 0}}, {5, counts{1: 9}}},
		},
		"a proxy to it":               {looks: []look{{0, counts{1: 0}}, {200, counts{1: 200}}}, elsewhere: true},
		"a proxy to several":          {looks: []look{{0, counts{1: 0}}, {200, counts{1: 66}}}, elsewhere: true, open: "66: the others went elsewhere"},
		"a proxy to another":          {looks: []look{{0, counts{1: 0}}, {200, counts{1: 2}}}, elsewhere: true, problem: "the --url leads to another service"},
		"a program that counts not":   {looks: []look{{0, counts{1: -1}}, {200, counts{1: -1}}}, open: "not all workers count"},
		"some of the workers count":   {looks: []look{{0, counts{1: 0, 2: -1}}, {200, counts{1: 100, 2: -1}}}, open: "not all workers count"},
		"a count that begins anew":    {looks: []look{{0, counts{1: 500}}, {200, counts{1: 20}}}, problem: "have begun 0"},
		"what was begun before it is": {looks: []look{{0, counts{1: 1000}}, {100, counts{1: 1050}}}, problem: "have begun 50"},
	} {
		var r reach
		for _, l := range tc.looks {
			r.look(workers(l.begun), l.answered, 12)
		}
		open, problem := r.check("URL", !tc.elsewhere)
		if (open == "") != (tc.open == "") || !strings.Contains(open, tc.open) || (problem == "") != (tc.problem == "") || !strings.Contains(problem, tc.problem) {
			t.Errorf("%s: open %q, want %q; problem %q, want %q", name, open, tc.open, problem, tc.problem)
		}
	}
}

// A server that is not the supervisor's gets a few requests, no load, and no verdict; and
// nothing is reloaded for its sake.
func TestRunAgainstAnother(t *testing.T) {
	other, c := newService(t, false)
	own, _ := newService(t, false)
	own.reload = func(*service) (control.ReloadResult, error) {
		t.Error("it was reloaded")
		return control.ReloadResult{}, nil
	}
	c.Supervisor = own
	_, err := Run(t.Context(), c)
	if _, ok := errors.AsType[*UnjudgedError](err); !ok || !strings.Contains(err.Error(), "have begun 0: another server answers there") {
		t.Error(err)
	}
	if n := other.begun.Load(); n > tries {
		t.Errorf("the other one got %d requests", n)
	}
	// Behind a proxy that is only known under load.
	c.Target.Proxied = true
	if _, err = Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), "leads to another service") {
		t.Error(err)
	}
}

// The same address in another network namespace is another one: half of what is answered at a
// balancer's may go elsewhere.
func TestURLOfAListener(t *testing.T) {
	for name, tc := range map[string]struct {
		network func(pid string) (string, error)
		own     bool
	}{
		"the same namespace":    {func(string) (string, error) { return "net:1", nil }, true},
		"another namespace":     {func(pid string) (string, error) { return "net:" + pid, nil }, false},
		"namespaces are hidden": {func(string) (string, error) { return "", errors.New("permission denied") }, false},
	} {
		balancer, c := newService(t, false)
		own, _ := newService(t, false)
		balancer.handler = func(_ http.ResponseWriter, nth int64) { own.begun.Add(nth % 2) }
		_, port, _ := strings.Cut(c.Target.Addr, ":")
		own.listeners = []string{"tcp://0.0.0.0:" + port}
		c.Supervisor, c.Target.Proxied, c.network, c.Reloads = own, true, tc.network, 1
		r, err := Run(t.Context(), c)
		if tc.own {
			if _, ok := errors.AsType[*UnjudgedError](err); !ok || !strings.Contains(err.Error(), "another server answers there") {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if note := noted(r, "reach-not-proven"); err != nil || !r.OK() || !strings.Contains(note.Text, "the others went elsewhere") {
			t.Errorf("%s: %v: %+v", name, err, r)
		}
	}
}

// noted finds a remark; others may say that the machine is slow.
func noted(r Report, code string) Cause {
	for _, c := range r.Causes {
		if c.Symptom == SymptomNote && c.Code == code {
			return c
		}
	}
	return Cause{}
}

// Of workers that do not count only the place can be checked, and what could not is said.
func TestPlaceOfWorkersThatDoNotCount(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*Config)
		open   string // in a remark
		want   string // in an error
	}{
		"the same namespace": {func(*Config) {}, "in the network namespace of the supervisor, and no more", ""},
		"no listener of its": {func(c *Config) { c.Target.Proxied = true }, "is not known to be a listener of this supervisor", ""},
		"another namespace":  {func(c *Config) { c.network = func(pid string) (string, error) { return "net:" + pid, nil } }, "", "another network namespace"},
		"namespaces are hidden": {func(c *Config) {
			c.network = func(string) (string, error) { return "", errors.New("permission denied") }
		}, "could not be checked: permission denied", ""},
	} {
		s, c := newService(t, false)
		s.workers[0].Requests = nil
		c.Reloads = 1
		tc.change(&c)
		r, err := Run(t.Context(), c)
		if tc.want != "" {
			if _, ok := errors.AsType[*UnjudgedError](err); !ok || !strings.Contains(err.Error(), tc.want) || s.begun.Load() > 0 {
				t.Errorf("%s: %v, after %d requests", name, err, s.begun.Load())
			}
			continue
		}
		if note := noted(r, "reach-not-proven"); err != nil || !r.OK() || !strings.Contains(note.Text, tc.open) || note.Count != 1 {
			t.Errorf("%s: %v: %+v", name, err, r)
		}
	}
	r := run{Config: Config{Target: Target{Addr: "unix:/run/app.sock"}}}
	if open, err := r.place(t.Context(), control.Status{}, true); err != nil || !strings.Contains(open, "the path of the socket") {
		t.Error(open, err)
	}
	r.Target.Addr, r.network = "192.0.2.1:80", func(pid string) (string, error) { return pid, nil }
	r.Supervisor = &service{}
	if open, err := r.place(t.Context(), control.Status{}, true); err != nil || !strings.Contains(open, "may be another one") {
		t.Error(open, err)
	}
}

// What fails without a reload is not blamed on one: there is none, and no verdict.
func TestRunOfWhatFailsAnyway(t *testing.T) {
	for name, expect := range map[string][]int{"unexpected": nil, "expected": {200, 503}} {
		s, c := newService(t, false)
		s.handler = func(w http.ResponseWriter, nth int64) {
			if nth > tries && nth%7 == 0 {
				http.Error(w, "overloaded", http.StatusServiceUnavailable)
			}
		}
		c.Expect, c.Reloads = expect, 1
		r, err := Run(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if expect != nil {
			if !r.OK() || len(r.Paths[0].Also) != 1 || noted(r, "several-statuses").Count != 1 {
				t.Errorf("%s: %+v", name, r)
			}
			continue
		}
		if r.Result != ResultUnjudged || len(r.Reloads) > 0 || r.Wrong == 0 || !strings.Contains(r.Problem, "answered otherwise (the first: GET /: status 503)") {
			t.Errorf("%s: %+v", name, r)
		}
		if c := r.Causes[0]; c.Code != "broken-before" || c.Symptom != SymptomWrong || c.Count != r.Wrong {
			t.Errorf("%s: %+v", name, r.Causes)
		}
	}
}

// A stall is not made up for in a burst: what was not sent is counted.
func TestRunDoesNotCatchUp(t *testing.T) {
	s, c := newService(t, false)
	c.Reloads, c.Short, c.Kept, c.Rate = 1, -1, 4, 100
	var stalled atomic.Pointer[chan struct{}]
	over := make(chan struct{})
	var sending time.Time
	c.Progress = func(what string) {
		if strings.Contains(what, "of load") {
			sending = time.Now()
		}
	}
	s.handler = func(http.ResponseWriter, int64) {
		if until := stalled.Load(); until != nil {
			<-*until
		}
	}
	s.reload = func(*service) (control.ReloadResult, error) {
		// A slow machine learns that less can be asked of it, so the stall is as long as thirty requests
		// take at the rate that it came to.
		each := time.Since(sending) / time.Duration(max(1, s.begun.Load()-tries))
		stalled.Store(&over)
		time.Sleep(max(600*time.Millisecond, 30*each)) // how long the stall is
		close(over)
		return control.ReloadResult{Generation: 2, Result: control.ResultOK}, nil
	}
	r, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	// Thirty at least were due in the stall: each client has sent one, and makes up for one.
	if !r.OK() || r.Slowest == nil || r.Slowest.TookMs < 500 || r.Unsent < c.Kept {
		t.Errorf("%d unsent: %+v", r.Unsent, r)
	}
}
