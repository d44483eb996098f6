package history

import (
	"slices"
	"time"

	"github.com/tandem-go/tandem/internal/metrics"
	"github.com/tandem-go/tandem/internal/quantile"
	"github.com/tandem-go/tandem/internal/scoreboard"
)

// Named is how many workers a sample names; the memory of the others is in it as
// one sum.
const Named = 16

// None is a duration that is not known: no request has ended.
const None = most

// Sample is what was in a span of time, mostly a second.
type Sample struct {
	At   int64  // its end, in milliseconds on the clock of the history
	Span uint32 // how long it is, in milliseconds

	// Counted says that what follows, up to the present, means something: that
	// workers with a scoreboard are, or were, there.
	Counted bool
	Ended   [Classes]uint32 // requests that ended in the span
	P50     uint32          // of their durations, in microseconds; None
	P99     uint32

	Present
	Workers [Named]Memory // by id; the first with id 0 ends it
	Others  Memory        // of further workers: ID is their number
}

// Memory is the resident memory of a worker.
type Memory struct {
	ID  uint32
	KiB uint32
}

// Between is what happened from was to is, which comes after it.
func Between(was, is Reading) Sample {
	s := Sample{Span: clip(is.At.Sub(was.At).Milliseconds()), Counted: is.Counted, Present: is.Present}
	for i := range s.Ended {
		s.Ended[i] = clip(more(was.Ended[i], is.Ended[i]))
	}
	var took [buckets]uint64
	for i := range took {
		took[i] = more(was.Took[i], is.Took[i])
	}
	s.P50, s.P99 = micros(took[:], .5), micros(took[:], .99)
	s.Workers, s.Others = memory(is.Memory)
	return s
}

// more is 0 where a count went back: that of another life of the supervisor.
func more(was, is uint64) uint64 {
	if is < was {
		return 0
	}
	return is - was
}

func memory(each []metrics.Worker) (named [Named]Memory, others Memory) {
	known := make([]Memory, 0, 2*Named)
	for _, w := range each {
		if w.Memory != nil {
			known = append(known, Memory{clip(w.ID), clip(*w.Memory >> 10)})
		}
	}
	slices.SortFunc(known, func(a, b Memory) int { return int(int64(a.ID) - int64(b.ID)) })
	for i, m := range known {
		if i < Named {
			named[i] = m
			continue
		}
		others.ID++
		others.KiB = clip(int64(others.KiB) + int64(m.KiB))
	}
	return named, others
}

// micros is [Quantile] in microseconds.
func micros(counts []uint64, q float64) uint32 {
	d, ok := Quantile(scoreboard.DurationBounds[:], counts, q)
	if !ok {
		return None
	}
	return min(clip(d.Microseconds()), None-1)
}

// Quantile is [quantile.Of] for bounds in seconds; what is beyond the largest is said to
// be that one. It is false where there are no values.
func Quantile(bounds []float64, counts []uint64, q float64) (time.Duration, bool) {
	seconds, _, known := quantile.Of(bounds, counts, q)
	return time.Duration(seconds * float64(time.Second)), known
}
