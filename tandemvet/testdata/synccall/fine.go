package synccall

import (
	"context"
	"net/http"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/tandemvet/testdata/store"
	"github.com/tandem-go/tandem/view"
)

// Sync views are sync.
func syncView(r *view.Request) (view.Response, error) {
	store.Titles()
	if _, err := bridge.AsyncToSync(r, fetchOf)("q"); err != nil {
		return nil, err
	}
	return classic(r)
}

// So is sync middleware, and the literal that it returns.
func syncMiddleware(next view.SyncView) view.SyncView {
	return func(r *view.Request) (view.Response, error) {
		count(r)
		return next(r)
	}
}

// So is whatever runs in a frame.
func crossings(ctx context.Context, r *view.Request) (view.Response, error) {
	_, _ = bridge.RunSync(ctx, func() (int, error) { return bridge.Await(r, fetch) })
	_, _ = bridge.RunSyncScoped(ctx, func(s *bridge.Scope) (int, error) {
		func() { store.Titles() }()
		return store.Fetch(s)
	})
	_, _ = bridge.SyncToAsync(func(q string) (int, error) { store.Titles(); return 0, nil })(ctx, "q")
	_, _ = bridge.SyncToAsync(loadUser)(ctx, r)

	load := func() (int, error) { return bridge.Await(r, fetch) }
	_, _ = bridge.RunSync(ctx, load, bridge.Parallel())

	search := bridge.AsyncToSync(r, fetchOf) // made here, used there
	_, _ = bridge.RunSync(ctx, func() (int, error) { return search("q") })

	_ = store.InFrame(ctx, func() error { store.Titles(); return nil })
	inFrame(ctx, func() { store.Titles() })
	return bridge.RunSync(ctx, func() (view.Response, error) { return classic(r) })
}

// inFrame is a helper of the application's own, with two steps to the frame.
func inFrame(ctx context.Context, f func()) {
	_ = store.InFrame(ctx, func() error { f(); return nil })
}

// A job has a scope of its own, also where there is a ctx.
func job(ctx context.Context) error {
	root := bridge.NewRoot(ctx, bridge.Limits{})
	defer root.Close()
	scope := root.Scope()
	_, _ = bridge.Await(scope, fetch)
	_, _ = bridge.AsyncToSync(root, fetchOf)("q")
	store.Query{}.Sync(root).All()
	titles := store.Query{}.Sync(scope)
	titles.All()
	store.JobQuery()
	return guarded(root)
}

type runner struct{ scope *bridge.Scope }

// Whose scope a field holds cannot be told.
func (j *runner) run(ctx context.Context) { _, _ = store.Fetch(j.scope) }

// What is handed away, stored or returned is run elsewhere.
func elsewhere(ctx context.Context, r *view.Request, pool interface{ Submit(func()) }) func() {
	store.Keep(func() { store.Titles() })
	pool.Submit(func() { store.Titles() })
	f := store.Later()
	_ = f
	kept := []func(){func() { store.Titles() }}
	_ = kept
	store.Both(ctx, func() error { store.Titles(); return nil })
	mixed := func() { store.Titles() }
	mixed()
	_ = store.InFrame(ctx, func() error { mixed(); return nil })
	return func() { store.Titles() }
}

// Sibling goroutines are neither.
func siblings(ctx context.Context) {
	go store.Titles()
	go func() { store.Titles() }()
	store.Start(func() { store.Titles() })
	store.Background()
	_ = store.Job()
}

// A function or method value is not a call.
func values(ctx context.Context, p posts) (view.Route, func()) {
	_ = store.Titles
	_, _ = bridge.RunSync(ctx, func() (int, error) { p.save(); return 0, nil })
	return view.Path("/", classic), p.save
}

// Setup with a ctx is not below a view, and what it registers has types of its own.
func routes(ctx context.Context, mux *http.ServeMux) view.Route {
	mux.HandleFunc("/", func(http.ResponseWriter, *http.Request) { store.Titles() })
	mux.Handle("/x", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { store.Titles() }))
	_ = view.SyncView(classic) // a conversion is no call
	return view.Path("/y", func(r *view.Request) (view.Response, error) { return classic(r) })
}

// A handler may be served as sync (view.Sync) or as async.
func handle(w http.ResponseWriter, r *http.Request) {
	store.Titles()
}

// A variable of the same name as a sync-only function is not it.
func shadowed(ctx context.Context) {
	count := func(int) int { return 0 }
	count(1)
}

// A context of another package is none.
type Context struct{}

func notContext(ctx Context) { store.Titles() }

// Other methods of what embeds a marked one are fine.
func closes(ctx context.Context, f store.Finder) error { return f.Close() }

// What is marked is sync code itself, whatever it takes.
//
//tandem:synconly
func marked(ctx context.Context) { store.Titles() }

// Wrapped views keep their colour.
var wrapped = view.Path("/z", classic, view.With(view.Use(syncMiddleware), view.Both(passAsync, syncMiddleware)))

func passAsync(next view.AsyncView) view.AsyncView {
	return func(ctx context.Context, r *view.Request) (view.Response, error) { return next(ctx, r) }
}

// The shape of a view with another request is no view.
func notView(ctx context.Context, f func(*http.Request) (view.Response, error)) { _, _ = f(nil) }

// A helper that happens to be of a sync view's type, and is no view.
func denied(r *view.Request) (view.Response, error) { return view.Status(403), nil }

func denies(ctx context.Context, r *view.Request) (view.Response, error) { return denied(r) }

// Phases run in either colour.
var phased = view.Phases(phase, nil)

func phase(*view.Request) (view.Response, error) { return nil, nil }

func phases(ctx context.Context, r *view.Request) (view.Response, error) { return phase(r) }

// Several results are passed on as they are.
func both() (context.Context, *view.Request)     { return nil, nil }
func takes(ctx context.Context, r *view.Request) {}
func passes(ctx context.Context)                 { takes(both()) }
func passesOn(ctx context.Context, r *view.Request) {
	_ = bridge.Parallel()
	_ = make([]store.Query, 1)
	_ = append([]int{}, 1)
}

// Hook may be called from anywhere.
var Hook = func() { store.Titles() }

func callsHook(ctx context.Context) { Hook() }
