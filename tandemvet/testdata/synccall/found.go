package synccall

import (
	"context"
	"net/http"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/tandemvet/testdata/store"
	"github.com/tandem-go/tandem/view"
)

func fetch(context.Context) (int, error)           { return 1, nil }
func fetchOf(context.Context, string) (int, error) { return 1, nil }
func classic(*view.Request) (view.Response, error) { return nil, nil }
func loadUser(r *view.Request) (int, error)        { return bridge.Await(r, fetch) }
func count(r *view.Request) int                    { n, _ := loadUser(r); return n }
func guarded(s bridge.Scoped) error                { _, err := store.Fetch(s); return err }

type posts struct{ *store.Base }

func (p posts) save() { _ = p.Save() }

func awaits(ctx context.Context, r *view.Request) (view.Response, error) {
	_, err := bridge.Await(r, fetch) // want `awaits has a ctx, so it is async, and no sync frame is there for bridge.Await: call the async function itself with the ctx`
	if err == nil {
		_, err = bridge.AsyncToSync(r, fetchOf)("q") // want `no sync frame is there for bridge.AsyncToSync`
	}
	search := bridge.AsyncToSync(r, fetchOf)
	_, _ = search("q")                                                                        // want `no sync frame is there for bridge.AsyncToSync`
	_, _ = bridge.Await[int](r.Scope(), func(context.Context) (int, error) { return 0, nil }) // want `no sync frame is there for bridge.Await`
	return nil, err
}

func byChain(ctx context.Context, r *view.Request) (view.Response, error) {
	count(r)                    // want `byChain has a ctx, so it is async, and must not call what is sync-only \(synccall.count → synccall.loadUser → bridge.Await\): call an async counterpart`
	_ = guarded(r)              // want `sync-only \(synccall.guarded → store.Fetch → bridge.Await\)`
	store.Query{}.All()         // want `sync-only \(store.Query.All\)`
	store.Query{}.Sync(r).All() // want `sync-only \(store.Query.All\)`
	titles := store.Query{}.Sync(r.Scope())
	titles.All()         // want `sync-only \(store.Query.All\)`
	store.Titles()       // want `sync-only \(store.Titles → store.Query.All\)`
	defer posts{}.save() // want `sync-only \(synccall.posts.save → store.Base.Save\)`
	_ = posts{}.Save()   // want `sync-only \(store.Base.Save\)`
	return nil, nil
}

func byInterface(_ context.Context, f store.Finder) string {
	return f.Find(1) // want `sync-only \(store.Finder.Find\)`
}

func aView(ctx context.Context, r *view.Request) (view.Response, error) {
	return classic(r) // want `aView has a ctx, so it is async, and must not call a sync view`
}

func middleware(next view.SyncView) view.AsyncView {
	return func(ctx context.Context, r *view.Request) (view.Response, error) {
		return next(r) // want `the function literal has a ctx, so it is async, and must not call a sync view`
	}
}

// Exported says that it may be registered elsewhere.
func Exported(*view.Request) (view.Response, error) { return nil, nil }

type pages struct{}

func (pages) archive(*view.Request) (view.Response, error) { return nil, nil }

var archived = view.Path("/archive", pages{}.archive)

func callsViews(ctx context.Context, r *view.Request) (view.Response, error) {
	if _, err := Exported(r); err != nil { // want `callsViews has a ctx, so it is async, and must not call a sync view`
		return nil, err
	}
	return pages{}.archive(r) // want `must not call a sync view`
}

type controller struct{ page view.SyncView }

func (c *controller) show(ctx context.Context, r *view.Request) (view.Response, error) {
	return c.page(r) // want `controller.show has a ctx, so it is async, and must not call a sync view`
}

// Literals without a ctx of their own are in the colour of where they are run.
func literals(ctx context.Context, r *view.Request) error {
	func() {
		store.Titles() // want `sync-only`
	}()
	defer func() {
		store.Titles() // want `sync-only`
	}()
	_ = store.Twice(func() error {
		store.Titles() // want `literals has a ctx`
		return nil
	})
	store.Each([]int{1}, func(int) {
		store.Titles() // want `sync-only`
	})
	load := func() {
		store.Titles() // want `sync-only`
	}
	load()
	var walk func(int)
	walk = func(n int) {
		store.Titles() // want `sync-only`
		if n > 0 {
			walk(n - 1)
		}
	}
	walk(2)
	return nil
}

// What a goroutine does is its own affair, but it has no sync frame of the request.
func goroutine(ctx context.Context, r *view.Request) {
	go func() {
		_, _ = bridge.Await(r, fetch) // want `no sync frame is there for bridge.Await`
	}()
}

// The code that Await is given is async, wherever it stands.
func nested(r *view.Request) (view.Response, error) {
	_, err := bridge.Await(r, func(ctx context.Context) (int, error) {
		_, _ = bridge.Await(r, fetch) // want `the function literal has a ctx, so it is async, and no sync frame is there for bridge.Await`
		store.Titles()                // want `sync-only`
		return bridge.RunSync(ctx, func() (int, error) {
			store.Titles()
			return bridge.Await(r, fetch)
		})
	})
	return nil, err
}

type generic[T any] struct{ v T }

func (generic[T]) load(r *view.Request) { _, _ = loadUser(r) }

func useGeneric(ctx context.Context, r *view.Request) {
	generic[int]{}.load(r) // want `sync-only \(synccall.generic.load → synccall.loadUser → bridge.Await\)`
}

var hook = func() {
	store.Titles() // want `callsOwnHook has a ctx`
}

func callsOwnHook(ctx context.Context) { hook() }

// A handler is run here, by what is known of it.
func callsHandler(ctx context.Context) {
	serve(func(http.ResponseWriter, *http.Request) {
		store.Titles() // want `callsHandler has a ctx`
	})
}

func serve(f func(http.ResponseWriter, *http.Request)) { f(nil, nil) }
