package timeline

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Subscription gives what comes after an event, to one reader. It holds nothing
// back and holds nobody up: a reader that is slower than memory is long is told
// how many events it has missed.
type Subscription struct {
	store *Store
	last  uint64 // that it has been given
	wake  chan struct{}
}

// Subscribe gives what comes after the event with that number, and of what is
// before that nothing. The caller must Close it.
func (s *Store) Subscribe(after uint64) *Subscription {
	s.mu.Lock()
	defer s.mu.Unlock()
	if kept := s.kept(); len(kept) > 0 {
		after = max(after, kept[0].Seq-1)
	}
	r := &Subscription{store: s, last: min(after, s.seq), wake: make(chan struct{}, 1)}
	s.readers[r] = struct{}{}
	return r
}

// Last is the number of the newest event, 0 when there is none.
func (s *Store) Last() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seq
}

// Next gives the events that have come since it was last called, the oldest
// first, and how many before them were missed. It waits until there is one, or
// until ctx ends: then it gives the error of that, but never instead of events.
func (r *Subscription) Next(ctx context.Context) (events []Event, missed uint64, err error) {
	for {
		r.store.mu.Lock()
		events = r.store.since(r.last)
		if n := len(events); n > 0 {
			missed = events[0].Seq - r.last - 1
			r.last = events[n-1].Seq // under the lock: events may be numbered anew, see join
		}
		r.store.mu.Unlock()
		if len(events) > 0 {
			return events, missed, nil
		}
		select {
		case <-r.wake:
		case <-ctx.Done():
			select {
			case <-r.wake: // both were ready
			default:
				return nil, 0, context.Cause(ctx)
			}
		}
	}
}

// Close ends it.
func (r *Subscription) Close() {
	r.store.mu.Lock()
	defer r.store.mu.Unlock()
	delete(r.store.readers, r)
}

// ErrEnded is the cause of a ctx that ends a Send as it should.
var ErrEnded = errors.New("the timeline has ended")

// Send gives emit the events that q wants, some at a time and at first also none,
// and with Follow what comes until ctx ends; with the cause ErrEnded that is no error.
// An error of emit ends it.
func (s *Store) Send(ctx context.Context, q Query, emit func([]Event) error) error {
	if err := s.await(ctx); err != nil {
		return err
	}
	last := s.Last() // what is not wanted of before that does not come afterwards
	events, err := s.List(ctx, q)
	if err != nil {
		return err
	}
	if n := len(events); n > 0 {
		last = max(last, events[n-1].Seq)
	}
	sub := s.Subscribe(last)
	defer sub.Close()
	for {
		if err := emit(events); err != nil || !q.Follow {
			return err
		}
		var missed uint64
		events, missed, err = sub.Next(ctx)
		if errors.Is(err, ErrEnded) {
			return nil
		}
		if err != nil {
			return err
		}
		if missed > 0 {
			text := fmt.Sprintf("%d events are missing here: they were read slower than they came", missed)
			events = append([]Event{{Time: time.Now(), Kind: Missing, Text: text}}, events...)
		}
	}
}
