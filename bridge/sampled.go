package bridge

import (
	"context"

	"github.com/tandem-go/tandem/internal/funcname"
)

// Of a request that is sampled, sync frames on limiters for code that waits are
// measured: see package oncpu. Of others it costs a frame a look at its scope.

// measure begins to measure fr, called after f if it has no name, on the goroutine
// that runs it. It returns what ends that.
func (fr *frame) measure(f any) (end func()) {
	var name string
	if fr.labels != nil {
		name = fr.labels.name
	} else {
		name = funcname.Of(f)
	}
	s := fr.lane.scope
	sample := s.watch.Frame(name, fr.limiter.name)
	s.mu.Lock()
	fr.sample = sample
	s.mu.Unlock()
	return sample.End
}

// measuredAwait has what a measured frame awaits not count as the frame's.
func measuredAwait[R any](from origin, l *lane, f func(context.Context) (R, error)) (r R, err error) {
	sample := from.sample
	from.sample = nil
	sample.Await(func() { r, err = awaitFrom(from, l, f) })
	return r, err
}
