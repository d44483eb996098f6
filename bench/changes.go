package main

import (
	"context"
	"fmt"
	"time"

	"github.com/tandem-go/tandem/internal/strict"
	"github.com/tandem-go/tandem/test/harness"
)

// changes measures what a change costs: a reload of the workers, an upgrade of
// the supervisor itself.
func changes(ctx context.Context, o options, r *report) error {
	s, service, err := tandem(ctx, o, workers, "--bake", "1s")
	if err != nil {
		return err
	}
	defer s.Close()
	var reload sample
	for range o.reps {
		begin := time.Now()
		if err := service.reload(ctx); err != nil {
			return err
		}
		reload = append(reload, ms(time.Since(begin)))
		if _, err := s.Ready(ctx, workers); err != nil {
			return err
		}
	}
	var calm, during, away, took sample
	for range o.reps {
		slowest, err := slowestAnswer(ctx, s, func() error { return sleep(ctx, o.each) })
		if err != nil {
			return err
		}
		calm = append(calm, ms(slowest))
		slowest, err = slowestAnswer(ctx, s, func() error {
			gap, d, err := upgrade(ctx, s)
			away, took = append(away, ms(gap)), append(took, ms(d))
			return err
		})
		if err != nil {
			return err
		}
		during = append(during, ms(slowest))
	}
	r.text("The slowest answer is that of 200 requests a second to `/modern/`, each on a connection of its own, at times fixed beforehand. The supervisor is away from the last answer of its control socket to the next; the workers serve meanwhile.")
	r.table([][]string{
		{"what", "figure"},
		{fmt.Sprintf("`reload --wait` of %d workers with `--bake 1s`, ms", workers), reload.show("%.0f")},
		{"`supervisor upgrade`, ms", took.show("%.0f")},
		{"the supervisor is away in an upgrade, ms", away.show("%.0f")},
		{"slowest answer during an upgrade, ms", during.show("%.1f")},
		{"slowest answer without, ms", calm.show("%.1f")},
	})
	return nil
}

// slowestAnswer is that of a light load while something is done. A request that
// is lost is an error.
func slowestAnswer(ctx context.Context, s *harness.Supervisor, do func() error) (time.Duration, error) {
	run := strict.Start(ctx, strict.Load{Addr: s.Addr, Duration: time.Minute, Groups: []strict.Group{{
		Mode: strict.Short, Clients: 20, Rate: 200, Target: "/modern/",
	}}})
	if err := run.Answered(ctx, 50); err != nil {
		run.Stop()
		return 0, err
	}
	err := do()
	if err == nil {
		err = run.Answered(ctx, 50)
	}
	report := run.Stop()
	if err == nil {
		err = report.Err()
	}
	return report.Latency.Max(), err
}

// upgrade upgrades to the same program, and says how long the supervisor did not
// answer and how long the command took.
func upgrade(ctx context.Context, s *harness.Supervisor) (away, took time.Duration, err error) {
	type outcome struct {
		took time.Duration
		err  error
	}
	done := make(chan outcome, 1)
	go func() {
		begin := time.Now()
		res, err := s.Run(ctx, "upgrade")
		if err == nil && res.Code != 0 {
			err = fmt.Errorf("upgrade: exit %d: %s", res.Code, res.Stderr)
		}
		done <- outcome{time.Since(begin), err}
	}()
	for last := time.Now(); ; {
		_, err := s.Status(ctx)
		if err == nil {
			away, last = max(away, time.Since(last)), time.Now()
		}
		select {
		case o := <-done:
			return away, o.took, o.err
		case <-ctx.Done():
			return 0, 0, ctx.Err()
		default:
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
