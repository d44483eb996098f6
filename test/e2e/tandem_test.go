package e2e

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/view"
	"github.com/tandem-go/tandem/worker"
)

// tandemPermits is how many permits the blocking limiter of helpTandem has.
const tandemPermits = 2

// helpTandem is a worker that can be made to hang, in each of two ways.
func helpTandem() int {
	limits := bridge.Limits{Blocking: bridge.NewLimiter(tandemPermits), CPU: bridge.NewCPULimiter(bridge.Auto)}
	app := view.New(view.Limits(limits))
	var pool atomic.Int64 // of connections to a database
	defer worker.OnDatabaseConnections(func(n int) { pool.Store(int64(n)) })()
	app.Routes(
		view.Path("GET /connections/", func(context.Context, *view.Request) (view.Response, error) {
			return view.Text(fmt.Sprintf("%d: %d", os.Getpid(), pool.Load())), nil
		}),
		view.Path("GET /pid/", func(context.Context, *view.Request) (view.Response, error) {
			return view.Text(strconv.Itoa(os.Getpid())), nil
		}),
		view.Path("GET /share/", func(context.Context, *view.Request) (view.Response, error) {
			return view.Text(fmt.Sprintf("%d: %d CPUs, %d bytes", os.Getpid(), runtime.GOMAXPROCS(0), debug.SetMemoryLimit(-1))), nil
		}),
		view.Path("GET /hold/{secret}/", func(r *view.Request) (view.Response, error) {
			ms, _ := strconv.Atoi(r.Query().Get("ms"))
			if ms == 0 {
				select {} // a lock that nobody gives back
			}
			time.Sleep(time.Duration(ms) * time.Millisecond)
			return view.Text("held"), nil
		}),
		view.Path("GET /wait/", func(ctx context.Context, _ *view.Request) (view.Response, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}),
		// With GODEBUG=asyncpreemptoff=1 the loop never lets the collector stop the
		// world, and what waits for that never runs again.
		view.Path("GET /wedge/", func(context.Context, *view.Request) (view.Response, error) {
			go runtime.GC()
			for n := 0; ; n++ {
			}
		}),
	)
	if err := worker.Run(context.Background(), app, helpersDatabase); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
