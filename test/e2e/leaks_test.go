package e2e

import (
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/tandem-go/tandem/test/harness"
)

// TestNothingGrows counts the supervisor's descriptors, children and threads
// over reloads and crashes, and looks whether the shared listener is still
// non-blocking.
func TestNothingGrows(t *testing.T) {
	t.Parallel()
	const rounds = 10
	ctx := within(t)
	s, st := serve(ctx, t, 2, foreign(harness.Config{Args: []string{"--bake", "50ms"}}, "serve"))
	// A first reload and a first crash may leave what is made once.
	cycle := func() {
		t.Helper()
		must(ctx, t, s, "reload", "--wait")
		st = ready(ctx, t, s, 2)
		victim := st.Workers[0].PID
		kill(t, victim, syscall.SIGKILL)
		st = await(ctx, t, s, "a replacement of the killed worker", func(st harness.Status) bool {
			return len(st.Ready()) == 2 && len(st.Workers) == 2 && !slices.Contains(harness.PIDs(st.Workers), victim)
		})
		if !info(ctx, t, s).NonBlock {
			t.Fatal("the listener has lost O_NONBLOCK: workers block in accept")
		}
	}
	count := func() int {
		n, err := harness.FDs(s.PID)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	cycle()
	base, before := count(), harness.FDList(s.PID)
	for range rounds {
		cycle()
	}
	// A connection to the control socket may still be on its way out.
	if err := harness.Poll(ctx, "the descriptors to be as many as before", func() bool { return count() <= base }); err != nil {
		t.Errorf("%v: %d, now %d\nbefore:\n%s\nnow:\n%s", err, base, count(), before, harness.FDList(s.PID))
	}
	if err := harness.Poll(ctx, "two children", func() bool { return len(harness.Children(s.PID)) == 2 }); err != nil {
		t.Errorf("%v: children %v", err, harness.Children(s.PID))
	}
}

// TestWorkersEndWithTheirSupervisor: foreign workers too, that know nothing of
// the channel.
func TestWorkersEndWithTheirSupervisor(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]harness.Config{"foreign": foreign(harness.Config{}, "serve"), "tandem": {}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := within(t)
			s, _ := serve(ctx, t, 2, c)
			if err := harness.Kill(s.PID, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			if err := harness.Poll(ctx, "the workers to end", func() bool { return len(s.Strays()) == 0 }); err != nil {
				t.Fatalf("%v: left %v", err, s.Strays())
			}
			t.Logf("ended after %s", time.Since(begin).Round(time.Millisecond))
		})
	}
}
