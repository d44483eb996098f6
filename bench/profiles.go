package main

import (
	"context"
	"fmt"

	"github.com/tandem-go/tandem/test/harness"
)

// profiles compares the two profiles of the app, on an async and a sync view.
func profiles(ctx context.Context, o options, r *report) error {
	load, tool := loader()
	r.text("One worker, `APP_WORKER_CLASS` mixed and sync; %d kept connections, %s each %d times, by %s. /hello/ waits %v.", connections, o.each, o.reps, tool, helloWaits)
	targets := []string{"/modern/", "/classic/", "/hello/"}
	var all []*service
	for _, class := range []string{"mixed", "sync"} {
		sup, err := harness.Start(harness.Config{Bin: o.bin, Args: []string{"--workers", "1"}, Env: []string{"APP_WORKER_CLASS=" + class}})
		if err != nil {
			return err
		}
		defer sup.Close()
		if _, err := sup.Ready(ctx, 1); err != nil {
			return err
		}
		all = append(all, &service{name: class, addr: sup.Addr})
	}
	got := make([][]sample, len(all))
	for i := range all {
		got[i] = make([]sample, len(targets))
	}
	for rep := range o.reps + 1 {
		for t, target := range targets {
			for i, s := range all {
				rate, err := load(ctx, s.addr, target, o.each)
				if err != nil {
					return fmt.Errorf("%s %s: %w", s.name, target, err)
				}
				if rep > 0 { // the first is a warm-up
					got[i][t] = append(got[i][t], rate.perSecond)
				}
			}
		}
	}
	rows := [][]string{{"view", "mixed, requests/s", "sync, requests/s", "sync of mixed"}}
	for t, target := range targets {
		rows = append(rows, []string{target, got[0][t].show("%.0f"), got[1][t].show("%.0f"), ratio(got[1][t], got[0][t])})
	}
	r.table(rows)
	return nil
}
