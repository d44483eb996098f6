package otel

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/tandem-go/tandem/trace"
)

// scope names what makes the spans and metrics.
const scope = "github.com/tandem-go/tandem/otel"

// DefaultFlush bounds [Telemetry.Shutdown].
const DefaultFlush = 5 * time.Second

// Telemetry makes spans and metrics. Its methods are safe for concurrent use. A nil
// one, as [FromEnv] gives where nothing is to be exported, makes none and costs nothing.
type Telemetry struct {
	tracer   oteltrace.Tracer
	shutdown []func(context.Context) error

	served  metric.Float64Histogram // requests
	queued  metric.Float64Histogram // their wait for permits
	active  metric.Int64UpDownCounter
	called  metric.Float64Histogram // other services
	queried metric.Float64Histogram // databases
}

// The bounds of the buckets that the conventions want, in seconds.
var (
	ofRequests   = []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10}
	ofStatements = []float64{0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10}
)

// With makes a Telemetry that uses the caller's providers, which stay the caller's:
// Shutdown leaves them alone.
func With(spans oteltrace.TracerProvider, metrics metric.MeterProvider) (*Telemetry, error) {
	meter := metrics.Meter(scope, metric.WithSchemaURL(semconv.SchemaURL))
	var failed []error
	seconds := func(name, about string, bounds []float64) metric.Float64Histogram {
		h, err := meter.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(about), metric.WithExplicitBucketBoundaries(bounds...))
		failed = append(failed, err)
		return h
	}
	active, err := meter.Int64UpDownCounter("http.server.active_requests", metric.WithUnit("{request}"), metric.WithDescription("Number of active HTTP server requests."))
	t := &Telemetry{
		tracer: spans.Tracer(scope, oteltrace.WithSchemaURL(semconv.SchemaURL)), active: active,
		served:  seconds("http.server.request.duration", "Duration of HTTP server requests.", ofRequests),
		queued:  seconds("tandem.server.request.queue_wait", "Time that requests waited for turns and permits.", ofRequests),
		called:  seconds("http.client.request.duration", "Duration of HTTP client requests.", ofRequests),
		queried: seconds("db.client.operation.duration", "Duration of database client operations.", ofStatements),
	}
	if err := errors.Join(append(failed, err)...); err != nil {
		return nil, fmt.Errorf("otel: make the metrics: %w", err)
	}
	return t, nil
}

// Shutdown sends what there is and ends the exporters of [FromEnv]. It takes no longer
// than ctx, and no longer than [DefaultFlush]: what is not out by then is lost, which the
// error says. It is a stop function for worker.Lifespan, so that the spans of all
// requests are there by then.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	if t == nil || len(t.shutdown) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, DefaultFlush)
	defer cancel()
	failed := make(chan error, len(t.shutdown))
	for _, f := range t.shutdown { // beside each other, as one that hangs must not cost the other its time
		go func() { failed <- f(ctx) }()
	}
	var all error
	for range t.shutdown {
		all = errors.Join(all, <-failed)
	}
	if all != nil {
		return fmt.Errorf("otel: send the last spans and metrics: %w", all)
	}
	return nil
}

// fromOTel is a place in a trace as package trace has it.
func fromOTel(c oteltrace.SpanContext) trace.SpanContext {
	return trace.SpanContext{
		TraceID: trace.TraceID(c.TraceID()), SpanID: trace.SpanID(c.SpanID()),
		Flags: trace.Flags(c.TraceFlags()) & (trace.Sampled | trace.Random), State: c.TraceState().String(),
	}
}

// toOTel is the opposite. A tracestate that OpenTelemetry does not read goes no further.
func toOTel(c trace.SpanContext) oteltrace.SpanContext {
	config := oteltrace.SpanContextConfig{
		TraceID: oteltrace.TraceID(c.TraceID), SpanID: oteltrace.SpanID(c.SpanID), TraceFlags: oteltrace.TraceFlags(c.Flags), Remote: true,
	}
	if c.State != "" {
		config.TraceState, _ = oteltrace.ParseTraceState(c.State)
	}
	return oteltrace.NewSpanContext(config)
}

func since(began time.Time) float64 { return time.Since(began).Seconds() }

// methods are those that the conventions know. All others are one: what a client
// makes up must not become a name.
var methods = map[string]attribute.KeyValue{}

func init() {
	for _, m := range []attribute.KeyValue{
		semconv.HTTPRequestMethodConnect, semconv.HTTPRequestMethodDelete, semconv.HTTPRequestMethodGet, semconv.HTTPRequestMethodHead,
		semconv.HTTPRequestMethodOptions, semconv.HTTPRequestMethodPatch, semconv.HTTPRequestMethodPost, semconv.HTTPRequestMethodPut,
		semconv.HTTPRequestMethodTrace,
	} {
		methods[m.Value.AsString()] = m
	}
}

// method is the attribute of a request's method, and what spans are named by.
func method(m string) (attribute.KeyValue, string) {
	if known, ok := methods[m]; ok {
		return known, m
	}
	return semconv.HTTPRequestMethodOther, "HTTP"
}
