// Package history keeps the last hour of a service, a sample a second, and tells
// who watches it what comes.
//
// Invariant: its memory is fixed (see [Size]) whatever the workers do and however
// many there are, and whoever watches never holds it up: who is too slow is let
// go. No count in it is negative, and none of it is a worker's own word: numbers
// only.
//
// Smallest use:
//
//	recorder := history.New(history.Options{Source: watcher.Metrics})
//	go recorder.Run(ctx)
//
//	watch := recorder.Watch(1) // a sample a second
//	defer watch.End()
//	past := watch.Past         // up to an hour, the oldest first
//	for tick := range watch.C { … }
package history
