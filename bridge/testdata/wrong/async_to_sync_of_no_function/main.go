// Only functions can be adapted.
package main

import (
	"context"

	"github.com/tandem-go/tandem/bridge"
)

func main() {
	job := bridge.NewRoot(context.Background(), bridge.Limits{})
	defer job.Close()
	_ = bridge.AsyncToSync(job, 1) // WANT in call to bridge.AsyncToSync, cannot infer A
}
