package view_test

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/view"
)

// Async code is told by its ctx. Sync code goes on after its request was answered,
// and is counted until it returns.
func ExampleDeadline() {
	limits := bridge.Limits{Blocking: bridge.NewLimiter(40)}
	stuck := make(chan struct{})
	app := view.New(view.Limits(limits), view.DefaultDeadline(100*time.Millisecond))
	app.Routes(
		view.Path("GET /quotes/", func(ctx context.Context, _ *view.Request) (view.Response, error) {
			<-ctx.Done()
			return view.WithStatus(view.Text("yesterday's"), http.StatusNonAuthoritativeInfo), nil
		}),
		view.Path("GET /legacy/", func(*view.Request) (view.Response, error) {
			<-stuck
			return view.Text("nobody reads this"), nil
		}),
	)
	show(app, "/quotes/")
	show(app, "/legacy/")
	fmt.Println("abandoned:", limits.Blocking.Stats().Abandoned)
	close(stuck)
	fmt.Println("waited:", limits.Blocking.WaitAbandoned(context.Background()))
	fmt.Println("abandoned:", limits.Blocking.Stats().Abandoned)
	// Output:
	// 203 yesterday's
	// 504 {"error":"Gateway Timeout","request_id":"example"}
	// abandoned: 1
	// waited: <nil>
	// abandoned: 0
}
