package top

import (
	"math"
	"testing"

	"github.com/tandem-go/tandem/internal/control"
	"github.com/tandem-go/tandem/internal/scoreboard"
)

func ptr[T any](v T) *T { return &v }

// counts has n in each of the buckets of the scoreboard that is named by its
// upper bound; 0 is the last, which has none.
func counts(in map[float64]uint64) []uint64 {
	list := make([]uint64, len(scoreboard.DurationBounds)+1)
	for i, b := range scoreboard.DurationBounds {
		list[i] = in[b]
	}
	list[len(list)-1] = in[0]
	return list
}

// at is an answer of a supervisor that has been up for so long.
func at(uptime float64, workers ...control.WorkerStatus) control.Status {
	return control.Status{State: "running", PID: 1, UptimeSeconds: uptime, LatencyBounds: scoreboard.DurationBounds[:], Workers: workers}
}

// served is a worker that has begun n requests.
func served(id, n uint64) control.WorkerStatus {
	return control.WorkerStatus{ID: id, Requests: &n}
}

func TestRates(t *testing.T) {
	foreign := control.WorkerStatus{ID: 9}
	for name, c := range map[string]struct {
		samples []control.Status
		want    map[uint64]string
		all     string
	}{
		"one answer":               {[]control.Status{at(1, served(1, 100))}, map[uint64]string{1: "-"}, "-"},
		"two":                      {[]control.Status{at(1, served(1, 100)), at(3, served(1, 150))}, map[uint64]string{1: "25"}, "25"},
		"nothing":                  {[]control.Status{at(1, served(1, 100)), at(2, served(1, 100))}, map[uint64]string{1: "0"}, "0"},
		"few":                      {[]control.Status{at(1, served(1, 100)), at(5, served(1, 101))}, map[uint64]string{1: "0.2"}, "0.2"},
		"over a second":            {[]control.Status{at(1, served(1, 0)), at(1.5, served(1, 1000)), at(2, served(1, 1010)), at(2.5, served(1, 1020))}, map[uint64]string{1: "20"}, "20"},
		"the sum":                  {[]control.Status{at(1, served(1, 100), served(2, 0)), at(2, served(1, 150), served(2, 7))}, map[uint64]string{1: "50", 2: "7.0"}, "57"},
		"one that is new":          {[]control.Status{at(1, served(1, 100)), at(2, served(2, 30))}, map[uint64]string{2: "30"}, "30"},
		"one that has gone":        {[]control.Status{at(1, served(1, 100), served(2, 5)), at(2, served(1, 110))}, map[uint64]string{1: "10"}, "10"},
		"a counter that went back": {[]control.Status{at(1, served(1, 100), served(2, 5)), at(2, served(1, 50), served(2, 6))}, map[uint64]string{1: "-", 2: "1.0"}, "1.0"},
		"a foreign one":            {[]control.Status{at(1, foreign), at(2, foreign)}, map[uint64]string{9: "-"}, "-"},
		"beside a foreign one":     {[]control.Status{at(1, foreign, served(1, 0)), at(2, foreign, served(1, 8))}, map[uint64]string{9: "-", 1: "8.0"}, "8.0"},
		"another supervisor":       {[]control.Status{at(7, served(1, 100)), at(1, served(1, 500))}, map[uint64]string{1: "-"}, "-"},
		"another, with its count":  {[]control.Status{at(1, served(1, 100)), {PID: 2, UptimeSeconds: 5, Workers: []control.WorkerStatus{served(1, 500)}}}, map[uint64]string{1: "-"}, "-"},
	} {
		var h history
		for _, st := range c.samples {
			h.add(st)
		}
		for id, want := range c.want {
			if got := perSecond(h.each[id].rate); got != want {
				t.Errorf("%s: worker %d has %s a second, want %s", name, id, got, want)
			}
		}
		if got := perSecond(h.all.rate); got != c.all || len(h.each) != len(c.want) {
			t.Errorf("%s: %s a second in all, want %s; %d workers", name, got, c.all, len(h.each))
		}
	}
}

func TestPercentile(t *testing.T) {
	bounds := []float64{1, 2, 4}
	for name, c := range map[string]struct {
		q      float64
		counts []uint64
		want   quantile
	}{
		"none":                  {.5, []uint64{0, 0, 0, 0}, quantile{}},
		"no counts":             {.5, nil, quantile{}},
		"of other bounds":       {.5, []uint64{1, 1}, quantile{}},
		"in the first":          {.5, []uint64{10, 0, 0, 0}, quantile{seconds: .5, known: true}},
		"between two bounds":    {.5, []uint64{0, 10, 0, 0}, quantile{seconds: 1.5, known: true}},
		"at a bound":            {.5, []uint64{5, 0, 5, 0}, quantile{seconds: 1, known: true}},
		"behind an empty one":   {.75, []uint64{2, 0, 2, 0}, quantile{seconds: 3, known: true}},
		"of one":                {.99, []uint64{0, 0, 1, 0}, quantile{seconds: 3.98, known: true}},
		"beyond the largest":    {.5, []uint64{0, 0, 1, 9}, quantile{seconds: 4, known: true, beyond: true}},
		"all beyond":            {.01, []uint64{0, 0, 0, 3}, quantile{seconds: 4, known: true, beyond: true}},
		"nearly all":            {.99, []uint64{98, 1, 0, 1}, quantile{seconds: 2, known: true}},
		"counts that cannot be": {.5, []uint64{1 << 53, 0, 0, 1 << 53}, quantile{seconds: 1, known: true}},
	} {
		got := percentile(c.q, bounds, c.counts)
		if math.Abs(got.seconds-c.want.seconds) > 1e-9 || got.known != c.want.known || got.beyond != c.want.beyond {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

// took is a worker whose requests have taken so long.
func took(id uint64, in map[float64]uint64) control.WorkerStatus {
	w := served(id, 1)
	w.Latency = &control.LatencyStatus{Counts: counts(in)}
	return w
}

// Latencies are those of the requests that have ended in the last seconds, of one
// worker and of all.
func TestLatencies(t *testing.T) {
	var h history
	long := map[float64]uint64{10: 1000}
	h.add(at(1, took(1, long), took(2, long), control.WorkerStatus{ID: 9}))
	if q := h.each[1].p50; q.known {
		t.Errorf("one answer says %v", q)
	}
	h.add(at(2, took(1, map[float64]uint64{10: 1000, 1: 100}), took(2, long), control.WorkerStatus{ID: 9}))
	if got := h.each[1]; got.p50.String() != "750ms" || got.p99.String() != "995ms" {
		t.Errorf("p50 %v, p99 %v", got.p50, got.p99)
	}
	for _, id := range []uint64{2, 9} {
		if h.each[id].p50.String() != "-" {
			t.Errorf("worker %d has ended none and has a p50 of %v", id, h.each[id].p50)
		}
	}
	if h.all.p50.String() != "750ms" {
		t.Errorf("all: %v", h.all.p50)
	}
	// Counts that went back, and ones in other buckets, say nothing; a worker that is
	// new has all of its own.
	other := took(1, nil)
	other.Latency.Counts = []uint64{1}
	h.add(at(3, other, took(2, map[float64]uint64{10: 1}), took(3, map[float64]uint64{0: 5})))
	if h.each[1].p50.known || h.each[2].p50.known || h.each[3].p50.String() != ">60s" {
		t.Errorf("%v, %v, %v", h.each[1].p50, h.each[2].p50, h.each[3].p50)
	}
	// After the window nothing is left of it.
	quiet := took(1, map[float64]uint64{10: 1000, 1: 100})
	for i := range 20 {
		h.add(at(10+float64(i), quiet))
	}
	if h.each[1].p50.known || len(h.samples) > 7 {
		t.Errorf("p50 %v of %d answers", h.each[1].p50, len(h.samples))
	}
}

func TestFiguresFit(t *testing.T) {
	for _, n := range []uint64{0, 9, 99_999, 100_000, 999_499, 999_500, 99_949_999, 99_950_000, 9_999_000_000} {
		if got := number(n); width(got) > 5 {
			t.Errorf("%d is %s", n, got)
		}
	}
	for s, want := range map[float64]string{0: "0µs", .00042: "420µs", .0009996: "1.0ms", .0042: "4.2ms", .042: "42ms", .9996: "1.0s", 4.2: "4.2s", 42: "42s", 60: "60s"} {
		if got := latency(s); got != want {
			t.Errorf("%v seconds are %s, want %s", s, got, want)
		}
	}
	for s, want := range map[float64]string{0: "0.0s", 9.99: "9.9s", 59.9: "59s", 61: "1m01", 3599: "59m59", 3661: "1h01", 90000: "1d01", 8640000 * 2: "200d"} {
		if got := age(s); got != want {
			t.Errorf("%v seconds are %s, want %s", s, got, want)
		}
	}
	for b, want := range map[float64]string{0: "0.0M", 14680064: "14.0M", 120 << 20: "120M", 1000 << 20: "0.98G", 20 << 30: "20.0G"} {
		if got := memory(b); got != want {
			t.Errorf("%v bytes are %s, want %s", b, got, want)
		}
	}
	if memory(unknown) != none || perSecond(unknown) != none {
		t.Error("what is not known has a figure")
	}
}

func TestSparkline(t *testing.T) {
	for _, c := range []struct {
		values []float64
		n      int
		want   string
	}{
		{nil, 3, "   "},
		{[]float64{0, 0}, 3, " ▁▁"},
		{[]float64{9, 0, 1, 2, 4, 8}, 5, "▁▂▃▅█"},
		{[]float64{1, unknown, 1}, 3, "█ █"},
		{[]float64{unknown}, 1, " "},
	} {
		if got := sparkline(c.values, c.n); got != c.want {
			t.Errorf("%v is %q, want %q", c.values, got, c.want)
		}
	}
}

func TestHistoryIsBounded(t *testing.T) {
	var h history
	for i := range 3 * points {
		h.add(at(float64(i), served(1, uint64(i))))
	}
	if n := len(h.each[1].rates); n != points || len(h.samples) > 7 {
		t.Errorf("%d points, %d answers", n, len(h.samples))
	}
}
