package otel_test

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/otel"
	"github.com/tandem-go/tandem/view"
	"github.com/tandem-go/tandem/worker"
)

// doors says where a worker serves, of what it logs.
type doors struct {
	slog.Handler
	at chan string
}

func (d doors) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "serving" {
		r.Attrs(func(a slog.Attr) bool {
			if a.Key == "addr" {
				d.at <- strings.TrimPrefix(a.Value.String(), "tcp://")
			}
			return true
		})
	}
	return nil
}

func (d doors) Enabled(context.Context, slog.Level) bool { return true }

// A request that is on its way when its worker drains is exported before that ends.
func TestADrainSendsTheSpanOfTheLastRequest(t *testing.T) {
	c := newCollector(t)
	setEnv(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL})
	telemetry, err := otel.FromEnv(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, drain := context.WithCancel(t.Context())
	app := view.New(telemetry.Requests(), view.Logger(slog.New(slog.DiscardHandler)))
	app.Routes(view.Path("GET /last/{$}", func(_ context.Context, r *view.Request) (view.Response, error) {
		drain()
		<-r.Draining()
		return view.Text("answered"), nil
	}))
	at, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- worker.Run(ctx, app, worker.Addr("127.0.0.1:0"), worker.Logger(slog.New(doors{slog.DiscardHandler, at})), worker.Linger(0),
			worker.Lifespan("telemetry", func(context.Context) (worker.StopFunc, error) { return telemetry.Shutdown, nil }))
	}()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+<-at+"/last/", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := new(http.Transport).RoundTrip(req)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%v, %v", resp, err)
	}
	_ = resp.Body.Close()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if !slices.Equal(c.spans, []string{"GET /last/"}) || !slices.Contains(c.metrics, "http.server.request.duration") {
		t.Errorf("the collector has %q and %q", c.spans, c.metrics)
	}
}
