package view

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/tandem-go/tandem/bridge"
)

// RoutePlan is how one route's requests run. It is settled before the first
// request; nothing of it is looked up per request.
type RoutePlan struct {
	Pattern   string
	Name      string
	View      string        // the view function's name, or the type's of a [Resource]
	Methods   []string      // what a Resource answers, sorted; nil for others: it is in the pattern
	Colour    Mode          // the view's
	Layers    []LayerPlan   // middleware, outermost first
	Crossings int           // between async and sync, for a request that reaches the view
	Deadline  time.Duration // of a request; 0: it has none
	Limiter   string        // where its sync code takes permits; "" if it has none
	Types     *Types        // what it takes and answers; nil if that is not known
	Doc       Documentation
	Pinned    bool // its sync code runs on one thread per request; see [Pinned]
}

// LayerPlan is one piece of middleware and the mode it runs in.
type LayerPlan struct {
	Name string
	Mode Mode
}

// stage is a view with the middleware around it so far. One field is set.
type stage struct {
	async AsyncView
	sync  SyncView
}

func (s stage) mode() Mode {
	if s.async != nil {
		return Async
	}
	return Sync
}

// builder composes one route's stages, inside out.
type builder struct {
	plan RoutePlan
	opts []bridge.SyncOption
	stage
	decode func(*Request) any // until there is a crossing to do it at
}

// to makes the stage one of the wanted mode, crossing if it must.
func (b *builder) to(want Mode) {
	if b.mode() == want {
		return
	}
	b.plan.Crossings++
	if want == Async {
		b.stage = stage{async: b.toAsync(b.sync)}
	} else {
		b.stage = stage{sync: toSync(b.async)}
	}
}

// wrap puts a piece of middleware around the stage. outer is the mode that the
// next one of a single mode outside of it has. One of both modes is async unless
// that costs crossings: it is sync between sync and sync. Where it stands between
// async and sync the crossing could be on either side of it; inside, it holds no
// permit, and sees what becomes of those who find none.
func (b *builder) wrap(m Middleware, outer Mode) {
	switch {
	case m.async == nil:
		b.to(Sync)
	case m.sync == nil, outer == Async:
		b.to(Async)
	}
	if b.mode() == Async {
		b.stage = stage{async: settledAsync(m.async(b.async))}
	} else {
		b.stage = stage{sync: settledSync(m.sync(b.sync))}
	}
	b.plan.Layers = append(b.plan.Layers, LayerPlan{m.name, b.mode()})
}

// toAsync is the crossing into sync code. The body is read first, outside the
// permit.
func (b *builder) toAsync(f SyncView) AsyncView {
	opts, decode, letGo := b.opts, b.decode, b.plan.Deadline > 0
	apart := slices.Concat(opts, []bridge.SyncOption{bridge.Abandonable()})
	b.decode = nil
	alone := len(b.plan.Layers) == 0
	return func(ctx context.Context, r *Request) (Response, error) {
		r.crossings.Add(1)
		if err := r.readAhead(); err != nil {
			return r.failed(err), err
		}
		if decode != nil {
			// A permit is for the view. Bad input is told at once if no middleware
			// in between has a say before it.
			if err := r.decodeAhead(decode); err != nil && alone {
				return r.failed(err), err
			}
		}
		if letGo && !r.limit.apart {
			return r.runApart(ctx, f, apart)
		}
		resp, err := bridge.RunSync(ctx, func() (Response, error) { return f(r) }, opts...)
		return r.settle(resp, err)
	}
}

// toSync is the crossing into async code.
func toSync(f AsyncView) SyncView {
	return func(r *Request) (Response, error) {
		r.crossings.Add(1)
		resp, err := bridge.Await(r, func(ctx context.Context) (Response, error) { return f(ctx, r) })
		return r.settle(resp, err)
	}
}

// settledAsync makes a layer answer with a Response whatever happens below it:
// errors and panics become responses here, so that the layer above can add its
// headers to them.
func settledAsync(f AsyncView) AsyncView {
	return func(ctx context.Context, r *Request) (resp Response, err error) {
		defer r.caught(&resp, &err)
		resp, err = f(ctx, r)
		return r.settle(resp, err)
	}
}

func settledSync(f SyncView) SyncView {
	return func(r *Request) (resp Response, err error) {
		defer r.caught(&resp, &err)
		resp, err = f(r)
		return r.settle(resp, err)
	}
}

// outers says for each piece of middleware what mode there is outside of it: that
// of the nearest one with a single mode, else that of whoever calls them all.
func (a *App) outers(ms []Middleware) []Mode {
	outer := Async
	if a.syncOnly {
		outer = Sync
	}
	all := make([]Mode, len(ms))
	for i, m := range ms {
		all[i] = outer
		switch {
		case m.http != nil:
		case m.async == nil:
			outer = Sync
		case m.sync == nil:
			outer = Async
		}
	}
	return all
}

// build settles the plan of a route and composes its handler.
func (a *App) build(rt Route) (RoutePlan, http.Handler) {
	b := builder{plan: RoutePlan{Pattern: rt.pattern, Name: rt.name, View: rt.view, Methods: rt.methods, Colour: rt.inner.mode(), Types: rt.types, Doc: rt.doc}, decode: rt.decode}
	b.plan.Deadline = a.deadlineOf(rt)
	if b.plan.Name == "" {
		b.plan.Name = rt.view
	}
	lim := rt.limiter
	switch {
	case lim != nil:
	case rt.cpu:
		lim = a.limits.CPU
	default:
		lim = a.limits.Blocking
	}
	b.opts = rt.options(lim)
	if rt.inner.async != nil {
		b.stage = stage{async: settledAsync(rt.inner.async)}
	} else {
		b.stage = stage{sync: settledSync(rt.inner.sync)}
	}
	ms := slices.Concat(a.middleware, rt.ms)
	outers := a.outers(ms)
	for i := len(ms) - 1; i >= 0; i-- {
		if ms[i].http == nil {
			b.wrap(ms[i], outers[i])
		}
	}
	if a.syncOnly {
		b.to(Sync)
	}
	b.to(Async)

	plan := &RoutePlan{}
	e := &endpoint{
		app: a, route: a.watcher.Route(rt.pattern, rt.view), plan: plan, labels: routeLabels(rt.pattern), view: b.async,
		maxBody: rt.maxBody, socket: rt.socket, late: errDeadline(b.plan.Deadline),
	}
	if e.maxBody == 0 {
		e.maxBody = a.maxBody
	}
	var h http.Handler = e
	for i := len(ms) - 1; i >= 0; i-- {
		if ms[i].http != nil {
			h = ms[i].http(h)
			b.plan.Layers = append(b.plan.Layers, LayerPlan{ms[i].name, Native})
		}
	}
	slices.Reverse(b.plan.Layers)
	if b.plan.Crossings > 0 {
		b.plan.Limiter = lim.Name()
		b.plan.Pinned = rt.pinned
	}
	*plan = b.plan
	if h != http.Handler(e) {
		h = &front{app: a, plan: plan, next: h}
	}
	return b.plan, h
}
