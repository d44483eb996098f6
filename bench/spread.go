package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tandem-go/tandem/internal/strict"
	"github.com/tandem-go/tandem/test/harness"
)

const spreadConns = 1000

// spread opens connections and looks at which worker holds how many of them, also
// after reloads have moved them all.
func spread(ctx context.Context, o options, r *report) (err error) {
	r.text("%d kept connections, all opened within a second, each with a request every second or so; four workers. A worker holds 1.00 when it has its exact part.", spreadConns)
	s, service, err := tandem(ctx, o, workers, "--bake", "200ms")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, service.close()) }()
	load := strict.Start(ctx, strict.Load{Addr: s.Addr, Duration: time.Minute, Groups: []strict.Group{{
		Mode: strict.Kept, Clients: spreadConns, Target: "/modern/", ThinkMin: 500 * time.Millisecond, ThinkMax: time.Second,
	}}})
	defer load.Stop()
	rows := [][]string{{"when", "the one with least", "the one with most"}}
	look := func(when string) error {
		held, err := held(ctx, s)
		if err != nil {
			return fmt.Errorf("%s: %w", when, err)
		}
		part := func(n int64) string { return fmt.Sprintf("%.2f", float64(n)*workers/spreadConns) }
		rows = append(rows, []string{when, part(slices.Min(held)), part(slices.Max(held))})
		return nil
	}
	if err := look("after they were opened"); err != nil {
		return err
	}
	for n := 1; n <= 2; n++ {
		if err := service.reload(ctx); err != nil {
			return err
		}
		if err := look(fmt.Sprintf("after reload %d", n)); err != nil {
			return err
		}
	}
	r.table(rows)
	return nil
}

// held waits until all connections are with workers that are ready.
func held(ctx context.Context, s *harness.Supervisor) (held []int64, err error) {
	_, err = s.Await(ctx, "all connections to be held", func(st harness.Status) bool {
		held = held[:0]
		var sum int64
		for _, w := range st.Ready() {
			if w.Connections != nil {
				held = append(held, *w.Connections)
				sum += *w.Connections
			}
		}
		return sum == spreadConns && len(held) == workers
	})
	return held, err
}
