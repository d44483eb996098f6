package otel

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
)

// FromEnv makes a Telemetry that exports by OTLP over HTTP, as the variables of
// OpenTelemetry's specification say: OTEL_EXPORTER_OTLP_ENDPOINT, …_HEADERS, …_TIMEOUT,
// …_CERTIFICATE and their kin, OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES,
// OTEL_TRACES_SAMPLER and …_ARG, OTEL_BSP_*, OTEL_METRIC_EXPORT_INTERVAL,
// OTEL_TRACES_EXPORTER and OTEL_METRICS_EXPORTER (otlp, none), OTEL_PROPAGATORS
// (tracecontext), OTEL_SDK_DISABLED.
//
// Unlike there nothing is exported unless it is asked for, by an endpoint or by
// OTEL_TRACES_EXPORTER=otlp: then the Telemetry is nil. A variable that asks for what
// is not here, such as gRPC, is an error that names it; values, which may be
// secret, are in no error.
//
// attrs describe the program beside OTEL_RESOURCE_ATTRIBUTES, which come first. Each
// process has a service.instance.id of its own. FromEnv also makes the providers
// the process's own, for libraries that look there, and has errors of exporters logged by
// slog.Default. Call it once; whoever does calls [Telemetry.Shutdown].
func FromEnv(ctx context.Context, attrs ...attribute.KeyValue) (*Telemetry, error) {
	wanted, err := readEnv()
	if err != nil {
		return nil, fmt.Errorf("otel: %w", err)
	}
	if !wanted.spans && !wanted.metrics {
		return nil, nil
	}
	about, err := resource.New(ctx, resource.WithService(), resource.WithTelemetrySDK(), resource.WithProcessPID(), resource.WithHost(),
		resource.WithAttributes(attrs...), resource.WithFromEnv())
	if err != nil && !errors.Is(err, resource.ErrPartialResource) && !errors.Is(err, resource.ErrSchemaURLConflict) {
		return nil, errors.New("otel: describe the process: OTEL_RESOURCE_ATTRIBUTES is not a list of key=value")
	}
	otel.SetErrorHandler(new(failures))
	var (
		spans    oteltrace.TracerProvider = tracenoop.NewTracerProvider()
		metrics  metric.MeterProvider     = metricnoop.NewMeterProvider()
		shutdown []func(context.Context) error
	)
	if wanted.spans {
		exporter, err := otlptracehttp.New(ctx)
		if err != nil {
			return nil, fmt.Errorf("otel: make the exporter of spans: %w", err)
		}
		provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about))
		otel.SetTracerProvider(provider)
		spans, shutdown = provider, append(shutdown, provider.Shutdown)
	}
	if wanted.metrics {
		exporter, err := otlpmetrichttp.New(ctx)
		if err != nil {
			return nil, fmt.Errorf("otel: make the exporter of metrics: %w", err)
		}
		provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewPeriodicReader(exporter)), sdkmetric.WithResource(about))
		otel.SetMeterProvider(provider)
		metrics, shutdown = provider, append(shutdown, provider.Shutdown)
	}
	otel.SetTextMapPropagator(propagation.TraceContext{})
	t, err := With(spans, metrics)
	if err != nil {
		return nil, err
	}
	t.shutdown = shutdown
	return t, nil
}

// wanted is what is to be exported.
type wanted struct{ spans, metrics bool }

// readEnv checks what the SDK would pass over in silence, or print with its value.
func readEnv() (w wanted, err error) {
	if disabled := os.Getenv("OTEL_SDK_DISABLED"); strings.EqualFold(disabled, "true") {
		return w, nil
	}
	for _, signal := range []struct {
		name string
		on   *bool
	}{{"TRACES", &w.spans}, {"METRICS", &w.metrics}} {
		if *signal.on, err = exports(signal.name); err != nil {
			return w, err
		}
	}
	return w, errors.Join(
		oneOf("OTEL_PROPAGATORS", "tracecontext"),
		oneOf("OTEL_TRACES_SAMPLER", "always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio"),
		samplerArg(),
	)
}

// exports says whether a signal is exported, and checks how.
func exports(signal string) (bool, error) {
	exporter := "OTEL_" + signal + "_EXPORTER"
	if err := oneOf(exporter, "otlp", "none"); err != nil {
		return false, err
	}
	set := os.Getenv(exporter)
	asked := set == "otlp"
	for _, prefix := range []string{"OTEL_EXPORTER_OTLP_", "OTEL_EXPORTER_OTLP_" + signal + "_"} {
		endpoint := os.Getenv(prefix + "ENDPOINT")
		asked = asked || endpoint != ""
		if u, err := url.Parse(endpoint); endpoint != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
			return false, fmt.Errorf("%sENDPOINT is no URL; give one such as http://127.0.0.1:4318", prefix)
		}
		if err := oneOf(prefix+"PROTOCOL", "http/protobuf"); err != nil {
			return false, err
		}
		if err := oneOf(prefix+"COMPRESSION", "gzip", "none"); err != nil {
			return false, err
		}
		if v := os.Getenv(prefix + "TIMEOUT"); v != "" {
			if n, err := strconv.Atoi(v); err != nil || n < 1 {
				return false, fmt.Errorf("%sTIMEOUT is no number of milliseconds; give one such as 10000", prefix)
			}
		}
		for pair := range strings.SplitSeq(os.Getenv(prefix+"HEADERS"), ",") {
			if name, _, found := strings.Cut(pair, "="); strings.TrimSpace(pair) != "" && (!found || strings.TrimSpace(name) == "") {
				return false, fmt.Errorf("%sHEADERS is no list of name=value with commas between", prefix)
			}
		}
	}
	return asked && set != "none", nil
}

func oneOf(variable string, allowed ...string) error {
	for v := range strings.SplitSeq(os.Getenv(variable), ",") {
		if v = strings.TrimSpace(v); v != "" && !slices.Contains(allowed, v) {
			return fmt.Errorf("%s: only %s is supported here", variable, strings.Join(allowed, ", "))
		}
	}
	return nil
}

func samplerArg() error {
	const variable = "OTEL_TRACES_SAMPLER_ARG"
	v := os.Getenv(variable)
	if v == "" || !strings.HasSuffix(os.Getenv("OTEL_TRACES_SAMPLER"), "traceidratio") {
		return nil
	}
	if f, err := strconv.ParseFloat(v, 64); err != nil || !(f >= 0 && f <= 1) {
		return fmt.Errorf("%s is no part of all traces; give 0 to 1, such as 0.1", variable)
	}
	return nil
}

// failures logs the errors of exporters: the first one of a row of the same.
type failures struct {
	mu   sync.Mutex
	last string
}

// Handle is the SDK's handler of errors.
func (f *failures) Handle(err error) {
	f.mu.Lock()
	again := f.last == err.Error()
	f.last = err.Error()
	f.mu.Unlock()
	if !again {
		slog.Warn("telemetry is not exported", "error", err)
	}
}
