// The ctx comes first, or it is not a view.
package main

import (
	"context"

	"github.com/tandem-go/tandem/view"
)

func backwards(r *view.Request, ctx context.Context) (view.Response, error) {
	return view.NoContent(), ctx.Err()
}

func main() {
	view.New().Routes(view.Path("/", backwards)) // WANT does not satisfy view.View
}
