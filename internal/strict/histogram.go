package strict

import (
	"fmt"
	"math/bits"
	"slices"
	"time"
)

// subBits is the resolution within a power of two: 2^-5, three percent.
const subBits = 5

// Histogram counts durations in buckets of three percent; Max is exact. The
// zero value is empty and ready. It is not for concurrent use.
type Histogram struct {
	counts []uint64
	n      uint64
	max    time.Duration
}

func bucket(d time.Duration) int {
	v := uint64(max(d, 0))
	if v < 1<<subBits {
		return int(v)
	}
	shift := bits.Len64(v) - subBits - 1
	return (shift+1)<<subBits + int(v>>shift) - 1<<subBits
}

// upper is the largest duration of a bucket.
func upper(b int) time.Duration {
	if b < 1<<subBits {
		return time.Duration(b)
	}
	shift := b>>subBits - 1
	return time.Duration((uint64(b&(1<<subBits-1)+1<<subBits)+1)<<shift - 1)
}

// Add counts one duration; a negative one counts as 0.
func (h *Histogram) Add(d time.Duration) {
	b := bucket(d)
	if b >= len(h.counts) {
		h.counts = append(h.counts, make([]uint64, b+1-len(h.counts))...)
	}
	h.counts[b]++
	h.n++
	h.max = max(h.max, d)
}

// Merge adds the counts of o.
func (h *Histogram) Merge(o Histogram) {
	if len(o.counts) > len(h.counts) {
		h.counts = append(h.counts, make([]uint64, len(o.counts)-len(h.counts))...)
	}
	for i, c := range o.counts {
		h.counts[i] += c
	}
	h.n += o.n
	h.max = max(h.max, o.max)
}

// Count is the number of durations added.
func (h *Histogram) Count() uint64 { return h.n }

// Max is the longest duration added.
func (h *Histogram) Max() time.Duration { return h.max }

// Quantile returns a duration that the share q of all does not exceed, within
// three percent; 0 when the histogram is empty.
func (h *Histogram) Quantile(q float64) time.Duration {
	if h.n == 0 {
		return 0
	}
	rank := min(uint64(q*float64(h.n)), h.n-1)
	var seen uint64
	for b, c := range h.counts {
		if seen += c; seen > rank {
			return min(upper(b), h.max)
		}
	}
	return h.max
}

func (h *Histogram) clone() Histogram {
	return Histogram{counts: slices.Clone(h.counts), n: h.n, max: h.max}
}

// String gives the quantiles that the reports show.
func (h *Histogram) String() string {
	r := func(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }
	return fmt.Sprintf("p50 %s, p99 %s, p99.9 %s, max %s",
		r(h.Quantile(.5)), r(h.Quantile(.99)), r(h.Quantile(.999)), r(h.Max()))
}
