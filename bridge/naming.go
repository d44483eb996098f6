package bridge

import (
	"context"
	"runtime/pprof"
	"runtime/trace"
	"sync/atomic"

	"github.com/tandem-go/tandem/internal/funcname"
)

// Names of frames, for whoever asks a running process what it does.

// As names frames. While a named frame runs, its goroutine has the profiler label
// sync=name beside those of its caller's ctx, and when an execution trace is taken
// the frame is a region of that name. What it awaits has the caller's labels alone.
// [SyncToAsync] and [SyncToAsyncScoped] name theirs by the function, unless told
// otherwise.
func As(name string) SyncOption { return SyncOption{naming: &naming{name: name}} }

// nameAfter names frames by f unless they have a name.
func nameAfter(f any, o SyncOption) SyncOption {
	if o.naming == nil {
		o.naming = As(funcname.Of(f)).naming
	}
	return o
}

// naming is a name and the labels that go with it.
type naming struct {
	name string
	last atomic.Pointer[labels]
}

// labels are those of a context, and a context that has the name too. They are kept
// because making them is dear beside a crossing, and calls of one function come
// with the same labels again and again.
type labels struct {
	name   string
	of     [][2]string
	merged context.Context
}

// over returns the labels of ctx with the name's; nil without a name.
func (n *naming) over(ctx context.Context) *labels {
	if n == nil {
		return nil
	}
	last := n.last.Load()
	if last == nil || !last.same(ctx) {
		last = n.merge(ctx)
		n.last.Store(last)
	}
	return last
}

// same says whether ctx has just those labels. They come in order of their keys.
func (l *labels) same(ctx context.Context) bool {
	i, same := 0, true
	pprof.ForLabels(ctx, func(key, value string) bool {
		same = i < len(l.of) && l.of[i] == [2]string{key, value}
		i++
		return same
	})
	return same && i == len(l.of)
}

func (n *naming) merge(ctx context.Context) *labels {
	l := &labels{name: n.name}
	flat := []string{}
	pprof.ForLabels(ctx, func(key, value string) bool {
		l.of = append(l.of, [2]string{key, value})
		flat = append(flat, key, value)
		return true
	})
	flat = append(flat, "sync", n.name) // the last of a key counts
	l.merged = pprof.WithLabels(context.Background(), pprof.Labels(flat...))
	return l
}

// labelled runs f on the calling goroutine under the frame's name, if it has one,
// and measures it if the request is sampled.
func labelled[R any](fr *frame, given any, f func() (R, error)) (R, error) {
	if fr.lane.scope.watch != nil && !fr.limiter.cpu {
		defer fr.measure(given)()
	}
	if fr.labels == nil {
		return body(f)
	}
	pprof.SetGoroutineLabels(fr.labels.merged)
	defer pprof.SetGoroutineLabels(fr.ctx)
	if trace.IsEnabled() {
		defer trace.StartRegion(fr.ctx, fr.labels.name).End()
	}
	return body(f)
}
