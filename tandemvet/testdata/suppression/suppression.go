package suppression

import (
	"context"
	"time"

	"github.com/tandem-go/tandem/view"
)

func suppressed(ctx context.Context, r *view.Request) (view.Response, error) {
	time.Sleep(time.Second) //tandemvet:ignore sleepasync the benchmark measures just that
	//tandemvet:ignore sleepasync this too
	time.Sleep(time.Second)
	// A comment of several lines, of which
	//tandemvet:ignore sleepasync one is a suppression
	//tandemvet:ignore lostctx and another
	time.Sleep(time.Duration(len(context.Background().Err().Error())))
	return nil, nil
}

func wrong(ctx context.Context, r *view.Request) (view.Response, error) {
	//tandemvet:ignore sleepasync // want `suppression of sleepasync without a reason: write //tandemvet:ignore sleepasync reason`
	time.Sleep(time.Second) // want `sleepasync: time.Sleep in async code: wrong has a ctx`
	//tandemvet:ignore sleepsync misspelt // want `suppression of sleepsync, which is no rule of tandemvet`
	time.Sleep(time.Second) // want `sleepasync: time.Sleep in async code: wrong has a ctx`
	//tandemvet:ignore lostctx of another rule // want `suppression of lostctx where it finds nothing: remove it`
	time.Sleep(time.Second) // want `sleepasync: time.Sleep in async code: wrong has a ctx`
	//tandemvet:ignore lostctx of the line below the next // want `suppression of lostctx where it finds nothing`

	time.Sleep(time.Duration(len(context.Background().Err().Error()))) // want `sleepasync: ` `lostctx: `
	//tandemvet:ignore // want `suppression of nothing: write //tandemvet:ignore RULE reason`
	//tandemvet:ignored is another word
	return nil, nil
}

// Behind code it is for that line, in a comment for the line below.
func lines(ctx context.Context) {
	time.Sleep(1) //tandemvet:ignore sleepasync for a reason
	time.Sleep(2) // want `sleepasync: `
	//tandemvet:ignore sleepasync for another reason
	time.Sleep(3)
	time.Sleep(4) // want `sleepasync: `
}
