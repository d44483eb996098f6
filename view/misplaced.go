package view

import "github.com/tandem-go/tandem/internal/oncpu"

// Misplaced is how often sampled requests were found to compute where they should
// wait. See [App.Misplaced].
type Misplaced struct {
	Async uint64 // async code that has used 10 ms of CPU without waiting
	Sync  uint64 // sync functions that used the CPU for most of their time, inside a permit for code that waits
}

// Misplaced returns the totals as they are now. Some requests of each route are
// sampled; what is found is logged as a warning that names the code, at most every
// ten minutes for the same route or function. It may be called concurrently.
func (a *App) Misplaced() Misplaced { return Misplaced(a.watcher.Found()) }

// answer runs the view, and looks at it where the request is sampled.
func (e *endpoint) answer(sample *oncpu.Watch, r *Request) (Response, error) {
	if sample == nil {
		return e.view(r.ctx, r)
	}
	return e.sampled(sample, r)
}

// sampled is apart because what its closure catches is on the heap.
func (e *endpoint) sampled(sample *oncpu.Watch, r *Request) (resp Response, err error) {
	sample.Run(func() { resp, err = e.view(r.ctx, r) })
	return resp, err
}
