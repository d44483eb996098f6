// An object is not called in Go; its methods are functions.
package main

import (
	"context"

	"github.com/tandem-go/tandem/bridge"
)

type fetcher struct{}

func (fetcher) Call(ctx context.Context) (int, error) { return 1, ctx.Err() }

func main() {
	_ = bridge.SyncToAsync(fetcher{}) // WANT type fetcher of fetcher{} does not match func(A) (R, error)
}
