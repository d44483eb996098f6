// What takes a ctx and an argument is async already, whatever it is wrapped in.
package main

import (
	"context"

	"github.com/tandem-go/tandem/bridge"
)

func main() {
	fetch := func(ctx context.Context, n int) (int, error) { return n, ctx.Err() }
	_ = bridge.SyncToAsync(fetch) // WANT does not match func(A) (R, error)
}
