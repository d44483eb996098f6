package view

import "github.com/tandem-go/tandem/bridge"

// Pinned runs the route's sync code, view and middleware, on one OS thread of each
// request's own, with permits of the Blocking limiter: for cgo and whatever else
// keeps state per thread; see [bridge.Pinned]. It costs two thread switches a
// crossing, and the first of a request makes the thread. With [CPU] or [On], whose
// code runs elsewhere, it is a contradiction, and whatever makes the route panics.
func Pinned() RouteOption { return func(rt *Route) { rt.pinned = true } }

// with applies options.
func (rt Route) with(opts []RouteOption) Route {
	for _, o := range opts {
		o(&rt)
	}
	switch {
	case !rt.pinned:
	case rt.cpu:
		panic("view: the route " + rt.pattern + " is Pinned and CPU: pinned code takes Blocking permits; leave one of the two out")
	case rt.limiter != nil:
		panic("view: the route " + rt.pattern + " is Pinned and On(" + rt.limiter.Name() + "): pinned code takes Blocking permits; leave one of the two out")
	}
	return rt
}

// options are those of the frames that the route's sync code runs in.
func (rt Route) options(lim *bridge.Limiter) []bridge.SyncOption {
	if rt.pinned {
		return []bridge.SyncOption{bridge.As(rt.view), bridge.Pinned()}
	}
	return []bridge.SyncOption{bridge.As(rt.view), bridge.On(lim)}
}
