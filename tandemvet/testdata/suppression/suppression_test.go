package suppression

import (
	"context"
	"time"
)

func inTest(ctx context.Context) {
	time.Sleep(time.Second)
	//tandemvet:ignore sleepasync
}
