package oncpu

import (
	"runtime/metrics"
	"time"
)

// runnable is what goroutines that could run waited for one of Go's Ps, as far as
// the runtime looks: one in eight.
type runnable struct {
	times uint64
	total time.Duration // at the least
}

func (r runnable) plus(b runnable) runnable { return runnable{r.times + b.times, r.total + b.total} }

func (r runnable) minus(b runnable) runnable { return runnable{r.times - b.times, r.total - b.total} }

func (r runnable) mean() time.Duration {
	if r.times == 0 {
		return 0
	}
	return r.total / time.Duration(r.times)
}

// waits is all of it so far.
func waits() (r runnable) {
	sample := []metrics.Sample{{Name: "/sched/latencies:seconds"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindFloat64Histogram {
		return r
	}
	h := sample[0].Value.Float64Histogram()
	for i, n := range h.Counts {
		if n > 0 {
			r.times += n
			r.total += time.Duration(max(0, h.Buckets[i]) * float64(time.Second) * float64(n))
		}
	}
	return r
}
