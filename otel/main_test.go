package otel_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.uber.org/goleak"

	"github.com/tandem-go/tandem/bridge"
	"github.com/tandem-go/tandem/middleware"
	"github.com/tandem-go/tandem/orm"
	"github.com/tandem-go/tandem/otel"
	"github.com/tandem-go/tandem/view"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	theirTrace = "0af7651916cd43dd8448eb211c80319c"
	theirSpan  = "b7ad6b7169203331"
)

type Post struct {
	ID    int64 `bun:",pk,autoincrement"`
	Title string
}

// bench is an app with a database, and another service that it asks, whose telemetry
// stays in memory.
type bench struct {
	*view.App
	t         *testing.T
	telemetry *otel.Telemetry
	spans     *tracetest.InMemoryExporter
	metrics   *sdkmetric.ManualReader
	db        *orm.DB
	client    *http.Client
	other     *httptest.Server
	asked     http.Header // what the other service was asked with last
	lines     lines
}

// lines is an access log.
type lines []string

func (l *lines) Write(b []byte) (int, error) { *l = append(*l, string(b)); return len(b), nil }

func newBench(t *testing.T, sampler sdktrace.Sampler) *bench {
	t.Helper()
	b := &bench{t: t, spans: tracetest.NewInMemoryExporter(), metrics: sdkmetric.NewManualReader()}
	var err error
	b.telemetry, err = otel.With(
		sdktrace.NewTracerProvider(sdktrace.WithSyncer(b.spans), sdktrace.WithSampler(sampler)),
		sdkmetric.NewMeterProvider(sdkmetric.WithReader(b.metrics)))
	if err != nil {
		t.Fatal(err)
	}
	b.db, err = orm.Open(t.Context(), filepath.Join(t.TempDir(), "test.db"), b.telemetry.Statements(), orm.SlowQuery(0))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.db.Close() })
	if _, err := b.db.SQL().ExecContext(t.Context(), `CREATE TABLE posts (id integer PRIMARY KEY, title text); INSERT INTO posts VALUES (1, 'hush')`); err != nil {
		t.Fatal(err)
	}
	b.other = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.asked = r.Header
		if r.URL.Path == "/broken" {
			w.WriteHeader(http.StatusBadGateway)
		}
	}))
	t.Cleanup(b.other.Close)
	b.client = &http.Client{Transport: b.telemetry.Transport(b.other.Client().Transport)}
	b.App = view.New(b.telemetry.Requests(), middleware.AccessLog(&b.lines, middleware.Log{Format: middleware.JSON}),
		view.Logger(slog.New(slog.DiscardHandler)), view.Limits(bridge.Limits{Blocking: bridge.NewLimiter(2)}))
	return b
}

func (b *bench) ask(ctx context.Context, path string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.other.URL+path, nil)
	if err != nil {
		return err
	}
	resp, err := b.client.Do(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return errors.Join(err, resp.Body.Close())
}

// do serves a request; header is of pairs of name and value.
func (b *bench) do(method, target string, header ...string) *httptest.ResponseRecorder {
	r, w := httptest.NewRequest(method, target, nil), httptest.NewRecorder()
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	func() {
		defer func() { _ = recover() }()
		b.ServeHTTP(w, r)
	}()
	return w
}

// take returns the spans since it was called last, by name.
func (b *bench) take() map[string]tracetest.SpanStub {
	defer b.spans.Reset()
	all := map[string]tracetest.SpanStub{}
	for _, s := range b.spans.GetSpans() {
		if _, twice := all[s.Name]; twice {
			b.t.Errorf("two spans %q", s.Name)
		}
		all[s.Name] = s
	}
	return all
}

// attr is an attribute of a span as text; "" for none.
func attr(s tracetest.SpanStub, key string) string {
	for _, kv := range s.Attributes {
		if string(kv.Key) == key {
			return kv.Value.String()
		}
	}
	return ""
}

// histogram is how often a metric was measured, by the values of the given attributes.
func (b *bench) histogram(name string, keys ...attribute.Key) map[string]uint64 {
	b.t.Helper()
	counts := map[string]uint64{}
	metric, ok := b.metric(name).(metricdata.Histogram[float64])
	if !ok {
		return counts
	}
	for _, point := range metric.DataPoints {
		about := ""
		for _, key := range keys {
			if v, ok := point.Attributes.Value(key); ok {
				about += v.String()
			}
			about += "|"
		}
		counts[about] += point.Count
	}
	return counts
}

func (b *bench) metric(name string) metricdata.Aggregation {
	b.t.Helper()
	var all metricdata.ResourceMetrics
	if err := b.metrics.Collect(b.t.Context(), &all); err != nil {
		b.t.Fatal(err)
	}
	for _, scope := range all.ScopeMetrics {
		if i := slices.IndexFunc(scope.Metrics, func(m metricdata.Metrics) bool { return m.Name == name }); i >= 0 {
			return scope.Metrics[i].Data
		}
	}
	return nil
}
