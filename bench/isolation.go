package main

import (
	"context"
	"fmt"
	"time"

	"github.com/tandem-go/tandem/internal/strict"
)

const (
	lightRate = 400 // requests a second, whatever happens
	heavyMS   = 30
)

// Heavy loads: how many clients compute at once, and what.
var (
	heavyClients = []int{2, 8, 32}
	heavyWorks   = []string{"hash", "json"}
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
	r.text("Light: `GET /modern/`, %d a second at times fixed beforehand, latency from the intended time. Heavy: so many clients, each asking for `/busy/?ms=%d` again and again; `hash` only computes, `json` encodes and decodes, which keeps the garbage collector busy. Alone is the light load without the heavy one, just before. %s each %d times.",
		lightRate, heavyMS, o.each, o.reps)
	rows := [][]string{{"beside", "server", "p50 ms alone", "p50 ms", "of alone", "p99 ms", "of net/http's", "heavy/s", "of net/http's"}}
	for _, work := range heavyWorks {
		for _, clients := range heavyClients {
			more, err := isolated(ctx, o, all, clients, work)
			if err != nil {
				return err
			}
			rows = append(rows, more...)
		}
	}
	r.table(rows)
	return nil
}

// isolated measures all servers beside one kind of heavy load.
func isolated(ctx context.Context, o options, all []*service, clients int, work string) (rows [][]string, err error) {
	n := len(all)
	alone, p50, p99, heavy := make([]sample, n), make([]sample, n), make([]sample, n), make([]sample, n)
	// A server's load follows another server's: it has seen by then that its last
	// clients have gone, by which new ones are spread over its workers.
	for range o.reps {
		for i, s := range all {
			quiet, err := light(ctx, s.addr, o.each/2)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
			alone[i] = append(alone[i], ms(quiet.Quantile(.5)))
		}
	}
	for range o.reps {
		for i, s := range all {
			lit, rate, err := beside(ctx, s.addr, o.each, clients, work)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
			p50[i] = append(p50[i], ms(lit.Quantile(.5)))
			p99[i] = append(p99[i], ms(lit.Quantile(.99)))
			heavy[i] = append(heavy[i], rate)
		}
	}
	for i, s := range all {
		rows = append(rows, []string{
			fmt.Sprintf("%d × %s", clients, work), s.name, alone[i].show("%.2f"), p50[i].show("%.2f"), ratio(p50[i], alone[i]),
			p99[i].show("%.2f"), ratio(p99[i], p99[0]), heavy[i].show("%.1f"), ratio(heavy[i], heavy[0]),
		})
	}
	return rows, nil
}

// light sends the light load and returns its latencies.
func light(ctx context.Context, addr string, d time.Duration) (strict.Histogram, error) {
	return at(ctx, addr, d, lightRate)
}

// at sends so many requests a second, whatever happens, and returns their latencies.
func at(ctx context.Context, addr string, d time.Duration, rate float64) (strict.Histogram, error) {
	rep := strict.Start(ctx, strict.Load{
		Addr: addr, Duration: d, Timeout: 30 * time.Second,
		Groups: []strict.Group{{Mode: strict.Kept, Clients: connections, Target: "/modern/", Rate: rate}},
	}).Wait()
	if err := rep.Err(); err != nil {
		return strict.Histogram{}, fmt.Errorf("%g requests a second: %w", rate, err)
	}
	return rep.Latency, nil
}

// beside runs both loads at once and returns the light one's latencies and the
// heavy one's rate.
func beside(ctx context.Context, addr string, d time.Duration, clients int, work string) (strict.Histogram, float64, error) {
	heavy := strict.Start(ctx, strict.Load{
		Addr: addr, Duration: d + 500*time.Millisecond, Timeout: 30 * time.Second,
		Groups: []strict.Group{{Mode: strict.Kept, Clients: clients, Target: fmt.Sprintf("/busy/?ms=%d&work=%s", heavyMS, work)}},
	})
	if err := heavy.Answered(ctx, clients); err != nil {
		heavy.Stop()
		return strict.Histogram{}, 0, err
	}
	latency, err := light(ctx, addr, d)
	h := heavy.Stop()
	if err != nil {
		return strict.Histogram{}, 0, err
	}
	if err := h.Err(); err != nil {
		return strict.Histogram{}, 0, fmt.Errorf("heavy: %w", err)
	}
	return latency, float64(h.Counts[strict.OK]) / h.Elapsed.Seconds(), nil
}
