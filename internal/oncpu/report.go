package oncpu

import (
	"log/slog"
	"sync"
	"time"
)

const (
	again    = 10 * time.Minute // between reports of the same
	enough   = 3                // samples that a function must be found in
	mostHeld = 1024             // functions under suspicion
)

// report is when something was last reported, and how often found since.
type report struct {
	mu    sync.Mutex
	last  time.Time
	found int
}

// count counts one more, and says whether it is time for a report.
func (r *report) count() (due bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.found++
	return r.last.IsZero() || time.Since(r.last) >= again
}

// made says that a report was made. It returns how often that was found which it
// stands for.
func (r *report) made() (found int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	found, r.found, r.last = r.found, 0, time.Now()
	return found
}

// known says whether there was ever anything to report.
func (r *report) known() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.found > 0 || !r.last.IsZero()
}

// missed counts async code that has held its thread, and is gone.
func (r *Route) missed() {
	r.watcher.async.Add(1)
	if r.report.count() {
		r.suspect()
	}
}

// holds counts async code that holds its thread now. It returns what reports it;
// the stack has been taken when it does.
func (r *Route) holds(slot int, cpu time.Duration) (tell func()) {
	r.watcher.async.Add(1)
	if !r.report.count() {
		return func() {}
	}
	var stack []string
	if r.watcher.mayLook() {
		stack = stackOf(slot)
	}
	if len(stack) == 0 {
		r.suspect()
		return func() {}
	}
	found := r.report.made()
	return func() {
		r.watcher.log().Warn("async code computes and holds its thread",
			"route", r.pattern, "view", r.view, "cpu_ms", cpu.Milliseconds(), "found", found, "stack", stack,
			"remedy", "compute in a sync function, by bridge.RunSync with bridge.On(limits.CPU), or make the view a sync one with view.CPU()")
	}
}

// suspicion is a function whose frames have used some CPU.
type suspicion struct {
	name, limiter string
	report        report

	mu      sync.Mutex
	against int // samples in which it computed, less those in which it did not
}

// suspects returns what is held against a function, nil if nothing is.
func (w *Watcher) suspects(name string) *suspicion {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.suspicions[name]
}

// suspect makes a function one of those that something is held against. Beyond a
// number it makes one that is forgotten.
func (w *Watcher) suspect(name, limiter string) *suspicion {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s := w.suspicions[name]; s != nil {
		return s
	}
	s := &suspicion{name: name, limiter: limiter}
	if w.suspicions == nil {
		w.suspicions = map[string]*suspicion{}
	}
	if len(w.suspicions) < mostHeld {
		w.suspicions[name] = s
	}
	return s
}

// judge takes one more frame into account, and reports when there have been
// enough. It says whether the frame computed.
func (s *suspicion) judge(r *Route, own spent) bool {
	if !own.computes() {
		s.mu.Lock()
		s.against = max(0, s.against-1)
		s.mu.Unlock()
		return false
	}
	s.mu.Lock()
	s.against = min(s.against+1, enough)
	sure := s.against == enough
	s.mu.Unlock()
	r.watcher.sync.Add(1)
	if s.report.count() && sure {
		r.watcher.log().Warn("sync code computes inside a permit for code that waits",
			slog.String("function", s.name), slog.String("route", r.pattern), slog.String("limiter", s.limiter),
			slog.Int64("cpu_ms", own.cpu.Milliseconds()), slog.Int64("wall_ms", own.wall.Milliseconds()), slog.Int("found", s.report.made()),
			slog.String("remedy", "take permits of the CPU limiter: view.CPU() on the route, or bridge.On(limits.CPU) where the function is called"))
	}
	return true
}
