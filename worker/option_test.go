package worker

import (
	"testing"
	"time"
)

func TestTheDrainEndsBeforeTheSupervisorsBound(t *testing.T) {
	for _, c := range []struct {
		opts  []Option
		bound time.Duration
		want  time.Duration
	}{
		{nil, 0, 30 * time.Second},
		{nil, 2 * time.Minute, 119 * time.Second},
		{nil, time.Second, 900 * time.Millisecond},
		{[]Option{DrainTimeout(5 * time.Second)}, 0, 5 * time.Second},
		{[]Option{DrainTimeout(5 * time.Second)}, time.Minute, 5 * time.Second},
		{[]Option{DrainTimeout(time.Hour)}, 20 * time.Second, 19 * time.Second},
		{[]Option{DrainTimeout(0)}, 0, time.Nanosecond},
	} {
		if got := settings(c.opts).within(c.bound).drainTimeout; got != c.want {
			t.Errorf("%d options, bound %v: %v, want %v", len(c.opts), c.bound, got, c.want)
		}
	}
}
