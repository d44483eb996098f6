package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tandem-go/tandem/internal/strict"
)

const (
	reloads     = 10
	reloadEvery = 2500 * time.Millisecond
)

// loss reloads each server ten times under clients that retry nothing.
func loss(ctx context.Context, o options, r *report) error {
	r.text("%d reloads, one every %s, under three loads at once: 8 clients with a connection for each request and 32 that keep theirs, POST, and think 200 ms; 32 that keep theirs and think 4 s, and 32 such that are blind: they send without a look at whether the server has ended the idle connection, as one behind a long wire cannot know. A request is lost when its connection was accepted and no whole answer came; nothing is retried. Reconnects are those of the 64 that think 4 s: each means that the server has closed a kept connection, or asked for it.", reloads, reloadEvery)
	rows := [][]string{{"server", "sent", "lost, thinking ≤ 200 ms", "lost, thinking 4 s", "lost, thinking 4 s, blind", "wrong or doubled", "refused", "reconnects", "slowest answer ms"}}
	for _, start := range []func() (*service, error){
		func() (*service, error) { _, s, err := tandem(ctx, o, workers, "--bake", "200ms"); return s, err },
		func() (*service, error) { return bareASGI(ctx, o) },
		func() (*service, error) { return nginx(ctx, o) },
	} {
		s, err := start()
		if missing, ok := errors.AsType[*notInstalled](err); ok {
			r.text("%v.", missing)
			continue
		}
		if err != nil {
			return err
		}
		row, err := reloadUnderLoad(ctx, s)
		if err := errors.Join(err, s.close()); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		rows = append(rows, row)
	}
	r.table(rows)
	return nil
}

func reloadUnderLoad(ctx context.Context, s *service) ([]string, error) {
	length := reloads*reloadEvery + 30*time.Second
	group := func(m strict.Mode, n, body int, think time.Duration) strict.Group {
		return strict.Group{Mode: m, Clients: n, Target: "/echo/", Body: body, ThinkMin: think * 9 / 10, ThinkMax: think * 11 / 10, Check: strict.Contains}
	}
	load := func(groups ...strict.Group) *strict.Running {
		return strict.Start(ctx, strict.Load{Addr: s.addr, Duration: length, Groups: groups})
	}
	quick := load(group(strict.Short, 8, 0, 5*time.Millisecond), group(strict.Kept, 32, 256, 200*time.Millisecond))
	slow := group(strict.Kept, 32, 256, 4*time.Second)
	idle := load(slow)
	slow.Blind = true
	blind := load(slow)
	defer func() { quick.Stop(); idle.Stop(); blind.Stop() }()
	if err := errors.Join(quick.Answered(ctx, 200), idle.Answered(ctx, 32), blind.Answered(ctx, 32)); err != nil {
		return nil, err
	}
	tick := time.NewTicker(reloadEvery)
	defer tick.Stop()
	for range reloads {
		if err := s.reload(ctx); err != nil {
			return nil, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if err := quick.Answered(ctx, 200); err != nil {
		return nil, err
	}
	a, b, c := quick.Stop(), idle.Stop(), blind.Stop()
	all := func(o strict.Outcome) int { return a.Counts[o] + b.Counts[o] + c.Counts[o] }
	if n := all(strict.Fault); n > 0 {
		return nil, fmt.Errorf("the client itself failed %d times: %w", n, errors.Join(a.Err(), b.Err(), c.Err()))
	}
	return []string{
		s.name, fmt.Sprint(a.Sent() + b.Sent() + c.Sent()), fmt.Sprint(a.Counts[strict.Lost]), fmt.Sprint(b.Counts[strict.Lost]), fmt.Sprint(c.Counts[strict.Lost]),
		fmt.Sprint(all(strict.Wrong) + all(strict.Doubled)), fmt.Sprint(all(strict.Refused)),
		fmt.Sprint(b.Connections + c.Connections - 2*slow.Clients),
		fmt.Sprintf("%.0f", ms(max(a.Latency.Max(), b.Latency.Max(), c.Latency.Max()))),
	}, nil
}
