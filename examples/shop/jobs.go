package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/tandem-go/tandem/bridge"
)

// expireAll has placed orders expire that nobody pays, once a minute, until ctx ends. What it is at then is finished first.
//
// Every worker runs the job. That costs a query a minute for each, and needs nobody to say which one is to do it: release
// settles an order once, whoever else tries. What must not run twice at the same time at all, such as a mail to all
// customers, wants a lock in the database, or a process of its own.
func (s *shop) expireAll(ctx context.Context, log *slog.Logger) error {
	ticks := time.NewTicker(time.Minute)
	defer ticks.Stop()
	for ctx.Err() == nil {
		if n, err := s.expire(ctx, time.Now().Add(-s.hold)); err != nil {
			log.Error("orders should expire", "expired", n, "error", err) // the next minute tries again
		} else if n > 0 {
			log.Info("orders have expired", "expired", n)
		}
		select {
		case <-ticks.C:
		case <-ctx.Done():
		}
	}
	return nil
}

// expire settles the orders that were placed before a time and are not paid, one transaction for each, and returns how many
// there were. The job is a scope of its own, which takes no permits away from requests; its code is sync. When ctx ends, it
// ends after the order that it is at.
func (s *shop) expire(ctx context.Context, before time.Time) (n int, err error) {
	scope := bridge.NewRoot(ctx, s.app.Limits())
	defer scope.Close()
	for o, err := range s.orders.Filter("status = ? AND placed_at < ?", Placed, before).Only("id").Sync(scope).All() {
		if err != nil || ctx.Err() != nil {
			return n, err
		}
		if err := s.release(scope, o.ID, Expired); errors.Is(err, errNotPlaced) {
			continue // another worker was there before, or it was paid after all
		} else if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}
