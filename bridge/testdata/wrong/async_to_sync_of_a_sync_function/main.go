// What takes no ctx is sync already.
package main

import (
	"context"

	"github.com/tandem-go/tandem/bridge"
)

func main() {
	job := bridge.NewRoot(context.Background(), bridge.Limits{})
	defer job.Close()
	_ = bridge.AsyncToSync(job, func(n int) (int, error) { return n, nil }) // WANT does not match func(context.Context, A) (R, error)
}
