package otel_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	colmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/tandem-go/tandem/otel"
	"github.com/tandem-go/tandem/trace"
	"github.com/tandem-go/tandem/view"
)

// collector takes OTLP over HTTP, as much of it as a test looks at.
type collector struct {
	*httptest.Server
	t      *testing.T
	status int // of its answers

	mu       sync.Mutex
	spans    []string // names
	metrics  []string
	about    map[string]string // the resource
	key      string
	requests int
}

func newCollector(t *testing.T) *collector {
	c := &collector{t: t, status: http.StatusOK, about: map[string]string{}}
	c.Server = httptest.NewServer(c)
	t.Cleanup(func() { c.CloseClientConnections(); c.Close() })
	return c
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests++
	c.key = r.Header.Get("X-Key")
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(r.Body)
		if err != nil {
			c.t.Error(err)
			return
		}
		body = unzipped
	}
	text, err := io.ReadAll(body)
	if err != nil {
		c.t.Error(err)
	}
	switch r.Method + " " + r.URL.Path {
	case "POST /v1/traces":
		var batch coltrace.ExportTraceServiceRequest
		if err := proto.Unmarshal(text, &batch); err != nil {
			c.t.Error(err)
		}
		for _, of := range batch.ResourceSpans {
			for _, kv := range of.Resource.Attributes {
				c.about[kv.Key] = kv.Value.GetStringValue()
			}
			for _, in := range of.ScopeSpans {
				for _, s := range in.Spans {
					c.spans = append(c.spans, s.Name)
				}
			}
		}
	case "POST /v1/metrics":
		var batch colmetrics.ExportMetricsServiceRequest
		if err := proto.Unmarshal(text, &batch); err != nil {
			c.t.Error(err)
		}
		for _, of := range batch.ResourceMetrics {
			for _, in := range of.ScopeMetrics {
				for _, m := range in.Metrics {
					c.metrics = append(c.metrics, m.Name)
				}
			}
		}
	default:
		c.t.Errorf("%s %s", r.Method, r.URL)
	}
	w.WriteHeader(c.status)
}

// setEnv leaves exactly the given OTEL_* variables.
func setEnv(t *testing.T, vars map[string]string) {
	t.Helper()
	for _, entry := range os.Environ() {
		if name, value, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "OTEL_") {
			t.Setenv(name, value) // so that it comes back
			if err := os.Unsetenv(name); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, value := range vars {
		t.Setenv(name, value)
	}
}

// serveOne serves a request of an app.
func serveOne(telemetry *otel.Telemetry) {
	app := view.New(telemetry.Requests(), view.Logger(slog.New(slog.DiscardHandler)))
	app.Routes(view.Path("GET /orders/{id}", func(*view.Request) (view.Response, error) { return view.NoContent(), nil }))
	app.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/orders/7", nil))
}

func TestWhatThereIsGoesToTheCollectorAtTheEnd(t *testing.T) {
	c := newCollector(t)
	for name, env := range map[string]map[string]string{
		"one endpoint":  {"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL},
		"gzip":          {"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL, "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"},
		"two endpoints": {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": c.URL + "/v1/traces", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": c.URL + "/v1/metrics"},
		"named":         {"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL, "OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf", "OTEL_PROPAGATORS": "tracecontext"},
		"no metrics":    {"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL, "OTEL_METRICS_EXPORTER": "none"},
		"no spans":      {"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL, "OTEL_TRACES_EXPORTER": "none"},
		"not sampled":   {"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL, "OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0"},
	} {
		env["OTEL_EXPORTER_OTLP_HEADERS"] = "x-key=hush"
		env["OTEL_SERVICE_NAME"] = "shop"
		setEnv(t, env)
		c.spans, c.metrics, c.key = nil, nil, ""
		telemetry, err := otel.FromEnv(t.Context())
		if err != nil || telemetry == nil {
			t.Fatalf("%s: %v", name, err)
		}
		serveOne(telemetry)
		if err := telemetry.Shutdown(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		spans, metrics := strings.Join(c.spans, ","), strings.Join(c.metrics, ",")
		wantSpans := "GET /orders/{id}"
		if name == "no spans" || name == "not sampled" {
			wantSpans = ""
		}
		if spans != wantSpans || strings.Contains(metrics, "http.server.request.duration") == (name == "no metrics") || c.key != "hush" {
			t.Errorf("%s: the collector has %q and %q, asked with %q", name, spans, metrics, c.key)
		}
		if wantSpans != "" && (c.about["service.name"] != "shop" || len(c.about["service.instance.id"]) != 36) {
			t.Errorf("%s: about %v", name, c.about)
		}
	}
}

func TestNothingIsExportedThatNobodyAskedFor(t *testing.T) {
	for name, env := range map[string]map[string]string{
		"nothing":        nil,
		"a service only": {"OTEL_SERVICE_NAME": "shop"},
		"disabled":       {"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
		"none":           {"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
	} {
		setEnv(t, env)
		if telemetry, err := otel.FromEnv(t.Context()); telemetry != nil || err != nil {
			t.Errorf("%s: %v, %v", name, telemetry, err)
		}
	}
}

func TestAVariableThatIsWrongIsNamedWithoutItsValue(t *testing.T) {
	for variable, value := range map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT":        "hush:4318",
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://u:hush@%zz/",
		"OTEL_EXPORTER_OTLP_HEADERS":         "hush",
		"OTEL_EXPORTER_OTLP_PROTOCOL":        "grpc",
		"OTEL_EXPORTER_OTLP_TIMEOUT":         "10s",
		"OTEL_EXPORTER_OTLP_COMPRESSION":     "zstd",
		"OTEL_TRACES_EXPORTER":               "zipkin",
		"OTEL_METRICS_EXPORTER":              "prometheus",
		"OTEL_PROPAGATORS":                   "tracecontext,b3",
		"OTEL_TRACES_SAMPLER":                "sometimes",
	} {
		setEnv(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", variable: value})
		telemetry, err := otel.FromEnv(t.Context())
		if err == nil || telemetry != nil || !strings.Contains(err.Error(), variable) || strings.Contains(err.Error(), value) || strings.Contains(err.Error(), "hush") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s=%s: %v", variable, value, err)
		}
	}
	setEnv(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "2"})
	if _, err := otel.FromEnv(t.Context()); err == nil || !strings.Contains(err.Error(), "OTEL_TRACES_SAMPLER_ARG") {
		t.Errorf("%v", err)
	}
}

// A collector that does not answer costs the stop no more than its bound.
func TestACollectorThatHangsHoldsNothingUp(t *testing.T) {
	asked, end := make(chan struct{}, 8), make(chan struct{})
	c := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked <- struct{}{}
		<-end
	}))
	defer c.Close()
	defer c.CloseClientConnections()
	defer close(end)
	setEnv(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL})
	telemetry, err := otel.FromEnv(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	serveOne(telemetry) // which waits for nobody
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked // by both
		<-asked
		cancel()
	}()
	if err := telemetry.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// One that refuses is told of once.
func TestACollectorThatRefusesIsLoggedWithoutSecrets(t *testing.T) {
	c := newCollector(t)
	c.status = http.StatusUnauthorized
	var said bytes.Buffer
	was := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&said, nil)))
	defer slog.SetDefault(was)
	setEnv(t, map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": strings.Replace(c.URL, "http://", "http://u:hush@", 1), "OTEL_EXPORTER_OTLP_HEADERS": "x-key=hush", "OTEL_METRICS_EXPORTER": "none",
		"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "1",
	})
	telemetry, err := otel.FromEnv(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	serveOne(telemetry)
	serveOne(telemetry)
	if err := telemetry.Shutdown(t.Context()); err != nil && strings.Contains(err.Error(), "hush") {
		t.Error(err)
	}
	if got := said.String(); strings.Count(got, `level=WARN msg="telemetry is not exported" error="traces export: failed to send`) != 1 || strings.Contains(got, "hush") || c.requests != 2 {
		t.Errorf("%d requests; said %s", c.requests, got)
	}
}

func BenchmarkRequests(b *testing.B) {
	app := func(o view.Option) *view.App {
		app := view.New(o, view.Logger(slog.New(slog.DiscardHandler)))
		app.Routes(view.Path("/", func(context.Context, *view.Request) (view.Response, error) { return view.NoContent(), nil }))
		return app
	}
	c := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	defer c.Close()
	b.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", c.URL)
	for name, sampler := range map[string]string{"recorded": "always_on", "not sampled": "always_off", "without": ""} {
		b.Run(name, func(b *testing.B) {
			options := trace.Requests()
			if sampler != "" {
				b.Setenv("OTEL_TRACES_SAMPLER", sampler)
				telemetry, err := otel.FromEnv(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				defer func() { _ = telemetry.Shutdown(context.Background()) }()
				options = telemetry.Requests()
			}
			h, r := app(options), httptest.NewRequest("GET", "/", nil)
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(nowhere{}, r)
			}
		})
	}
}
