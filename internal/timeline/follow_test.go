package timeline

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"
)

func TestASlowReaderIsTold(t *testing.T) {
	s := New("", Options{})
	s.Add(event(0))
	sub := s.Subscribe(s.Last())
	defer sub.Close()
	fast := s.Subscribe(s.Last())
	defer fast.Close()
	for i := range 3 * inMemory {
		s.Add(event(i))
		if got, missed, err := fast.Next(t.Context()); err != nil || missed != 0 || len(got) != 1 || got[0].Seq != uint64(i+2) {
			t.Fatalf("%v, %d, %v", seqs(got), missed, err)
		}
	}
	got, missed, err := sub.Next(t.Context())
	if err != nil || missed != 2*inMemory || len(got) != inMemory {
		t.Errorf("%d events, %d missed, %v", len(got), missed, err)
	}
	ascending(t, got, 3*inMemory+1)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(ErrEnded)
	if _, _, err := sub.Next(ctx); !errors.Is(err, ErrEnded) {
		t.Error(err)
	}
	s.Add(event(9)) // what there is comes all the same
	if got, _, err := sub.Next(ctx); err != nil || len(got) != 1 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestSend(t *testing.T) {
	for name, tc := range map[string]struct {
		q    Query
		want []uint64
	}{
		"all":        {Query{}, []uint64{1, 2, 3, 4, 5}},
		"the last":   {Query{Limit: 1}, []uint64{5}},
		"after":      {Query{After: 3}, []uint64{4, 5}},
		"too new":    {Query{Since: time.Now().Add(time.Hour)}, nil},
		"not so far": {Query{After: 99}, nil}, // of another life
	} {
		t.Run(name, func(t *testing.T) {
			s := New("", Options{})
			for i := range 5 {
				s.Add(event(i))
			}
			tc.q.Follow = true
			ctx, cancel := context.WithCancelCause(t.Context())
			got, ended := make(chan []uint64), make(chan error, 1)
			go func() {
				ended <- s.Send(ctx, tc.q, func(events []Event) error { got <- seqs(events); return nil })
			}()
			if first := <-got; !slices.Equal(first, tc.want) {
				t.Errorf("%v, want %v", first, tc.want)
			}
			s.Add(event(1))
			if next := <-got; !slices.Equal(next, []uint64{6}) {
				t.Errorf("%v", next)
			}
			cancel(ErrEnded)
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
	broken := errors.New("broken pipe")
	if err := New("", Options{}).Send(t.Context(), Query{Follow: true}, func([]Event) error { return broken }); !errors.Is(err, broken) {
		t.Error(err)
	}
}
