package worker

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-go/tandem/bridge"
)

func TestTheBoardIsToldOfAbandonedSyncCode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, end := bridge.NewLimiter(2), make(chan struct{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := bridge.RunSync(ctx, func() (int, error) { <-end; return 0, nil }, bridge.On(l), bridge.Abandonable())
		if !errors.Is(err, bridge.ErrAbandoned) {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if s := sample(l); s.InUse != 1 || s.Abandoned != 1 || s.AbandonedTotal != 1 || s.OldestAbandoned != 61*time.Second {
			t.Errorf("%+v", s)
		}
		close(end)
		if err := l.WaitAbandoned(t.Context()); err != nil {
			t.Error(err)
		}
		if s := sample(l); s.Abandoned != 0 || s.AbandonedTotal != 1 || s.OldestAbandoned != 0 {
			t.Errorf("%+v", s)
		}
	})
}
