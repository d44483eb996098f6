package bridge_test

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"github.com/tandem-go/tandem/bridge"
)

// legacyTotal blocks and takes no ctx: it is sync.
func legacyTotal(prices []int) (int, error) {
	total := 0
	for _, p := range prices {
		total += p
	}
	return total, nil
}

// fetchPrice takes a ctx: it is async.
func fetchPrice(ctx context.Context, item string) (int, error) { return len(item), ctx.Err() }

func ExampleSyncToAsync() {
	total := bridge.SyncToAsync(legacyTotal) // once, at start
	fmt.Println(total(context.Background(), []int{1, 2, 3}))
	// Output: 6 <nil>
}

func ExampleAsyncToSync() {
	job := bridge.NewRoot(context.Background(), bridge.Limits{})
	defer job.Close()
	price := bridge.AsyncToSync(job, fetchPrice)
	fmt.Println(price("book"))
	// Output: 4 <nil>
}

// Nested both ways with one permit: Await gives it back, what runs below borrows
// it.
func ExampleAwait() {
	job := bridge.NewRoot(context.Background(), bridge.Limits{Blocking: bridge.NewLimiter(1)})
	defer job.Close()
	total := bridge.SyncToAsync(func(items []string) (int, error) {
		prices, err := bridge.Await(job, func(ctx context.Context) ([]int, error) {
			return bridge.GatherAll(ctx, 8, items, fetchPrice)
		})
		if err != nil {
			return 0, err
		}
		return legacyTotal(prices)
	})
	fmt.Println(bridge.AsyncToSync(job, total)([]string{"pen", "book"}))
	// Output: 7 <nil>
}

// All pinned frames of a request see the same thread, and what is kept there.
func ExamplePinned() {
	job := bridge.NewRoot(context.Background(), bridge.Limits{})
	defer job.Close()
	thread := bridge.SyncToAsync(func(struct{}) (int, error) { return syscall.Gettid(), nil }, bridge.Pinned())
	both, err := bridge.Await(job, func(ctx context.Context) ([]int, error) {
		return bridge.GatherAll(ctx, 0, make([]struct{}, 2), thread)
	})
	fmt.Println(both[0] == both[1], both[0] != syscall.Gettid(), err)
	// Output: true true <nil>
}

// connection works in sync code alone.
type connection struct{ scope bridge.Scoped }

func (c connection) Query(q string) (string, error) {
	if err := bridge.RequireSync(c.scope, "connection.Query"); err != nil {
		return "", err
	}
	return q + ": 1 row", nil
}

func ExampleRequireSync() {
	job := bridge.NewRoot(context.Background(), bridge.Limits{})
	defer job.Close()
	conn := connection{job}
	fmt.Println(conn.Query("first"))
	_, err := bridge.Await(job, func(context.Context) (string, error) {
		return conn.Query("second") // async code has a ctx, and would block beside it
	})
	fmt.Println(errors.Is(err, bridge.ErrSynchronousOnly))
	// Output:
	// first: 1 row <nil>
	// true
}

func ExampleGather2() {
	price := func(item string) func(context.Context) (int, error) {
		return func(ctx context.Context) (int, error) { return fetchPrice(ctx, item) }
	}
	a, b, err := bridge.Gather2(context.Background(), price("pen"), price("paper"))
	fmt.Println(a, b, err)
	// Output: 3 5 <nil>
}

func ExampleNewLimiter() {
	printer := bridge.NewLimiter(1, bridge.Named("printer"), bridge.Queue(0))
	ctx := context.Background()
	_, err := bridge.RunSync(ctx, func() (string, error) {
		return bridge.RunSync(ctx, func() (string, error) { return "second page", nil }, bridge.On(printer))
	}, bridge.On(printer))
	fmt.Println(errors.Is(err, bridge.ErrSaturated))
	// Output: true
}
