package metrics

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Handler answers scrapes. source gives what is to be shown and must return when
// its ctx, the request's, ends; without an answer the scrape is refused with
// 503, for half of a truth looks like a service without workers. It is called
// from many goroutines.
func Handler(source func(context.Context) (Snapshot, error)) http.Handler {
	process := collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		snap, err := source(r.Context())
		if err != nil {
			text := err.Error()
			if errors.Is(err, context.DeadlineExceeded) {
				text = "the supervisor's loop has not answered in time"
			}
			http.Error(w, fmt.Sprintf("no metrics: %s", text), http.StatusServiceUnavailable)
			return
		}
		// A registry for each scrape: what is shown is a value of this moment, and
		// two scrapes at once have nothing in common.
		registry := prometheus.NewRegistry()
		registry.MustRegister(collector{snap}, process)
		promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(w, r)
	})
}
