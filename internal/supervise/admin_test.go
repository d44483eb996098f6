package supervise

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/internal/admin"
)

func TestHealthFollowsTheService(t *testing.T) {
	r := start(t, "stubborn", "--workers", "2", "--lame-duck", "1m")
	watch := r.Watcher()
	r.until(t, "two ready workers", ready(2, 1))
	if h, err := watch.Health(t.Context()); err != nil || h != (admin.Health{State: "running", Ready: 2, Wanted: 2}) {
		t.Errorf("%+v, %v", h, err)
	}
	r.Signal(syscall.SIGTERM)
	// A lame duck: the workers serve on, but nobody new should be sent here.
	if h, err := watch.Health(t.Context()); err != nil || h != (admin.Health{State: "stopping", Ready: 2, Wanted: 2}) {
		t.Errorf("%+v, %v", h, err)
	}
	if st, err := watch.Status(t.Context()); err != nil || st.State != "stopping" || len(st.Workers) != 2 {
		t.Errorf("%+v, %v", st, err)
	}
	r.Signal(syscall.SIGINT)
	<-r.result
	if _, err := watch.Health(t.Context()); err == nil {
		t.Error("health after the end")
	}
}

// However many ask, and for however long, one question is in the loop's inbox;
// and nobody is given an answer from before he asked.
func TestQuestionsAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		answer := make(chan struct{})
		q := &shared[int64]{ask: func() (int64, error) {
			n := asked.Add(1)
			<-answer
			return n, nil
		}}
		first := make(chan int64)
		go func() { n, _ := q.get(t.Context()); first <- n }()
		synctest.Wait()

		var impatient, others sync.WaitGroup
		for range 50 {
			impatient.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if _, err := q.get(ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("without an answer: %v", err)
				}
			})
			others.Go(func() {
				if n, err := q.get(t.Context()); n != 2 || err != nil {
					t.Errorf("answer %d, %v; want that to the second question", n, err)
				}
			})
		}
		impatient.Wait()
		if n := asked.Load(); n != 1 {
			t.Errorf("%d questions while the first has no answer", n)
		}
		close(answer)
		others.Wait()
		if n := <-first; n != 1 {
			t.Errorf("the first was given answer %d", n)
		}
		if n, err := q.get(t.Context()); n != 3 || err != nil {
			t.Errorf("asked later: %d, %v", n, err)
		}
	})
}
