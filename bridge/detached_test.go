package bridge_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/tandem-go/tandem/bridge"
)

type detachedKey struct{}

func TestDetachedHasValuesAndDeadlineAndGoesOn(t *testing.T) {
	at := time.Now().Add(time.Hour)
	ctx, cancel := context.WithDeadline(context.WithValue(t.Context(), detachedKey{}, "given"), at)
	defer cancel()
	_, err := bridge.RunSyncScoped(ctx, func(s *bridge.Scope) (any, error) {
		detached, done, err := bridge.Detached(s, "test")
		if err != nil {
			return nil, err
		}
		if d, ok := detached.Deadline(); !ok || !d.Equal(at) {
			t.Errorf("deadline %v, %t; want %v", d, ok, at)
		}
		if v := detached.Value(detachedKey{}); v != "given" {
			t.Errorf("value %v", v)
		}
		cancel()
		if err := detached.Err(); err != nil {
			t.Errorf("the caller's end is its end: %v", err)
		}
		done()
		if detached.Err() == nil {
			t.Error("it goes on when it was released")
		}
		return nil, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestDetachedIsForSyncCodeAlone(t *testing.T) {
	var kept bridge.Scoped
	_, err := bridge.RunSyncScoped(t.Context(), func(s *bridge.Scope) (any, error) {
		kept = s
		return nil, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := bridge.Detached(kept, "test"); !errors.Is(err, bridge.ErrSynchronousOnly) {
		t.Errorf("%v, want ErrSynchronousOnly", err)
	}
	job := bridge.NewRoot(context.WithValue(t.Context(), detachedKey{}, "job's"), bridge.Limits{})
	defer job.Close()
	ctx, done, err := bridge.Detached(job, "test")
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	if v := ctx.Value(detachedKey{}); v != "job's" {
		t.Errorf("value %v", v)
	}
}
