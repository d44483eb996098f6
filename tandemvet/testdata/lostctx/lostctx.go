package lostctx

import (
	"context"
	"net/http"
	"time"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/view"
)

func fetch(context.Context) (int, error) { return 1, nil }

func asyncView(ctx context.Context, r *view.Request) (view.Response, error) {
	_, err := fetch(context.Background()) // want `context.Background where there is a ctx: asyncView has one; pass it on, or context.WithoutCancel of it to what must outlive it`
	go func() {
		_, _ = fetch(context.TODO()) // want `context.TODO where there is a ctx: asyncView has one`
	}()
	short, cancel := context.WithTimeout(context.Background(), time.Second) // want `asyncView has one`
	defer cancel()
	_, _ = bridge.RunSync(short, func() (int, error) {
		return fetch(context.Background()) // want `asyncView has one`
	})
	return nil, err
}

func syncView(r *view.Request) (view.Response, error) {
	_, err := fetch(context.Background()) // want `context.Background below a view: syncView is a sync view; what needs a ctx is called with bridge.Await, which hands the request's down`
	return nil, err
}

func middleware(next view.AsyncView) view.AsyncView {
	start := context.Background() // before there is a request
	_ = start
	return func(_ context.Context, r *view.Request) (view.Response, error) {
		return next(context.Background(), r) // want `the function literal has one`
	}
}

func helper(ctx context.Context, id int) (int, error) {
	return fetch(context.TODO()) // want `helper has one`
}

func overwritten(ctx context.Context) (int, error) {
	if ctx != nil {
		ctx = context.Background() // want `overwritten has one`
	}
	return fetch(ctx)
}

// What outlives the request keeps its values.
func detached(ctx context.Context, r *view.Request) (view.Response, error) {
	go func() { _, _ = fetch(context.WithoutCancel(ctx)) }()
	_, _ = fetch(context.WithoutCancel(context.Background()))
	return nil, nil
}

// A missing ctx is replaced.
func optional(ctx context.Context) (int, error) {
	if ctx == nil {
		ctx = context.Background()
	}
	return fetch(ctx)
}

// No ctx is here to be passed on.
func command() error {
	_, err := fetch(context.Background())
	return err
}

type service struct{ ctx context.Context }

func newService() *service { return &service{ctx: context.Background()} }

func (s *service) close() { _, _ = fetch(context.Background()) }

var start = context.Background()

func init() {
	_, _ = fetch(context.Background())
	run(func(ctx context.Context) { _, _ = fetch(context.Background()) })
}

func run(func(context.Context)) {}

// A handler has its request's, and may have reasons.
func handle(w http.ResponseWriter, r *http.Request) { _, _ = fetch(context.Background()) }

// A literal with a ctx in a function without one is where it stops; so is one in
// a function that returns.
func factory() func(context.Context) error {
	root := context.Background()
	return func(ctx context.Context) error {
		_, err := fetch(ctx)
		_ = root
		return err
	}
}

// Background of somebody else.
type clock struct{}

func (clock) Background() context.Context { return nil }

func shadowed(ctx context.Context) {
	context := clock{}
	_ = context.Background()
}
