package main

import (
	"context"
	"fmt"
	"time"

	"github.com/tandem-go/tandem/internal/strict"
)

const (
	lightRate    = 400 // requests a second, whatever happens
	heavyClients = 8
	heavyMS      = 30
)

// isolation asks what light requests suffer beside heavy ones, and what the
// heavy ones pay for it.
func isolation(ctx context.Context, o options, r *report) error {
	var all []*service
	defer func() {
		for _, s := range all {
			_ = s.close()
		}
	}()
	for _, start := range []func() (*service, error){
		func() (*service, error) { return twin(ctx, "nethttp", "net/http, one process") },
		func() (*service, error) { _, s, err := tandem(ctx, o, 1); return s, err },
		func() (*service, error) { _, s, err := tandem(ctx, o, workers); return s, err },
	} {
		s, err := start()
		if err != nil {
			return err
		}
		all = append(all, s)
	}
	r.text("Light: `GET /modern/`, %d a second at times fixed beforehand, latency from the intended time. Heavy: %d clients, each asking for `/busy/?ms=%d` again and again. %s each %d times.",
		lightRate, heavyClients, heavyMS, o.each, o.reps)
	p50, p99, heavy := make([]sample, len(all)), make([]sample, len(all)), make([]sample, len(all))
	for range o.reps {
		for i, s := range all {
			light, rate, err := beside(ctx, s.addr, o.each)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			p50[i] = append(p50[i], ms(light.Quantile(.5)))
			p99[i] = append(p99[i], ms(light.Quantile(.99)))
			heavy[i] = append(heavy[i], rate)
		}
	}
	rows := [][]string{{"server", "light p50 ms", "light p99 ms", "p99, times better", "heavy/s", "of net/http"}}
	for i, s := range all {
		rows = append(rows, []string{s.name, p50[i].show("%.2f"), p99[i].show("%.2f"), ratio(p99[0], p99[i]), heavy[i].show("%.1f"), ratio(heavy[i], heavy[0])})
	}
	r.table(rows)
	return nil
}

// beside runs both loads at once and returns the light one's latencies and the
// heavy one's rate.
func beside(ctx context.Context, addr string, d time.Duration) (strict.Histogram, float64, error) {
	heavy := strict.Start(ctx, strict.Load{
		Addr: addr, Duration: d + 500*time.Millisecond, Timeout: 30 * time.Second,
		Groups: []strict.Group{{Mode: strict.Kept, Clients: heavyClients, Target: fmt.Sprintf("/busy/?ms=%d", heavyMS)}},
	})
	if err := heavy.Answered(ctx, heavyClients); err != nil {
		heavy.Stop()
		return strict.Histogram{}, 0, err
	}
	light := strict.Start(ctx, strict.Load{
		Addr: addr, Duration: d, Timeout: 30 * time.Second,
		Groups: []strict.Group{{Mode: strict.Kept, Clients: 64, Target: "/modern/", Rate: lightRate}},
	}).Wait()
	h := heavy.Stop()
	if err := light.Err(); err != nil {
		return strict.Histogram{}, 0, fmt.Errorf("light: %w", err)
	}
	if err := h.Err(); err != nil {
		return strict.Histogram{}, 0, fmt.Errorf("heavy: %w", err)
	}
	return light.Latency, float64(h.Counts[strict.OK]) / h.Elapsed.Seconds(), nil
}
