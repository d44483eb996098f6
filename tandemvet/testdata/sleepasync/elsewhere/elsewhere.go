// Package elsewhere has nothing to do with sync and async.
package elsewhere

import (
	"context"
	"time"
)

func poll(ctx context.Context) { time.Sleep(time.Second) }
