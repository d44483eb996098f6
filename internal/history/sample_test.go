package history

import (
	"testing"
	"time"

	"github.com/tandem-go/tandem/internal/metrics"
)

func TestQuantile(t *testing.T) {
	bounds := []float64{.001, .01, .1}
	for _, c := range []struct {
		counts []uint64
		q      float64
		want   time.Duration
		none   bool
	}{
		{counts: []uint64{0, 0, 0, 0}, q: .5, none: true},
		{counts: []uint64{1, 1}, q: .5, none: true}, // not of these bounds
		{counts: []uint64{10, 0, 0, 0}, q: .5, want: 500 * time.Microsecond},
		{counts: []uint64{10, 0, 0, 0}, q: 1, want: time.Millisecond},
		{counts: []uint64{5, 5, 0, 0}, q: .5, want: time.Millisecond},
		{counts: []uint64{5, 5, 0, 0}, q: .75, want: 5500 * time.Microsecond},
		{counts: []uint64{0, 0, 4, 0}, q: 0, want: 10 * time.Millisecond},
		{counts: []uint64{99, 0, 0, 1}, q: .99, want: time.Millisecond},
		{counts: []uint64{98, 0, 0, 2}, q: .99, want: 100 * time.Millisecond}, // beyond all bounds
	} {
		got, ok := Quantile(bounds, c.counts, c.q)
		if ok == c.none || got.Round(time.Nanosecond*10) != c.want {
			t.Errorf("the %v quantile of %v: %v, %v; want %v", c.q, c.counts, got, ok, c.want)
		}
	}
}

// reading is one of so many requests in all, each of 4 ms.
func reading(at time.Time, requests uint64) Reading {
	r := Reading{At: at, Counted: true}
	r.Ended[Successful], r.Took[3] = requests, requests
	return r
}

func TestBetween(t *testing.T) {
	at := time.Unix(1e9, 0)
	memory := int64(3 << 20)
	was, is := reading(at, 10), reading(at.Add(1500*time.Millisecond), 17)
	is.Ended[Failed], is.Took[16] = 1, 1
	is.Present = Present{InFlight: 3, Queue: 2, Ready: 4, Wanted: 4}
	for id := range uint64(20) {
		is.Memory = append(is.Memory, metrics.Worker{ID: 20 - id, Memory: &memory})
	}
	is.Memory = append(is.Memory, metrics.Worker{ID: 99})
	s := Between(was, is)
	if s.Span != 1500 || !s.Counted || s.Ended != [Classes]uint32{0, 7, 0, 0, 1} || s.Present != is.Present {
		t.Errorf("%+v", s)
	}
	if s.P50 < 2500 || s.P50 > 5000 || s.P99 != 60e6 {
		t.Errorf("p50 %d µs, p99 %d µs", s.P50, s.P99)
	}
	if s.Workers[0] != (Memory{1, 3072}) || s.Workers[Named-1] != (Memory{16, 3072}) || s.Others != (Memory{4, 4 * 3072}) {
		t.Errorf("memory of %v, and of others %v", s.Workers, s.Others)
	}
	// A count that goes back is no negative one, nor an enormous one.
	if s := Between(is, was); s.Ended != [Classes]uint32{} || s.P50 != None || s.P99 != None || s.Span != 0 {
		t.Errorf("backwards: %+v", s)
	}
}

func TestClasses(t *testing.T) {
	var snap metrics.Snapshot
	for _, code := range []int{-1, 0, 101, 200, 299, 301, 404, 499, 500, 599, 600} {
		snap.Totals.Requests = append(snap.Totals.Requests, metrics.CodeTotal{Code: metrics.Code{Status: code}, N: 1})
	}
	if got := Read(time.Now(), snap).Ended; got != [Classes]uint64{4, 2, 1, 2, 2} {
		t.Errorf("%v", got)
	}
}
