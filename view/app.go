package view

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/internal/oncpu"
)

// DefaultMaxBody bounds request bodies where nothing else is said, in bytes.
const DefaultMaxBody = 10 << 20

// App is an [http.Handler] made of routes and middleware. Routes and Use come
// first; the first request, Settle or Plan settles both. Then it is safe for concurrent
// use.
type App struct {
	limits     bridge.Limits
	log        *slog.Logger
	maxBody    int64
	deadline   time.Duration // 0 or less: none
	syncOnly   bool
	rawPaths   bool
	middleware []Middleware
	routes     []Route
	contexts   []func(context.Context, *http.Request) context.Context
	observers  []func(*Request, Outcome)
	timed      func(*http.Request) bool // asks for Server-Timing; nil: nobody gets it
	errorPage  func(io.Writer, ErrorPage) error

	settle  sync.Once
	logged  sync.Once // the plan has been
	settled atomic.Bool
	mux     *http.ServeMux // serves
	known   *http.ServeMux // the routes alone: tells 404 from 405
	rest    rest           // serves what no other route takes
	plan    []RoutePlan
	watcher oncpu.Watcher
}

// Option configures an [App].
type Option func(*App)

// Limits sets the limiters sync views take their permits from. Nil ones are those
// of [bridge.DefaultLimits].
func Limits(l bridge.Limits) Option { return func(a *App) { a.limits = l } }

// Logger sets where errors and panics are logged; the default is slog.Default.
func Logger(l *slog.Logger) Option { return func(a *App) { a.log = l } }

// BodyLimit bounds request bodies, in bytes; a route's [MaxBody] comes first.
// Less than zero: no bound.
func BodyLimit(n int64) Option { return func(a *App) { a.maxBody = n } }

// SyncOnly makes every request take a permit, as under a server of sync workers:
// async views are awaited from sync code, and like all that is awaited they run
// while the permit is given back.
func SyncOnly() Option { return func(a *App) { a.syncOnly = true } }

// RequestContext has f called for each request before anything else, middleware and
// the choice of a route included; the context that it returns, under ctx, is that of
// the request. [Value] finds there what f has put into it. Several are called in the
// order given; each gets what the one before returned. f must be safe for concurrent
// use and must not change the request.
func RequestContext(f func(ctx context.Context, r *http.Request) context.Context) Option {
	return func(a *App) { a.contexts = append(a.contexts, f) }
}

// New makes an App without routes.
func New(opts ...Option) *App {
	a := &App{maxBody: DefaultMaxBody, mux: http.NewServeMux(), known: http.NewServeMux()}
	for _, o := range opts {
		o(a)
	}
	def := bridge.DefaultLimits()
	if a.limits.Blocking == nil {
		a.limits.Blocking = def.Blocking
	}
	if a.limits.CPU == nil {
		a.limits.CPU = def.CPU
	}
	return a
}

// Limits returns the limiters that the app's sync views take permits from.
func (a *App) Limits() bridge.Limits { return a.limits }

// Routes adds routes. Like [http.ServeMux.Handle] it panics where a pattern is
// malformed or conflicts with one that is there.
func (a *App) Routes(routes ...Route) {
	a.mustBeOpen("Routes")
	for _, rt := range routes {
		a.known.Handle(rt.pattern, http.NotFoundHandler())
	}
	a.routes = append(a.routes, routes...)
}

// Use adds middleware around every route; the first is outermost.
func (a *App) Use(ms ...Middleware) {
	a.mustBeOpen("Use")
	a.middleware = append(a.middleware, ms...)
}

func (a *App) logger() *slog.Logger {
	if a.log != nil {
		return a.log
	}
	return slog.Default()
}

func (a *App) mustBeOpen(what string) {
	if a.settled.Load() {
		panic("view: App." + what + " after the first request or Plan: routes and middleware are settled by then")
	}
}

// Settle settles routes and middleware and logs the plan: at Info that it is
// settled, at Debug each route. The first request does so, and a server that is
// about to serve may do it before. Only the first call does anything.
func (a *App) Settle() { a.logged.Do(a.logPlan) }

// Plan returns how each route's requests run, in the order of Routes.
func (a *App) Plan() []RoutePlan {
	a.settle.Do(a.compose)
	return append([]RoutePlan(nil), a.plan...)
}

func (a *App) compose() {
	a.watcher.Log = a.log
	a.settled.Store(true)
	for _, rt := range a.routes {
		plan, h := a.build(rt)
		a.plan = append(a.plan, plan)
		a.mux.Handle(rt.pattern, h)
		if wildcard, all := takesAll(rt.pattern); all {
			a.rest = rest{h, rt.pattern, wildcard}
		}
	}
	if a.rest.handler == nil { // so that middleware sees 404 and 405 as it sees all else
		_, h := a.build(Path("/", a.missed, Name("no route")))
		a.rest = rest{handler: h, pattern: "/"}
		a.mux.Handle("/", h)
	}
}

// ServeHTTP serves one request. What no route takes gets a 404, or a 405 with
// Allow, through the middleware of Use like all else.
func (a *App) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.logged.Do(a.logPlan)
	if a.contexts != nil {
		ctx := r.Context()
		for _, f := range a.contexts {
			ctx = f(ctx, r)
		}
		r = r.WithContext(ctx)
	}
	if a.observers != nil {
		a.observe(w, r)
		return
	}
	a.serve(w, r)
}

// missed is the view of requests that no route takes: 404, or 405 where only the
// method is wrong.
func (a *App) missed(_ context.Context, r *Request) (Response, error) {
	if a.raw(r.http) {
		return nil, notFound()
	}
	h, pattern := a.known.Handler(r.http)
	if pattern != "" { // a redirect to the canonical path
		return HTTP(h), nil
	}
	var rec probe
	h.ServeHTTP(&rec, r.http)
	if rec.code == http.StatusMethodNotAllowed {
		return nil, methodNotAllowed(rec.header.Get("Allow"))
	}
	return nil, notFound()
}

func notFound() *Error { return &Error{Status: http.StatusNotFound, Message: "not found"} }

// probe takes what ServeMux would answer, without its body.
type probe struct {
	header http.Header
	code   int
}

func (p *probe) Header() http.Header {
	if p.header == nil {
		p.header = http.Header{}
	}
	return p.header
}
func (p *probe) WriteHeader(code int)        { p.code = code }
func (p *probe) Write(b []byte) (int, error) { return len(b), nil }

// endpoint is a route's handler.
type endpoint struct {
	app     *App
	route   *oncpu.Route
	plan    *RoutePlan
	labels  context.Context
	view    AsyncView
	maxBody int64
	socket  bool
	late    error // the cause of its deadline
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, hr *http.Request) {
	// A worker lists its requests by pattern, and could not know it before.
	if server, ok := told[interface{ Route(pattern string) }](w); ok {
		server.Route(hr.Pattern)
	}
	r := &Request{http: hr, app: e.app, out: output{ResponseWriter: w}, sent: hr.Body}
	r.out.of = r
	// Of a body that middleware decodes what was sent is bounded as well.
	if coded, ok := hr.Body.(interface{ Limit(n int64) }); ok && e.maxBody >= 0 {
		coded.Limit(e.maxBody)
	}
	if hr.Body != nil && hr.Body != http.NoBody && e.app.observers != nil {
		r.came = &came{ReadCloser: hr.Body}
		hr.Body = r.came
	}
	if hr.Body != nil && hr.Body != http.NoBody && e.maxBody >= 0 {
		if hr.ContentLength > e.maxBody {
			hr.Body = &tooLarge{hr.Body, e.maxBody}
		} else {
			hr.Body = http.MaxBytesReader(w, hr.Body, e.maxBody)
		}
	}
	if e.app.observers != nil {
		r.seen = sightingOf(w, hr) // nil: middleware made a request of its own
	}
	var clock *stopwatch
	if e.app.timed != nil && e.app.timed(hr) {
		clock = r.startClock(e.plan)
	}
	defer pprof.SetGoroutineLabels(hr.Context())
	ctx, sample := r.label(hr.Context(), e.labels), e.route.Watch()
	if e.socket {
		ctx = r.tie(ctx)
	}
	if e.plan.Deadline > 0 {
		var cancel context.CancelFunc
		ctx, cancel = e.bound(ctx, r)
		defer cancel()
	}
	if sample != nil { // last: the scope looks for it in its own context alone
		ctx = sample.Context(ctx)
	}
	r.ctx = r.scope.Open(ctx, e.app.limits)
	if r.seen != nil {
		r.seen.reach(e.plan, r)
	}
	defer r.end()
	resp, err := e.answer(sample, r)
	clock.viewReturned()
	r.write(resp, err)
}

// came is a body that counts what is read of it.
type came struct {
	io.ReadCloser
	bytes atomic.Int64 // abandoned sync code may still read
}

func (c *came) Read(b []byte) (int, error) {
	n, err := c.ReadCloser.Read(b)
	c.bytes.Add(int64(n))
	return n, err
}

// count is how much was read; none of a body that there was not.
func (c *came) count() int64 {
	if c == nil {
		return 0
	}
	return c.bytes.Load()
}

// tooLarge is a body that says itself that it goes beyond its bound. Nothing of
// it is read, so a client that waits for "100 Continue" never sends it.
type tooLarge struct {
	io.Closer
	limit int64
}

func (t *tooLarge) Read([]byte) (int, error) { return 0, &http.MaxBytesError{Limit: t.limit} }
