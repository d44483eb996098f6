package otel

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/trace"
	"github.com/tandem-go/tandem/view"
)

// Requests is [trace.Requests] with a span for each request: from its arrival to the
// end of its answer, of its stream or its WebSocket. It takes that one's place, and its
// options; one of them may not be trace.Start. It is in the context of the request, so
// that spans of the program's own are below it, and its ids are what trace.FromContext
// returns.
//
// Its name is the method and the route. Beside the conventions' attributes it has tandem.colour,
// tandem.crossings, tandem.queue_wait (seconds, for turns and permits) and
// tandem.queries. Its status is an error where the server is to blame: an answer of 500 and
// more, a panic, an answer that was cut.
//
// Metrics: http.server.request.duration, http.server.active_requests, and
// tandem.server.request.queue_wait of requests whose code needed a permit.
func (t *Telemetry) Requests(opts ...trace.Option) view.Option {
	if t == nil {
		return trace.Requests(opts...)
	}
	carry, observe := trace.Requests(append(opts, trace.Start(t.begin))...), view.Observe(t.end)
	return func(a *view.App) { carry(a); observe(a) }
}

// operation is a request on its way.
type operation struct {
	span   oteltrace.Span
	method attribute.KeyValue
	active metric.MeasurementOption // the scheme is the connection's; what the client speaks is known at the end
}

type operationKey struct{}

// begin starts the span of a request.
func (t *Telemetry) begin(ctx context.Context, r *http.Request, caller trace.SpanContext) (context.Context, trace.SpanContext) {
	if caller.Valid() {
		ctx = oteltrace.ContextWithRemoteSpanContext(ctx, toOTel(caller))
	}
	scheme := semconv.URLScheme("http")
	if r.TLS != nil {
		scheme = semconv.URLScheme("https")
	}
	verb, name := method(r.Method)
	op := &operation{method: verb, active: metric.WithAttributeSet(attribute.NewSet(verb, scheme))}
	// What samplers may look at; the rest is for those that are recorded.
	ctx, op.span = t.tracer.Start(ctx, name, oteltrace.WithSpanKind(oteltrace.SpanKindServer),
		oteltrace.WithAttributes(verb, scheme, semconv.URLPath(r.URL.Path)))
	if op.span.IsRecording() {
		op.span.SetAttributes(ofRequest(r)...)
	}
	t.active.Add(ctx, 1, op.active)
	ctx = context.WithValue(ctx, operationKey{}, op)
	if c := fromOTel(op.span.SpanContext()); c.Valid() && c.SpanID != caller.SpanID {
		return ctx, c
	}
	// A provider that makes no spans.
	if caller.Valid() {
		return ctx, caller.Child()
	}
	return ctx, trace.New()
}

func ofRequest(r *http.Request) []attribute.KeyValue {
	attrs := []attribute.KeyValue{
		semconv.ClientAddress(hostOf(r.RemoteAddr)),
	}
	host, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	attrs = append(attrs, semconv.ServerAddress(host))
	if n, err := strconv.ParseUint(port, 10, 16); err == nil {
		attrs = append(attrs, semconv.ServerPort(int(n)))
	}
	if agent := r.UserAgent(); agent != "" {
		attrs = append(attrs, semconv.UserAgentOriginal(agent))
	}
	if _, known := methods[r.Method]; !known {
		attrs = append(attrs, semconv.HTTPRequestMethodOriginal(r.Method))
	}
	return attrs
}

// versionOf is a protocol's version: 1.0, 1.1, 2 or 3.
func versionOf(proto string) attribute.KeyValue {
	version := strings.TrimPrefix(proto, "HTTP/")
	if major, found := strings.CutSuffix(version, ".0"); found && major != "1" {
		version = major
	}
	return semconv.NetworkProtocolVersion(version)
}

// hostOf is an address without its port, as that of a Unix socket has none.
func hostOf(addr string) string {
	if host, _, err := net.SplitHostPort(addr); err == nil {
		return host
	}
	return addr
}

// end ends the span of a request, and counts it.
func (t *Telemetry) end(r *view.Request, o view.Outcome) {
	op, ok := view.Value[*operation](r, operationKey{})
	if !ok {
		return // its context is not the app's own
	}
	ctx := oteltrace.ContextWithSpan(context.Background(), op.span) // for exemplars
	t.active.Add(ctx, -1, op.active)
	attrs := []attribute.KeyValue{op.method, semconv.URLScheme(r.Scheme()), versionOf(r.Proto())}
	if answered(o.Status) {
		attrs = append(attrs, semconv.HTTPResponseStatusCode(o.Status))
	}
	if route := routeOf(o.Plan); route != "" {
		attrs = append(attrs, semconv.HTTPRoute(route))
	}
	failure, blame := failureOf(o)
	if failure != "" {
		attrs = append(attrs, semconv.ErrorTypeKey.String(failure))
	}
	set := metric.WithAttributeSet(attribute.NewSet(attrs...))
	t.served.Record(ctx, o.Duration.Seconds(), set)
	if o.Plan != nil && o.Plan.Limiter != "" || o.QueueWait > 0 {
		t.queued.Record(ctx, o.QueueWait.Seconds(), set)
	}
	if op.span.IsRecording() {
		if blame {
			op.span.SetStatus(codes.Error, "")
		}
		op.finish(r, o, attrs)
	}
	op.span.End()
}

// finish gives the span what is known at the end.
func (op *operation) finish(r *view.Request, o view.Outcome, attrs []attribute.KeyValue) {
	if o.Plan != nil {
		if _, name := method(r.Method()); routeOf(o.Plan) != "" {
			op.span.SetName(name + " " + routeOf(o.Plan))
		}
		attrs = append(attrs, attribute.String("tandem.colour", o.Plan.Colour.String()), semconv.CodeFunctionName(o.Plan.View))
	}
	op.span.SetAttributes(append(attrs,
		semconv.HTTPResponseBodySize(int(o.Bytes)), semconv.HTTPRequestBodySize(int(o.Received)),
		attribute.String("tandem.request_id", r.ID()),
		attribute.Int("tandem.crossings", o.Crossings), attribute.Int("tandem.queries", o.Queries),
		attribute.Float64("tandem.queue_wait", o.QueueWait.Seconds()))...)
	if o.FirstByte > 0 {
		op.span.AddEvent("tandem.first_byte", oteltrace.WithTimestamp(time.Now().Add(o.FirstByte-o.Duration)))
	}
}

// answered says whether a client was told a status.
func answered(status int) bool { return status != 0 && status != view.StatusClientGone }

// routeOf is a route's pattern without its method and host, which are attributes of
// their own, and without the mark that nothing comes behind it; "" for none.
func routeOf(p *view.RoutePlan) string {
	if p == nil || p.Pattern == "/" && p.View == "" || p.Name == "no route" {
		return ""
	}
	_, path, _ := strings.Cut(p.Pattern, "/")
	return "/" + strings.TrimSuffix(path, "{$}")
}

// failureOf is what went wrong with a request, as one of few words, and whether the
// server is to blame for it.
func failureOf(o view.Outcome) (kind string, blame bool) {
	var panicked *bridge.PanicError
	switch {
	case errors.As(o.Err, &panicked):
		return "panic", true
	case o.Status == view.StatusClientGone:
		return "client_gone", false
	case o.Status == 0:
		return "cut", true
	case o.Status >= 500:
		return strconv.Itoa(o.Status), true
	case o.Err != nil && o.Status < 400 && o.Status != http.StatusSwitchingProtocols:
		return "cut", true // after the header had gone
	}
	return "", false
}
