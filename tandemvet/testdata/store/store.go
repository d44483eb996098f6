// Package store is what the packages of the other tests import: its facts must reach them.
package store

import (
	"context"

	"github.com/tandem-go/tandem/bridge"
)

type Query struct{}

// All blocks.
//
//tandem:synconly
func (Query) All() []string { return nil } // want All:`sync-only: store.Query.All`

// Sync gives it the scope that it is for.
func (q Query) Sync(bridge.Scoped) Query { return q }

// Finder is sync too.
type Finder interface {
	// Find blocks.
	//
	//tandem:synconly
	Find(id int) string // want Find:`sync-only: store.Finder.Find`
	Close() error
}

// Base is embedded by others.
type Base struct{}

//tandem:synconly
func (*Base) Save() error { return nil } // want Save:`sync-only: store.Base.Save`

// Titles is sync-only by what it calls.
func Titles() []string { // want Titles:`sync-only: store.Titles → store.Query.All`
	return Query{}.All()
}

// Fetch is by way of a literal that it runs itself.
func Fetch(s bridge.Scoped) (n int, err error) { // want Fetch:`sync-only: store.Fetch → bridge.Await`
	func() {
		n, err = bridge.Await(s, func(context.Context) (int, error) { return 1, nil })
	}()
	return n, err
}

// Job has a scope of its own, so anybody may call it.
func Job() error {
	job := bridge.NewRoot(context.Background(), bridge.Limits{})
	defer job.Close()
	_, err := Fetch(job)
	return err
}

// JobQuery has one too, and hands it to the query.
func JobQuery() []string {
	job := bridge.NewRoot(context.Background(), bridge.Limits{})
	defer job.Close()
	return Query{}.Sync(job).All()
}

// Later returns what is sync-only; it is not that itself.
func Later() func() []string {
	return func() []string { return Query{}.All() }
}

// Background starts it elsewhere.
func Background() {
	go func() { Query{}.All() }()
	go Titles()
}

// Async has a ctx, so it is none.
func Async(ctx context.Context) ([]string, error) { // want Async:`crosses: store.Async → bridge.RunSync`
	return bridge.RunSync(ctx, func() ([]string, error) { return Query{}.All(), nil })
}

// InFrame runs f as sync code.
func InFrame(ctx context.Context, f func() error) error { // want InFrame:`runs: \[- sync\]` InFrame:`crosses: store.InFrame → bridge.RunSync`
	_, err := bridge.RunSync(ctx, func() (int, error) { return 0, f() })
	return err
}

// Twice runs f itself.
func Twice(f func() error) error { // want Twice:`runs: \[inline\]`
	if err := f(); err != nil {
		return err
	}
	return Once(f)
}

// Once does, on behalf of Twice.
func Once(f func() error) error { // want Once:`runs: \[inline\]`
	if f == nil {
		return nil
	}
	return f()
}

// Start runs f on a goroutine.
func Start(f func()) { // want Start:`runs: \[spawned\]`
	go f()
}

var hooks []func()

// Keep stores f.
func Keep(f func()) { hooks = append(hooks, f) }

// Each is generic, and calls itself.
func Each[T any](in []T, f func(T)) { // want Each:`runs: \[- inline\]`
	if len(in) > 0 {
		f(in[0])
		Each(in[1:], f)
	}
}

// Both runs f in both colours: what that makes of f cannot be told.
func Both(ctx context.Context, f func() error) { // want Both:`runs: \[- sync\|inline\]` Both:`crosses: store.Both → bridge.RunSync`
	_ = f()
	_, _ = bridge.RunSync(ctx, func() (int, error) { return 0, f() })
}

var Report = bridge.SyncToAsync(func(id int) (string, error) { return "", nil }) // want Report:"adapter"

// Tx belongs to one goroutine at a time.
//
//tandem:transaction
type Tx struct{} // want Tx:"transaction"

func (*Tx) Exec(context.Context, string) error { return nil }
