// Sync middleware wraps sync views, which take no ctx.
package main

import (
	"context"

	"github.com/tandem-go/tandem/view"
)

func confused(next view.SyncView) view.SyncView {
	return func(ctx context.Context, r *view.Request) (view.Response, error) { // WANT cannot use func(ctx context.Context, r *view.Request) (view.Response, error)
		return next(r)
	}
}

func main() {
	view.New().Use(view.Use(confused))
}
