package top

import (
	"math"
	"slices"

	"github.com/tandem-go/tandem/internal/control"
	buckets "github.com/tandem-go/tandem/internal/quantile"
)

const (
	// rateOver is the time, in seconds, that requests a second are counted over, and
	// latencyOver that of latencies: few requests say little of a p99.
	rateOver    = 1
	latencyOver = 5
	// points is how much of the past is kept for sparklines.
	points = 240
)

// unknown is a figure that is not known.
var unknown = math.NaN()

// quantile is a length of time that a share of requests did not exceed.
type quantile struct {
	seconds float64
	known   bool
	beyond  bool // seconds is the largest bound, and it was more than that
}

// figures are what two answers say together.
type figures struct {
	rate     float64 // requests begun a second
	p50, p99 quantile
}

// series are the figures of now and of the past, the latest last.
type series struct {
	figures
	rates, p99s, memory []float64
}

// history are the answers of the last seconds, and what they say. The zero value
// is empty.
type history struct {
	samples []control.Status // the latest last, in the order of their uptime
	each    map[uint64]*series
	all     series
}

// latest is the last answer; nil before the first.
func (h *history) latest() *control.Status {
	if len(h.samples) == 0 {
		return nil
	}
	return &h.samples[len(h.samples)-1]
}

// add takes in an answer. One of another supervisor than the last begins
// everything anew.
func (h *history) add(st control.Status) {
	if last := h.latest(); last == nil || last.PID != st.PID || last.UptimeSeconds >= st.UptimeSeconds {
		*h = history{each: map[uint64]*series{}}
	}
	h.samples = append(h.samples, st)
	for len(h.samples) > 2 && st.UptimeSeconds-h.samples[1].UptimeSeconds >= latencyOver {
		h.samples = h.samples[1:]
	}
	rates, latencies := h.before(rateOver), h.before(latencyOver)
	all := sum{rate: unknown}
	memory := unknown
	for _, w := range st.Workers {
		f := figures{rate: rate(rates, st, w)}
		counts := ended(latencies, st, w)
		f.p50, f.p99 = percentile(.5, st.LatencyBounds, counts), percentile(.99, st.LatencyBounds, counts)
		s := h.each[w.ID]
		if s == nil {
			s = &series{}
			h.each[w.ID] = s
		}
		size := unknown
		if w.RSSBytes != nil {
			size = float64(*w.RSSBytes)
			memory = plus(memory, size)
		}
		s.add(f, size)
		all.add(f.rate, counts)
	}
	for id := range h.each {
		if !slices.ContainsFunc(st.Workers, func(w control.WorkerStatus) bool { return w.ID == id }) {
			delete(h.each, id)
		}
	}
	h.all.add(figures{
		rate: all.rate,
		p50:  percentile(.5, st.LatencyBounds, all.counts), p99: percentile(.99, st.LatencyBounds, all.counts),
	}, memory)
}

// before is the answer to compare the latest with over so many seconds: the last
// one that is nearly as old, else the oldest that there is; nil if there is none.
func (h *history) before(seconds float64) *control.Status {
	n := len(h.samples) - 1
	if n < 1 {
		return nil
	}
	now := h.samples[n].UptimeSeconds
	for i := n - 1; i > 0; i-- {
		if now-h.samples[i].UptimeSeconds >= .75*seconds {
			return &h.samples[i]
		}
	}
	return &h.samples[0]
}

func (s *series) add(f figures, memory float64) {
	s.figures = f
	p99 := unknown
	if f.p99.known {
		p99 = f.p99.seconds
	}
	s.rates, s.p99s, s.memory = push(s.rates, f.rate), push(s.p99s, p99), push(s.memory, memory)
}

func push(list []float64, v float64) []float64 {
	if list = append(list, v); len(list) > points {
		list = slices.Delete(list, 0, len(list)-points)
	}
	return list
}

// sum is that of what is known of the workers.
type sum struct {
	rate   float64
	counts []uint64
}

func (s *sum) add(rate float64, counts []uint64) {
	s.rate = plus(s.rate, rate)
	if counts == nil {
		return
	}
	if s.counts == nil {
		s.counts = make([]uint64, len(counts))
	}
	for i, n := range counts {
		s.counts[i] += n
	}
}

// plus adds what is known.
func plus(a, b float64) float64 {
	switch {
	case math.IsNaN(a):
		return b
	case math.IsNaN(b):
		return a
	}
	return a + b
}

func find(st *control.Status, id uint64) *control.WorkerStatus {
	i := slices.IndexFunc(st.Workers, func(w control.WorkerStatus) bool { return w.ID == id })
	if i < 0 {
		return nil
	}
	return &st.Workers[i]
}

// rate is the requests a second that w has begun since was. A worker that was not
// there then has begun all of its own since; one that has fewer than it had has
// written what cannot be.
func rate(was *control.Status, now control.Status, w control.WorkerStatus) float64 {
	if was == nil || w.Requests == nil {
		return unknown
	}
	var before uint64
	if old := find(was, w.ID); old != nil && old.Requests != nil {
		before = *old.Requests
	}
	if *w.Requests < before {
		return unknown
	}
	return float64(*w.Requests-before) / (now.UptimeSeconds - was.UptimeSeconds)
}

// ended counts the requests of w that have ended since was, by their duration;
// nil: it is not known.
func ended(was *control.Status, now control.Status, w control.WorkerStatus) []uint64 {
	if was == nil || w.Latency == nil || len(w.Latency.Counts) != len(now.LatencyBounds)+1 {
		return nil
	}
	old := find(was, w.ID)
	if old == nil || old.Latency == nil {
		return slices.Clone(w.Latency.Counts)
	}
	if !slices.Equal(was.LatencyBounds, now.LatencyBounds) || len(old.Latency.Counts) != len(w.Latency.Counts) {
		return nil // an upgrade has brought others
	}
	counts := make([]uint64, len(w.Latency.Counts))
	for i, n := range w.Latency.Counts {
		if n < old.Latency.Counts[i] {
			return nil
		}
		counts[i] = n - old.Latency.Counts[i]
	}
	return counts
}

// percentile is the time within which a share q of the counted requests have
// ended.
func percentile(q float64, bounds []float64, counts []uint64) quantile {
	seconds, beyond, known := buckets.Of(bounds, counts, q)
	return quantile{seconds: seconds, known: known, beyond: beyond}
}
