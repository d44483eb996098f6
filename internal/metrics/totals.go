package metrics

import (
	"maps"
	"slices"
	"time"

	"github.com/tandem-go/tandem/internal/scoreboard"
)

// Cause is the class of a worker's end, as tandem_worker_exits_total tells them
// apart.
type Cause string

// CauseAsked is an end that we asked for, and that took no more than asking. The
// other causes are the classes of the records that "supervisor why" shows.
const CauseAsked Cause = "asked"

// CauseExec is that of a worker that could not be started at all.
const CauseExec Cause = "exec"

// Causes are all that there are. Each is shown from the start on, with 0, so that
// the first of its kind is an increase.
var Causes = []Cause{CauseAsked, CauseExec, "exit", "panic", "signal", "oom", "hung", "boot", "drain"}

const (
	// maxRate is how much one worker can count in a second. What claims more is
	// not believed.
	maxRate = 10_000_000
	// maxLimiters bounds the names of limiters.
	maxLimiters = 16
)

// LimiterTotal is what a limiter of sync code has counted.
type LimiterTotal struct {
	Name     string    `json:"name"`
	Waits    Histogram `json:"waits"`
	Rejected uint64    `json:"rejected"`

	Abandoned uint64 `json:"abandoned"` // sync code that went on past a deadline
}

// State is everything that the totals are made of, as a value: it can go to
// another process as JSON, and [Restore] goes on from there.
type State struct {
	Starts    uint64           `json:"starts"`
	Exits     map[Cause]uint64 `json:"exits"`
	Reloads   ReloadTotals     `json:"reloads"`
	Counted   bool             `json:"counted"` // a worker with a scoreboard was there
	Requests  []CodeTotal      `json:"requests"`
	Abandoned uint64           `json:"abandoned"` // requests in flight in a worker that ended
	Unlisted  uint64           `json:"unlisted"`
	Duration  Histogram        `json:"duration"`
	Limiters  []LimiterTotal   `json:"limiters"`
	Handovers Handovers        `json:"handovers"`
	Resources Resources        `json:"resources"`
	Faults    uint64           `json:"faults"` // workers whose board once said what cannot be
	Workers   []WorkerState    `json:"workers"`
}

// ReloadTotals counts reloads by their result.
type ReloadTotals struct {
	OK       uint64    `json:"ok"`
	Failed   uint64    `json:"failed"`
	Last     time.Time `json:"last"` // when the last one ended; zero: none did
	LastGood bool      `json:"last_good"`
}

// WorkerState is what was read of a worker last.
type WorkerState struct {
	ID       uint64         `json:"id"`
	Codes    []CodeTotal    `json:"codes"`
	Unlisted uint64         `json:"unlisted"`
	Duration Histogram      `json:"duration"`
	Limiters []LimiterTotal `json:"limiters"`
	Faulty   bool           `json:"faulty"`

	Handovers Handovers `json:"handovers"`
	Resources Resources `json:"resources"`
}

// Totals adds up what happens. Its methods belong to one goroutine.
type Totals struct {
	starts, abandoned, faults, unlisted uint64
	exits                               map[Cause]uint64
	reloads                             ReloadTotals
	counted                             bool
	codes                               codes
	duration                            Histogram
	limiters                            map[string]*limiter
	handovers                           Handovers
	resources                           Resources
	workers                             map[uint64]*reading
}

type limiter struct {
	waits     Histogram
	rejected  uint64
	abandoned uint64
}

// reading is what a worker had counted when it was read last.
type reading struct {
	codes    codes
	unlisted uint64
	duration Histogram
	limiters map[string]*limiter
	faulty   bool

	handovers Handovers
	resources Resources
}

// NewTotals begins at zero.
func NewTotals() *Totals { return Restore(State{}) }

// Restore goes on from a state. A state from elsewhere is believed as far as it
// makes sense.
func Restore(s State) *Totals {
	t := &Totals{
		starts: s.Starts, abandoned: s.Abandoned, faults: s.Faults, unlisted: s.Unlisted,
		exits: map[Cause]uint64{}, reloads: s.Reloads, counted: s.Counted,
		codes:    restoreCodes(s.Requests),
		duration: s.Duration.rebucket(scoreboard.DurationBounds[:]),
		limiters: restoreLimiters(s.Limiters), handovers: s.Handovers, resources: s.Resources,
		workers: map[uint64]*reading{},
	}
	for _, c := range Causes {
		t.exits[c] = 0
	}
	maps.Copy(t.exits, s.Exits)
	for _, w := range s.Workers {
		t.workers[w.ID] = &reading{
			codes: restoreCodes(w.Codes), unlisted: w.Unlisted, faulty: w.Faulty,
			duration: w.Duration.rebucket(scoreboard.DurationBounds[:]),
			limiters: restoreLimiters(w.Limiters), handovers: w.Handovers, resources: w.Resources,
		}
	}
	return t
}

func restoreLimiters(list []LimiterTotal) map[string]*limiter {
	m := make(map[string]*limiter, len(list))
	for _, l := range list {
		m[l.Name] = &limiter{l.Waits.rebucket(scoreboard.WaitBounds[:]), l.Rejected, l.Abandoned}
	}
	return m
}

// State is a copy of the totals.
func (t *Totals) State() State {
	s := State{
		Starts: t.starts, Exits: maps.Clone(t.exits), Reloads: t.reloads, Counted: t.counted, Requests: t.codes.save(),
		Abandoned: t.abandoned, Unlisted: t.unlisted, Duration: t.duration.clone(), Limiters: saveLimiters(t.limiters), Faults: t.faults,
		Handovers: t.handovers, Resources: t.resources,
	}
	for _, id := range slices.Sorted(maps.Keys(t.workers)) {
		w := t.workers[id]
		s.Workers = append(s.Workers, WorkerState{id, w.codes.save(), w.unlisted, w.duration.clone(), saveLimiters(w.limiters), w.faulty, w.handovers, w.resources})
	}
	return s
}

// Brief is of State what is known of requests alone: their number by code, and their
// durations.
func (t *Totals) Brief() State {
	return State{Counted: t.counted, Requests: t.codes.save(), Duration: t.duration.clone()}
}

func saveLimiters(m map[string]*limiter) []LimiterTotal {
	list := make([]LimiterTotal, 0, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		list = append(list, LimiterTotal{name, m[name].waits.clone(), m[name].rejected, m[name].abandoned})
	}
	return list
}

// Started counts a worker that was started.
func (t *Totals) Started() { t.starts = add(t.starts, 1) }

// Reloaded counts a reload that has ended.
func (t *Totals) Reloaded(ok bool, now time.Time) {
	n := &t.reloads.Failed
	if ok {
		n = &t.reloads.OK
	}
	*n = add(*n, 1)
	t.reloads.Last, t.reloads.LastGood = now, ok
}

// Speaks says that there is a worker with a scoreboard: what is counted by those
// means something from now on.
func (t *Totals) Speaks() { t.counted = true }

// Read adds what worker id, which is age old, has counted since it was read last.
// It gives false when its board says, for the first time, what cannot be: that
// is left out of the totals.
func (t *Totals) Read(id uint64, age time.Duration, c scoreboard.Counters) (sound bool) {
	w := t.reading(id)
	seconds := max(0, age.Seconds())
	limit := limit(seconds)
	t.counted = t.counted || len(c.ByCode) > 0 // it died before its word on the channel was read
	sound = t.codes.grow(&w.codes, c.ByCode, limit)
	sound = advance(&t.unlisted, &w.unlisted, c.Unlisted, limit) && sound
	var ok bool
	w.duration, ok = t.duration.grow(w.duration, c.Duration, limit, seconds)
	sound = t.readLimiters(w, c.Permits, limit, seconds) && ok && sound
	sound = t.readResources(w, c, limit, seconds) && sound
	return t.judge(w, sound)
}

func (t *Totals) readLimiters(w *reading, now []scoreboard.Permits, limit uint64, age float64) (sound bool) {
	sound = true
	done := map[string]bool{}
	for _, p := range now {
		name := limiterName(p.Name)
		total := find(t.limiters, name)
		if total == nil {
			name, total = rest, find(t.limiters, rest)
		}
		if done[name] { // two of one name: the first is believed
			sound = false
			continue
		}
		done[name] = true
		seen := find(w.limiters, name)
		if seen == nil {
			continue // no room: only a board that changes its limiters' names comes here
		}
		sound = advance(&total.rejected, &seen.rejected, p.Rejected, limit) && sound
		sound = advance(&total.abandoned, &seen.abandoned, p.AbandonedTotal, limit) && sound
		var ok bool
		seen.waits, ok = total.waits.grow(seen.waits, p.Waits, limit, age)
		sound = sound && ok
	}
	return sound
}

func limiterName(name string) string {
	if !label(name) {
		return rest
	}
	return name
}

// find gives the limiter of a name, and makes it while there is room; there is
// always room for the rest.
func find(m map[string]*limiter, name string) *limiter {
	l := m[name]
	if l == nil && (len(m) < maxLimiters || name == rest) {
		l = &limiter{waits: newHistogram(scoreboard.WaitBounds[:])}
		m[name] = l
	}
	return l
}

// Ended counts the end of a worker whose process is gone, reads it for the last
// time, and forgets it. It gives false as Read does.
func (t *Totals) Ended(id uint64, cause Cause, age time.Duration, c scoreboard.Counters) (sound bool) {
	t.exits[cause] = add(t.exits[cause], 1)
	sound = t.Read(id, age, c)
	if n := c.InFlight; n > 0 && n <= maxInFlight {
		t.abandoned = add(t.abandoned, uint64(n))
	}
	delete(t.workers, id)
	return sound
}

// NotStarted counts a worker that was to be started and of which there never was
// a process.
func (t *Totals) NotStarted() {
	t.Started()
	t.exits[CauseExec] = add(t.exits[CauseExec], 1)
}
