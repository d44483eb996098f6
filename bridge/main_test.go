package bridge_test

import (
	"context"
	"testing"

	"go.uber.org/goleak"

	"github.com/tandem-go/tandem/bridge"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// limits makes limiters of their own for a test: n permits of each kind.
func limits(n int, opts ...bridge.LimiterOption) bridge.Limits {
	return bridge.Limits{
		Blocking: bridge.NewLimiter(n, opts...),
		CPU:      bridge.NewCPULimiter(n, opts...),
	}
}

// request opens a scope as a server does for one request.
func request(t *testing.T, ctx context.Context, l bridge.Limits) (*bridge.Scope, context.Context) {
	t.Helper()
	s := new(bridge.Scope)
	ctx = s.Open(ctx, l)
	t.Cleanup(s.Close)
	return s, ctx
}

// idle fails the test unless every permit is back and nobody waits.
func idle(t *testing.T, ls ...*bridge.Limiter) {
	t.Helper()
	for _, l := range ls {
		if st := l.Stats(); st.InUse != 0 || st.Queued != 0 {
			t.Errorf("limiter %q is not idle afterwards: %+v", l.Name(), st)
		}
	}
}

// run makes a sync function of one without results.
func run(f func()) func() (struct{}, error) {
	return func() (struct{}, error) { f(); return struct{}{}, nil }
}

// waiting makes an async function of one without results.
func waiting(f func(context.Context)) func(context.Context) (struct{}, error) {
	return func(ctx context.Context) (struct{}, error) { f(ctx); return struct{}{}, nil }
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
		return v
	}
}
