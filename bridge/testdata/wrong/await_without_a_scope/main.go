// Sync code awaits by what it was given: the request.
package main

import (
	"context"

	"github.com/tandem-go/tandem/bridge"
)

func main() {
	fetch := func(ctx context.Context) (int, error) { return 1, ctx.Err() }
	_, _ = bridge.Await(context.Background(), fetch) // WANT does not implement bridge.Scoped
}
