package main

import (
	"context"
	"fmt"
	"time"

	"github.com/tandem-go/tandem/internal/strict"
)

// blockingPermits is how many sync views can block at once, the default.
const blockingPermits = 40

// blocked asks what /healthz takes while every permit is held by a view that
// blocks, and more wait for one.
func blocked(ctx context.Context, o options, r *report) error {
	s, _, err := ownWorkers(ctx, o, 1, "views", "-")
	if err != nil {
		return err
	}
	defer s.close()
	r.text("One worker with %d permits. So many clients, each asking again and again for a sync view that blocks for a second; beside them `GET /healthz`, 100 a second at times fixed beforehand, each %s, %d times.", blockingPermits, o.each, o.reps)
	rows := [][]string{{"clients that block", "/healthz p50 ms", "p99 ms", "slowest ms"}}
	for _, clients := range []int{0, blockingPermits, 2 * blockingPermits} {
		var p50, p99, slowest sample
		for range o.reps {
			latency, err := besideBlocked(ctx, s.addr, o.each, clients)
			if err != nil {
				return err
			}
			p50 = append(p50, ms(latency.Quantile(.5)))
			p99 = append(p99, ms(latency.Quantile(.99)))
			slowest = append(slowest, ms(latency.Quantile(1)))
		}
		rows = append(rows, []string{fmt.Sprint(clients), p50.show("%.2f"), p99.show("%.2f"), slowest.show("%.2f")})
	}
	r.table(rows)
	return nil
}

func besideBlocked(ctx context.Context, addr string, d time.Duration, clients int) (strict.Histogram, error) {
	if clients > 0 {
		heavy := strict.Start(ctx, strict.Load{
			Addr: addr, Duration: d + time.Second, Timeout: 30 * time.Second,
			Groups: []strict.Group{{Mode: strict.Kept, Clients: clients, Target: "/block/"}},
		})
		defer heavy.Stop()
		if err := heavy.Answered(ctx, blockingPermits); err != nil {
			return strict.Histogram{}, err
		}
	}
	rep := strict.Start(ctx, strict.Load{
		Addr: addr, Duration: d, Timeout: 30 * time.Second,
		Groups: []strict.Group{{Mode: strict.Kept, Clients: 8, Target: "/healthz", Rate: 100}},
	}).Wait()
	return rep.Latency, rep.Err()
}
