package e2e

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/tandem-go/tandem/test/harness"
)

// TestConnectionsFitTheLimitInEveryPhase: at rest, scaled, while the workers of a
// reload before still drain, and after an upgrade in place. Each status is a
// moment of the supervisor, so the sum may never be more.
func TestConnectionsFitTheLimitInEveryPhase(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	const limit = 100
	s, _ := replaceable(ctx, t, 4, filepath.Join(bin, "supervisor"), foreign(harness.Config{Args: []string{"--db-connections", fmt.Sprint(limit)}}, "tandem"))
	divided := func(state string, n, each int) harness.Status {
		t.Helper()
		return await(ctx, t, s, fmt.Sprintf("%d %s workers with %d connections each", n, state, each), func(st harness.Status) bool {
			all, fit := 0, 0
			for _, w := range st.Workers {
				all += w.DatabaseConnections
				if w.State == state && w.DatabaseConnections == each {
					fit++
				}
			}
			if all > limit {
				t.Errorf("%d connections of %d given to %+v", all, limit, st.Workers)
			}
			return fit == n
		})
	}
	// Workers are told soon after the supervisor says so.
	told := func(n, each int) {
		t.Helper()
		want, answers := map[string]bool{}, map[string]bool{}
		for _, w := range divided("ready", n, each).Ready() {
			want[fmt.Sprintf("%d: %d", w.PID, each)] = true
		}
		for !includes(answers, want) {
			if ctx.Err() != nil {
				t.Fatalf("with %d workers: waited for %v among %v", n, want, answers)
			}
			answers[ask(ctx, t, s, "/connections/")] = true
		}
	}
	told(4, 20)
	for i, n := range []int{2, 1, 4} {
		must(ctx, t, s, "scale", fmt.Sprint(n))
		ready(ctx, t, s, n)
		told(n, limit/(n+1))
		if i == 0 {
			mustUpgrade(ctx, t, s)
		}
	}

	// Requests that are not over hold the old workers.
	var requests sync.WaitGroup
	holding, over := context.WithCancel(ctx)
	defer requests.Wait()
	defer over()
	for range 16 {
		requests.Go(func() { _, _, _ = get(holding, s, "/wait/") })
	}
	await(ctx, t, s, "a request in each worker", func(st harness.Status) bool {
		for _, w := range st.Workers {
			if w.InFlight == nil || *w.InFlight == 0 {
				return false
			}
		}
		return len(st.Workers) == 4
	})
	reload := make(chan harness.Result, 1)
	requests.Go(func() {
		res, err := s.Run(ctx, "reload", "--wait")
		if err != nil {
			t.Error(err)
		}
		reload <- res
	})
	divided("draining", 4, limit/8)
	divided("ready", 4, limit/8)
	if res := <-reload; res.Code != 0 {
		t.Errorf("reload: exit %d\n%s", res.Code, res.Stderr)
	}
	over()
	told(4, 20)

	if res := command(ctx, t, s, "scale", "100"); res.Code != 1 || !strings.Contains(res.Stderr, "more processes than --db-connections 100") {
		t.Errorf("scaled beyond: exit %d\n%s", res.Code, res.Stderr)
	}
}

func TestTooFewConnectionsAreRefusedAtTheStart(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	s := launch(t, foreign(harness.Config{Args: []string{"--workers", "4", "--db-connections", "4"}}, "serve"))
	exits(ctx, t, s, 2)
	if _, err := s.Stderr.AwaitText(ctx, "is less than one for each process, 4 workers and a surge of 1 (default)"); err != nil {
		t.Error(err)
	}
}
