package metrics

import (
	"math"
	"slices"

	"github.com/tandem-go/tandem/internal/scoreboard"
)

// maxBuckets bounds what is believed of a histogram.
const maxBuckets = 64

// Histogram is a total of values counted in buckets.
type Histogram struct {
	Bounds []float64 `json:"bounds"` // upper bounds, ascending
	Counts []uint64  `json:"counts"` // of each bucket by itself; one more than Bounds
	Sum    float64   `json:"sum"`
}

func newHistogram(bounds []float64) Histogram {
	return Histogram{Bounds: bounds, Counts: make([]uint64, len(bounds)+1)}
}

func (h Histogram) clone() Histogram {
	h.Counts = slices.Clone(h.Counts)
	return h
}

// rebucket is h in buckets of other bounds, as after an upgrade to a program that
// has others. A bound that both have keeps its count; what was between moves up
// to the next one that there is.
func (h Histogram) rebucket(bounds []float64) Histogram {
	if !wellFormed(h.Bounds, h.Counts) {
		return newHistogram(bounds)
	}
	to := newHistogram(bounds)
	to.Sum = h.Sum
	if math.IsNaN(to.Sum) || math.IsInf(to.Sum, 0) || to.Sum < 0 {
		to.Sum = 0
	}
	for i, n := range h.Counts {
		at := len(bounds)
		if i < len(h.Bounds) {
			at, _ = slices.BinarySearch(bounds, h.Bounds[i])
		}
		to.Counts[at] = add(to.Counts[at], n)
	}
	return to
}

func wellFormed(bounds []float64, counts []uint64) bool {
	if len(counts) != len(bounds)+1 || len(bounds) > maxBuckets {
		return false
	}
	for i, b := range bounds {
		if math.IsNaN(b) || i > 0 && b <= bounds[i-1] {
			return false
		}
	}
	return true
}

// grow adds to h what now has more than was, and gives what was is next time.
// Whatever is less than it was, or more than limit, is left out until it is
// right again, and not sound. A value cannot be longer than age seconds.
func (h *Histogram) grow(was Histogram, now scoreboard.Histogram, limit uint64, age float64) (next Histogram, sound bool) {
	if !wellFormed(now.Bounds, now.Counts) || !slices.Equal(now.Bounds, h.Bounds) {
		return was, len(now.Counts) == 0
	}
	next, sound = was.clone(), true
	if next.Counts == nil {
		next = newHistogram(h.Bounds)
	}
	var values uint64
	for i, n := range now.Counts {
		if !advance(&h.Counts[i], &next.Counts[i], n, limit) {
			sound = false
		}
		values = add(values, next.Counts[i])
	}
	// A value may be in the sum already and in no bucket yet.
	most := (float64(values) + 1000) * (age + 1)
	if d := now.Sum - next.Sum; d >= 0 && now.Sum <= most { // false for what is not a number
		h.Sum += d
		next.Sum = now.Sum
	} else {
		sound = false
	}
	return next, sound
}

// full is the largest total: beyond it a float64, which is what Prometheus has,
// does not count by one.
const full = 1 << 53

func add(a, b uint64) uint64 {
	if b > full || a+b > full {
		return full
	}
	return a + b
}

// advance adds to total what now has more than seen, and remembers now. A
// counter that went back, or that has more than limit, changes nothing and is
// not sound.
func advance(total, seen *uint64, now, limit uint64) (sound bool) {
	if now < *seen || now > limit {
		return false
	}
	*total = add(*total, now-*seen)
	*seen = now
	return true
}
