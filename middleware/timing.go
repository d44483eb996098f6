package middleware

import (
	"context"
	"strconv"
	"time"

	"github.com/tandem-go/tandem/view"
)

// Timing tells the client how long what is inside of it took, in X-Elapsed-Ms, in
// milliseconds with three decimals: the view with its wait for a permit, and not
// the writing of the response. In sync mode, where it runs within the permit, that
// wait is what the request has waited so far.
func Timing() view.Middleware {
	return view.Both(
		func(next view.AsyncView) view.AsyncView {
			return func(ctx context.Context, r *view.Request) (view.Response, error) {
				start := time.Now()
				resp, err := next(ctx, r)
				return elapsed(resp, start), err
			}
		},
		func(next view.SyncView) view.SyncView {
			return func(r *view.Request) (view.Response, error) {
				start := time.Now().Add(-r.Scope().Waited())
				resp, err := next(r)
				return elapsed(resp, start), err
			}
		},
	).Named("timing")
}

func elapsed(resp view.Response, start time.Time) view.Response {
	return view.WithHeader(resp, "X-Elapsed-Ms", strconv.FormatFloat(milliseconds(time.Since(start)), 'f', 3, 64))
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
