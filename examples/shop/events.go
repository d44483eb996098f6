package main

import (
	"context"
	"encoding/json"
	"time"

	"github.com/tandem-go/tandem/view"
)

// orderEvents sends an order's status whenever it is another one, and ends when it stays.
//
// It asks the database, because that is what the workers share: what one of them does, a channel in another one's memory never
// hears of. It sends what is so now and not what has happened, so a client that comes back after a lost connection, to
// whichever worker, has missed nothing, and needs no ids of events. The price is one small query a second for each client.
func (s *shop) orderEvents(ctx context.Context, r *view.Request) (view.Response, error) {
	watched := s.own(r).Only("status")
	id := r.PathValue("id")
	first, err := watched.Get(ctx, id)
	if err != nil {
		return nil, err // before anything is sent: a 404 is still one
	}
	return view.Events(func(yield func(view.Event, error) bool) {
		ticks := time.NewTicker(s.poll)
		defer ticks.Stop()
		sent, now := Status(""), first
		for {
			if now.Status != sent {
				data, err := json.Marshal(map[string]Status{"status": now.Status})
				if !yield(view.Event{Event: "status", Data: string(data)}, err) || err != nil {
					return
				}
				sent = now.Status
			}
			if sent != Placed {
				return
			}
			select {
			case <-ticks.C:
			case <-ctx.Done(): // the client has gone, or the worker drains and the client comes back to another one
				return
			}
			var err error
			if now, err = watched.Get(ctx, id); err != nil {
				yield(view.Event{}, err)
				return
			}
		}
	}), nil
}
