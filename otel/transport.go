package otel

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/tandem-go/tandem/trace"
)

// Transport is [trace.Transport] with a span for each request that is sent below
// another, until the answer's header is there. It is recorded without the URL's query and
// user, which may hold secrets; its path must not.
//
// Metric: http.client.request.duration, of all requests.
func (t *Telemetry) Transport(next http.RoundTripper) http.RoundTripper {
	carry := trace.Transport(next)
	if t == nil {
		return carry
	}
	return &transport{t: t, RoundTripper: next, carry: carry}
}

type transport struct {
	http.RoundTripper
	t     *Telemetry
	carry http.RoundTripper // what has no span goes by it
}

// RoundTrip is http.RoundTripper's.
func (c *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	began, ctx := time.Now(), r.Context()
	verb, name := method(r.Method)
	if r.Method == "" {
		verb, name = method(http.MethodGet)
	}
	attrs := []attribute.KeyValue{verb, semconv.ServerAddress(r.URL.Hostname()), semconv.ServerPort(portOf(r))}
	if !oteltrace.SpanContextFromContext(ctx).IsValid() {
		return c.withoutSpan(r, began, attrs)
	}
	outer := oteltrace.SpanContextFromContext(ctx).SpanID()
	ctx, span := c.t.tracer.Start(ctx, name, oteltrace.WithSpanKind(oteltrace.SpanKindClient), oteltrace.WithAttributes(attrs...))
	defer span.End()
	if span.SpanContext().SpanID() == outer { // a provider that makes no spans: the id would be our caller's
		return c.withoutSpan(r, began, attrs)
	}
	if span.IsRecording() {
		plain := *r.URL
		plain.User, plain.RawQuery, plain.ForceQuery, plain.Fragment, plain.RawFragment = nil, "", false, "", ""
		span.SetAttributes(semconv.URLFull(plain.String()))
	}
	resp, err := c.RoundTripper.RoundTrip(trace.With(r, fromOTel(span.SpanContext())))
	more := c.t.count(ctx, began, attrs, resp, err)
	span.SetAttributes(more...)
	if err != nil || resp.StatusCode >= 400 {
		span.SetStatus(codes.Error, "")
	}
	return resp, err
}

func (c *transport) withoutSpan(r *http.Request, began time.Time, attrs []attribute.KeyValue) (*http.Response, error) {
	resp, err := c.carry.RoundTrip(r)
	c.t.count(r.Context(), began, attrs, resp, err)
	return resp, err
}

// count counts a call, and returns what its answer adds to the attributes.
func (t *Telemetry) count(ctx context.Context, began time.Time, attrs []attribute.KeyValue, resp *http.Response, err error) (more []attribute.KeyValue) {
	switch {
	case err != nil:
		more = append(more, semconv.ErrorTypeKey.String(typeOf(err)))
	case resp.StatusCode >= 400:
		more = append(more, semconv.ErrorTypeKey.String(strconv.Itoa(resp.StatusCode)))
	}
	if err == nil {
		more = append(more, semconv.HTTPResponseStatusCode(resp.StatusCode))
	}
	t.called.Record(ctx, since(began), metric.WithAttributes(append(attrs, more...)...))
	return more
}

// CloseIdleConnections is what http.Client looks for.
func (c *transport) CloseIdleConnections() {
	if next, ok := c.RoundTripper.(interface{ CloseIdleConnections() }); ok {
		next.CloseIdleConnections()
	}
}

func portOf(r *http.Request) int {
	if n, err := strconv.ParseUint(r.URL.Port(), 10, 16); err == nil {
		return int(n)
	}
	if r.URL.Scheme == "https" {
		return 443
	}
	return 80
}

// innermost is what an error comes of.
func innermost(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
