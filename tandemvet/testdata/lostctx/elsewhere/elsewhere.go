// Package elsewhere has nothing to do with views.
package elsewhere

import "context"

func shutdown(ctx context.Context, stop func(context.Context)) {
	<-ctx.Done()
	stop(context.Background())
}
