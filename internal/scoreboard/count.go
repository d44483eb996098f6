package scoreboard

import (
	"slices"
	"sync/atomic"
	"time"
)

// DurationBounds are the upper bounds, in seconds, of the buckets that durations
// of requests are counted in; a last one has no bound.
var DurationBounds = [...]float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}

// WaitBounds are those of the waits for a permit.
var WaitBounds = [...]float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}

// Histogram counts values in buckets, like Prometheus's.
type Histogram struct {
	Bounds []float64 // upper bounds, ascending
	Counts []uint64  // of each bucket by itself, not cumulated; the last, one more than Bounds, is of what is larger than all
	Sum    float64   // of all values
}

func newHistogram(bounds []float64) Histogram {
	return Histogram{Bounds: bounds, Counts: make([]uint64, len(bounds)+1)}
}

func (h *Histogram) read(counts []atomic.Uint64, nanos *atomic.Uint64) {
	for i := range counts {
		h.Counts[i] = counts[i].Load()
	}
	h.Sum = float64(nanos.Load()) / 1e9
}

// Count is the number of values.
func (h Histogram) Count() (n uint64) {
	for _, c := range h.Counts {
		n += c
	}
	return n
}

// CodeCount is how many requests of a method ended with a status code.
type CodeCount struct {
	Method string // one of net/http's, or "other"
	Code   int    // 100 to 599; 0: the handler gave no answer, it panicked
	N      uint64
}

// methods are those that are told apart; the last stands for all others.
var methods = [...]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE", "other"}

// codeCount is how many codes there are: 100 to 599 behind "none".
const codeCount = 1 + 500

func methodIndex(method string) uint8 {
	switch method {
	case "GET", "":
		return 0
	case "HEAD":
		return 1
	case "POST":
		return 2
	case "PUT":
		return 3
	case "PATCH":
		return 4
	case "DELETE":
		return 5
	case "OPTIONS":
		return 6
	case "CONNECT":
		return 7
	case "TRACE":
		return 8
	}
	return uint8(len(methods) - 1)
}

func codeIndex(code int) int {
	if code < 100 || code > 599 {
		return 0
	}
	return code - 99
}

func (p *page) byCode() []CodeCount {
	var out []CodeCount
	for m := range p.codes {
		for c := range p.codes[m] {
			n := p.codes[m][c].Load()
			if n == 0 {
				continue
			}
			code := 0
			if c > 0 {
				code = c + 99
			}
			out = append(out, CodeCount{methods[m], code, n})
		}
	}
	return out
}

var durationNanos = nanos(DurationBounds[:])

func nanos(bounds []float64) []int64 {
	out := make([]int64, len(bounds))
	for i, b := range bounds {
		out[i] = int64(b*1e9 + .5)
	}
	return out
}

func (d *durations) add(took time.Duration) {
	n := max(0, int64(took))
	i, _ := slices.BinarySearch(durationNanos, n)
	d.counts[i].Add(1)
	d.nanos.Add(uint64(n))
}
