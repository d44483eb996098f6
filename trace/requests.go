package trace

import (
	"context"
	"net/http"
	"strings"

	"github.com/tandem-go/tandem/view"
)

// The names of the header fields, as package http has them.
const (
	parentField = "Traceparent"
	stateField  = "Tracestate"
)

// Extract reads the caller's place in a trace from a request's header. Without
// exactly one traceparent that is right there is none, and an error; a tracestate that
// is wrong is left out.
func Extract(h http.Header) (SpanContext, error) {
	given := h[parentField]
	if len(given) != 1 {
		return SpanContext{}, errNone
	}
	c, err := ParseTraceparent(strings.Trim(given[0], " \t"))
	if err != nil {
		return SpanContext{}, err
	}
	if fields := h[stateField]; len(fields) > 0 {
		c.State, _ = ParseTracestate(fields...)
	}
	return c, nil
}

// Inject writes c into the header of a request to another server, in the place of
// what is there; a c that is not valid leaves neither field.
func (c SpanContext) Inject(h http.Header) {
	delete(h, parentField)
	delete(h, stateField)
	if !c.Valid() {
		return
	}
	h[parentField] = []string{c.Traceparent()}
	if c.State != "" {
		h[stateField] = []string{c.State}
	}
}

type requests struct {
	trusts func(*http.Request) bool
	start  func(context.Context, *http.Request, SpanContext) (context.Context, SpanContext)
}

// Option configures [Requests].
type Option func(*requests)

// Trust says whose traces are continued: those of requests that f accepts. All others
// start one of their own, and what they sent of another goes no further. Without it all
// are continued, which is right behind a gateway that starts traces. Where anybody
// may call, a caller chooses by its trace what is recorded, and puts requests into
// traces of others: an edge trusts nobody.
//
//	trace.Requests(trace.Trust(func(*http.Request) bool { return false }))
//
// f is called on the request's goroutine, before any middleware, and must be safe
// for concurrent use.
func Trust(f func(*http.Request) bool) Option { return func(q *requests) { q.trusts = f } }

// Start has f begin a request's operation, for exporters: it returns the context of
// the request, under ctx, and its place in the trace. caller is where the trace is
// continued from; the zero value where one starts. The default is caller.Child() or
// [New], which leave the flag [Sampled] as the caller has set it. f must be safe for
// concurrent use.
func Start(f func(ctx context.Context, r *http.Request, caller SpanContext) (context.Context, SpanContext)) Option {
	return func(q *requests) { q.start = f }
}

func start(ctx context.Context, _ *http.Request, caller SpanContext) (context.Context, SpanContext) {
	if caller.Valid() {
		return ctx, caller.Child()
	}
	return ctx, New()
}

// Requests gives each request its place in a trace: the one that its caller has sent
// goes on, or one starts. It is an option of [view.New], made of
// [view.RequestContext], so that all have it: middleware, views of both colours, the
// requests that no route takes. [FromContext] and [Of] return it.
func Requests(opts ...Option) view.Option {
	q := requests{start: start}
	for _, o := range opts {
		o(&q)
	}
	return view.RequestContext(func(ctx context.Context, r *http.Request) context.Context {
		var caller SpanContext
		if q.trusts == nil || q.trusts(r) {
			caller, _ = Extract(r.Header) // what is wrong starts a trace
		}
		ctx, c := q.start(ctx, r, caller)
		return NewContext(ctx, c)
	})
}
