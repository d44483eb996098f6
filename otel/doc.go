// Package otel exports what an application does as OpenTelemetry has it: a span for
// each request, below it one for each statement and each call of another service, and
// metrics of the three. It is a module of its own, so that programs without it have none of
// its dependencies.
//
// The invariant: nothing waits for an exporter, and nothing is made for one that
// there is not. Spans wait in a bounded queue, of which the SDK drops what does not
// fit; without an exporter requests carry their traces as package trace does it by itself.
//
//	telemetry, err := otel.FromEnv(ctx) // OTEL_EXPORTER_OTLP_ENDPOINT and so on
//	…
//	app := view.New(telemetry.Requests(), middleware.AccessLog(os.Stdout, middleware.Log{Format: middleware.JSON}))
//	db, err := orm.Open(ctx, url, telemetry.Statements())
//	client := &http.Client{Transport: telemetry.Transport(http.DefaultTransport)}
//	err = worker.Run(ctx, app, worker.Lifespan("telemetry", func(context.Context) (worker.StopFunc, error) {
//		return telemetry.Shutdown, nil
//	}))
//
// Names and attributes are those of OpenTelemetry's semantic conventions, stable
// ones where there are any; what they have no name for begins with "tandem.". No
// values of parameters, queries of URLs, headers or texts of errors are exported: they
// may hold secrets.
package otel
