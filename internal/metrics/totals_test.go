package metrics

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tandem-go/tandem/internal/scoreboard"
)

// honest is a worker that counts as it should.
type honest struct {
	id       uint64
	counters scoreboard.Counters
}

func newHonest(id uint64) *honest {
	return &honest{id, scoreboard.Counters{
		Detailed: true,
		Duration: histogram(scoreboard.DurationBounds[:]),
		Permits:  []scoreboard.Permits{{Name: "blocking", Limit: 40, Waits: histogram(scoreboard.WaitBounds[:])}},
	}}
}

func histogram(bounds []float64) scoreboard.Histogram {
	return scoreboard.Histogram{Bounds: bounds, Counts: make([]uint64, len(bounds)+1)}
}

func (w *honest) serve(method string, code int, took float64) {
	c := &w.counters
	c.Requests++
	i := slices.IndexFunc(c.ByCode, func(n scoreboard.CodeCount) bool { return n.Method == method && n.Code == code })
	if i < 0 {
		i = len(c.ByCode)
		c.ByCode = append(c.ByCode, scoreboard.CodeCount{Method: method, Code: code})
	}
	c.ByCode[i].N++
	b, _ := slices.BinarySearch(c.Duration.Bounds, took)
	c.Duration.Counts[b]++
	c.Duration.Sum += took
	c.Permits[0].Rejected++
	c.Permits[0].AbandonedTotal += 2
	c.Permits[0].Abandoned = 1
	c.Permits[0].Waits.Counts[0]++
	c.Permits[0].Waits.Sum += .001
}

// read is what a board that nobody else writes to gives: a copy.
func (w *honest) read() scoreboard.Counters {
	c := w.counters
	c.ByCode = slices.Clone(c.ByCode)
	c.Duration.Counts = slices.Clone(c.Duration.Counts)
	c.Permits = slices.Clone(c.Permits)
	for i := range c.Permits {
		c.Permits[i].Waits.Counts = slices.Clone(c.Permits[i].Waits.Counts)
	}
	return c
}

func total(s State) (n uint64) {
	for _, c := range s.Requests {
		n += c.N
	}
	return n
}

func count(h Histogram) (n uint64) {
	for _, c := range h.Counts {
		n += c
	}
	return n
}

func TestAWorkerIsCountedOnceToItsLastRequest(t *testing.T) {
	totals := NewTotals()
	w := newHonest(1)
	w.serve("GET", 200, .003)
	for range 3 { // reading again adds nothing
		if !totals.Read(1, time.Second, w.read()) {
			t.Error("not sound")
		}
	}
	w.serve("GET", 200, .2)
	w.serve("POST", 503, 3)
	w.counters.InFlight = 2
	totals.Started()
	totals.Ended(1, "signal", time.Second, w.read())
	s := totals.State()
	want := []CodeTotal{{Code{"GET", 200}, 2}, {Code{"POST", 503}, 1}}
	if !slices.Equal(s.Requests, want) || count(s.Duration) != 3 || math.Abs(s.Duration.Sum-3.203) > 1e-9 {
		t.Errorf("%+v", s)
	}
	if s.Abandoned != 2 || s.Exits["signal"] != 1 || s.Starts != 1 || len(s.Workers) != 0 || s.Faults != 0 || !s.Counted {
		t.Errorf("%+v", s)
	}
	if l := s.Limiters; len(l) != 1 || l[0].Name != "blocking" || l[0].Rejected != 3 || l[0].Abandoned != 6 || count(l[0].Waits) != 3 {
		t.Errorf("%+v", l)
	}
	// The next worker of the same number is another one: it begins at zero.
	w = newHonest(1)
	w.serve("GET", 200, .1)
	totals.Read(1, time.Second, w.read())
	if n := total(totals.State()); n != 4 {
		t.Errorf("%d requests", n)
	}
}

// Random lives of honest and of hostile workers, with upgrades in between: no
// total ever goes down, and those of the honest are exact.
func TestTotalsNeverGoDown(t *testing.T) {
	for seed := range uint64(20) {
		rng := newRand(seed)
		totals := NewTotals()
		workers := map[uint64]*honest{}
		var next, served uint64
		before := totals.State()
		for range 200 {
			switch rng.IntN(10) {
			case 0:
				next++
				workers[next] = newHonest(next)
				totals.Started()
			case 1, 2, 3, 4:
				for _, w := range workers {
					w.serve("GET", 200+rng.IntN(3), rng.Float64())
					served++
				}
			case 5, 6:
				for id, w := range workers {
					if !totals.Read(id, time.Minute, w.read()) {
						t.Fatalf("seed %d: an honest worker is not sound", seed)
					}
				}
			case 7:
				for id, w := range workers {
					totals.Ended(id, "exit", time.Minute, w.read())
					delete(workers, id)
					break
				}
			case 8: // an upgrade of the supervisor
				b, err := json.Marshal(totals.State())
				if err != nil {
					t.Fatal(err)
				}
				var s State
				if err := json.Unmarshal(b, &s); err != nil {
					t.Fatal(err)
				}
				totals = Restore(s)
			case 9:
				totals.Read(1<<40, time.Duration(rng.IntN(1000))*time.Second, hostile(rng))
			}
			after := totals.State()
			neverDown(t, seed, before, after)
			before = after
		}
		for id, w := range workers {
			totals.Ended(id, "exit", time.Minute, w.read())
		}
		s, n := totals.State(), uint64(0)
		for _, c := range s.Requests {
			if c.Method == "GET" && c.Status < 203 {
				n += c.N
			}
		}
		if n != served { // the hostile one uses other methods
			t.Fatalf("seed %d: %d requests counted, %d served", seed, n, served)
		}
	}
}

func hostile(rng *rand.Rand) scoreboard.Counters {
	any := func() uint64 { return rng.Uint64() >> rng.IntN(64) }
	sums := []float64{math.NaN(), math.Inf(1), math.Inf(-1), -1, 0, 1, 1e300, rng.Float64() * 1e6}
	h := func(bounds []float64) scoreboard.Histogram {
		h := histogram(bounds)
		for i := range h.Counts {
			h.Counts[i] = any()
		}
		h.Sum = sums[rng.IntN(len(sums))]
		switch rng.IntN(6) {
		case 0:
			h.Bounds = nil
		case 1:
			h.Counts = h.Counts[:3]
		case 2:
			h.Bounds = []float64{3, 2, math.NaN()}
		}
		return h
	}
	c := scoreboard.Counters{
		Detailed: true, Requests: any(), InFlight: int64(any()), Connections: int64(any()), Unlisted: any(),
		Duration: h(scoreboard.DurationBounds[:]),
	}
	for range rng.IntN(300) {
		method := []string{"BREW", "", "A\"B", "\xff", strings.Repeat("x", 99), fmt.Sprint("M", rng.IntN(1000))}[rng.IntN(6)]
		c.ByCode = append(c.ByCode, scoreboard.CodeCount{Method: method, Code: rng.IntN(1200) - 300, N: any()})
	}
	for range rng.IntN(30) {
		c.Permits = append(c.Permits, scoreboard.Permits{
			Name: []string{"", "\xff\n", "cpu", fmt.Sprint("l", rng.IntN(100))}[rng.IntN(4)], Limit: int64(any()), InUse: -int64(any()), Queue: int64(any()),
			Waits: h(scoreboard.WaitBounds[:]), Rejected: any(), Abandoned: -int64(any()), AbandonedTotal: any(),
		})
	}
	return c
}

func neverDown(t *testing.T, seed uint64, before, after State) {
	t.Helper()
	fail := func(what string, a, b any) { t.Fatalf("seed %d: %s went from %v to %v", seed, what, a, b) }
	histograms := func(what string, a, b Histogram) {
		for i := range a.Counts {
			if a.Counts[i] > b.Counts[i] {
				fail(what, a, b)
			}
		}
		if !(b.Sum >= a.Sum) || math.IsInf(b.Sum, 0) {
			fail(what, a.Sum, b.Sum)
		}
	}
	for _, c := range before.Requests {
		i := slices.IndexFunc(after.Requests, func(d CodeTotal) bool { return d.Code == c.Code })
		if i < 0 || after.Requests[i].N < c.N {
			fail("requests", c, after.Requests)
		}
	}
	if len(after.Requests) > 700 || len(after.Limiters) > maxLimiters+1 {
		fail("the number of series", len(before.Requests), len(after.Requests))
	}
	for _, c := range after.Requests {
		if c.Code != restCode && (!label(c.Method) || c.Status < 0 || c.Status > 599) || c.N > full {
			fail("a request", "", c)
		}
	}
	histograms("duration", before.Duration, after.Duration)
	for _, l := range before.Limiters {
		i := slices.IndexFunc(after.Limiters, func(d LimiterTotal) bool { return d.Name == l.Name })
		if i < 0 || after.Limiters[i].Rejected < l.Rejected || after.Limiters[i].Abandoned < l.Abandoned {
			fail("rejected", l, after.Limiters)
		}
		histograms("waits", l.Waits, after.Limiters[i].Waits)
	}
	for c, n := range before.Exits {
		if after.Exits[c] < n {
			fail("exits", before.Exits, after.Exits)
		}
	}
	if after.Starts < before.Starts || after.Abandoned < before.Abandoned || after.Faults < before.Faults || after.Unlisted < before.Unlisted {
		fail("a total", before, after)
	}
}

// A counter that went back, or that nobody can have reached, is left out, said
// once, and believed again when it is right again.
func TestWhatCannotBeIsLeftOut(t *testing.T) {
	totals := NewTotals()
	w := newHonest(1)
	for range 10 {
		w.serve("GET", 200, .1)
	}
	totals.Read(1, time.Second, w.read())
	good := w.read()
	bad := w.read()
	bad.ByCode[0].N = 3
	if totals.Read(1, time.Second, bad) {
		t.Error("a counter that went back is sound")
	}
	bad.ByCode[0].N = 1 << 50 // in a second
	if !totals.Read(1, time.Second, bad) {
		t.Error("said twice")
	}
	if s := totals.State(); total(s) != 10 || s.Faults != 1 {
		t.Errorf("%+v", s)
	}
	good.ByCode[0].N = 12
	totals.Read(1, 2*time.Second, good)
	if n := total(totals.State()); n != 12 {
		t.Errorf("%d requests when it is right again", n)
	}
	// Others are not touched by it.
	other := newHonest(2)
	other.serve("GET", 200, .1)
	if !totals.Read(2, time.Second, other.read()) || total(totals.State()) != 13 {
		t.Errorf("%+v", totals.State())
	}
}

func TestStateSurvivesAsJSON(t *testing.T) {
	totals := NewTotals()
	w := newHonest(3)
	w.serve("GET", 200, .1)
	w.serve("GET", 0, 100)
	totals.Started()
	totals.NotStarted()
	totals.Reloaded(false, time.Unix(1700000000, 0).UTC())
	totals.Reloaded(true, time.Unix(1800000000, 0).UTC())
	totals.Read(3, time.Second, w.read())
	b, err := json.Marshal(totals.State())
	if err != nil {
		t.Fatal(err)
	}
	var s State
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	again := Restore(s)
	if !reflect.DeepEqual(again.State(), totals.State()) {
		t.Errorf("%+v\nwas %+v", again.State(), totals.State())
	}
	w.serve("GET", 200, .1)
	again.Read(3, time.Second, w.read())
	if n := total(again.State()); n != 3 {
		t.Errorf("%d requests: what was read before the upgrade is counted again, or nothing is", n)
	}
	if r := again.State().Reloads; r.OK != 1 || r.Failed != 1 || !r.LastGood || r.Last.Unix() != 1800000000 {
		t.Errorf("%+v", r)
	}
}

func TestRebucket(t *testing.T) {
	was := Histogram{Bounds: []float64{1, 2, 4, 8}, Counts: []uint64{1, 2, 3, 4, 5}, Sum: 60}
	for _, c := range []struct {
		bounds []float64
		counts []uint64
	}{
		{[]float64{1, 2, 4, 8}, []uint64{1, 2, 3, 4, 5}},
		{[]float64{2, 8}, []uint64{3, 7, 5}},
		{[]float64{1, 3, 5}, []uint64{1, 2, 3, 9}},
		{[]float64{.5, 100}, []uint64{0, 10, 5}},
		{nil, []uint64{15}},
	} {
		if got := was.rebucket(c.bounds); !slices.Equal(got.Counts, c.counts) || got.Sum != 60 {
			t.Errorf("in buckets %v: %+v, want %v", c.bounds, got, c.counts)
		}
	}
	for _, broken := range []Histogram{{}, {Bounds: []float64{1}}, {Bounds: []float64{2, 1}, Counts: []uint64{1, 1, 1}}} {
		if got := broken.rebucket([]float64{1}); !slices.Equal(got.Counts, []uint64{0, 0}) {
			t.Errorf("%+v gave %+v", broken, got)
		}
	}
}

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }
