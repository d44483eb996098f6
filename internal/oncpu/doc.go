// Package oncpu finds code that computes where it should wait.
//
// Invariant: what it says of code was measured by the CPU clock of the thread
// that ran it. Waiting, for a permit, a CPU or anything else, is nobody's fault
// here, however busy the machine is.
//
// A route samples its calls: the first few, then about one in 64, and one in 1024
// where nothing was ever found. A sampled call has its OS thread for itself until
// its function returns, so that the thread's clock is the call's. A call that is
// not sampled pays for a load and a random number.
//
// Smallest use:
//
//	route := watcher.Route("GET /report/", "app.report")
//	if w := route.Watch(); w != nil { // a sampled call
//		ctx = w.Context(ctx)           // bridge finds it there
//		w.Run(func() { f(ctx) })
//	}
//
// The call begins as async code. Bridge tells where a sync frame begins and where
// one awaits; each is accounted for by itself. Of async code it
// finds that it has used 10 ms of CPU with less than a millisecond of waiting in
// between, and where, by its stack; of sync code that holds a permit of a limiter
// for code that waits, that it has used the CPU for most of its time.
package oncpu
