package supervise

import (
	"context"
	"sync"
)

// shared asks the loop one question for all who want to know the same. However
// many ask, and however long the loop takes, at most one such question is in its
// inbox; whoever comes while that is being answered shares the next one, so
// nobody is given an answer from before he asked.
type shared[T any] struct {
	ask func() (T, error) // returns when the loop has answered, or is gone

	mu     sync.Mutex
	asking bool
	next   *asked[T] // not begun yet; nil: nobody waits for it
}

type asked[T any] struct {
	done   chan struct{}
	answer T
	err    error
}

// get waits for an answer until ctx ends. The question stays asked after that.
func (q *shared[T]) get(ctx context.Context) (T, error) {
	q.mu.Lock()
	if q.next == nil {
		q.next = &asked[T]{done: make(chan struct{})}
	}
	mine := q.next
	if !q.asking {
		q.asking = true
		go q.run()
	}
	q.mu.Unlock()
	select {
	case <-mine.done:
		return mine.answer, mine.err
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}

// run asks as long as somebody wants to know.
func (q *shared[T]) run() {
	for {
		q.mu.Lock()
		now := q.next
		q.next = nil
		q.asking = now != nil
		q.mu.Unlock()
		if now == nil {
			return
		}
		now.answer, now.err = q.ask()
		close(now.done)
	}
}
