// What AsyncToSync makes is sync to the compiler: it has no place for a ctx.
package main

import (
	"context"

	"github.com/tandem-go/tandem/bridge"
)

func main() {
	job := bridge.NewRoot(context.Background(), bridge.Limits{})
	defer job.Close()
	fetch := func(ctx context.Context, n int) (int, error) { return n, ctx.Err() }
	_, _ = bridge.Gather2(context.Background(), bridge.AsyncToSync(job, fetch), nil) // WANT does not match
}
