// Middleware gives back the colour that it takes.
package main

import (
	"context"

	"github.com/tandem-go/tandem/view"
)

func mixed(next view.SyncView) view.AsyncView {
	return func(_ context.Context, r *view.Request) (view.Response, error) { return next(r) }
}

func main() {
	view.New().Use(view.Use(mixed)) // WANT does not satisfy view.MiddlewareFunc
}
