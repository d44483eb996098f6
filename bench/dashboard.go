package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/tandem-go/tandem/internal/strict"
	"github.com/tandem-go/tandem/test/harness"
)

// dashboard compares a view that makes three calls at once with the slowest of
// them. The services are of our own making, so that their times are known.
func dashboard(ctx context.Context, o options, r *report) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	var env []string
	delays := []struct {
		name  string
		delay time.Duration
	}{{"weather", 30 * time.Millisecond}, {"news", 60 * time.Millisecond}, {"stocks", 90 * time.Millisecond}}
	for _, d := range delays {
		mux.HandleFunc("GET /"+d.name, func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-time.After(d.delay):
				w.Header().Set("Content-Type", "application/json")
				_, _ = fmt.Fprintf(w, `{"from":%q}`, d.name)
			case <-r.Context().Done():
			}
		})
	}
	for i, name := range []string{"WEATHER", "NEWS", "STOCKS"} {
		env = append(env, fmt.Sprintf("APP_%s_URL=http://%s/%s", name, ln.Addr(), delays[i].name))
	}
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = srv.Serve(ln) }()
	defer srv.Close()

	s, err := harness.Start(harness.Config{Bin: o.bin, Args: []string{"--workers", fmt.Sprint(workers)}, Env: env})
	if err != nil {
		return err
	}
	defer s.Close()
	ready, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if _, err := s.Ready(ready, workers); err != nil {
		return err
	}
	measure := func(addr, target string) (strict.Histogram, error) {
		rep := strict.Start(ctx, strict.Load{
			Addr: addr, Duration: o.each,
			Groups: []strict.Group{{Mode: strict.Kept, Clients: 8, Target: target}},
		}).Wait()
		return rep.Latency, rep.Err()
	}
	var slowest, dash, p99 sample
	for range o.reps {
		alone, err := measure(ln.Addr().String(), "/stocks")
		if err != nil {
			return err
		}
		all, err := measure(s.Addr, "/dashboard/")
		if err != nil {
			return err
		}
		slowest = append(slowest, ms(alone.Quantile(.5)))
		dash = append(dash, ms(all.Quantile(.5)))
		p99 = append(p99, ms(all.Quantile(.99)))
	}
	r.text("8 kept connections; services that answer after 30, 60 and 90 ms.")
	r.table([][]string{
		{"what", "p50 ms", "of the slowest call"},
		{"the slowest call, asked directly", slowest.show("%.1f"), "1.00"},
		{"`/dashboard/`, all three", dash.show("%.1f"), ratio(dash, slowest)},
		{"`/dashboard/`, p99", p99.show("%.1f"), ratio(p99, slowest)},
	})
	return nil
}
