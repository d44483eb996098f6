package e2e

import (
	"fmt"
	"maps"
	"path/filepath"
	"testing"

	"github.com/tandem-go/tandem/internal/budget"
	"github.com/tandem-go/tandem/test/harness"
)

// TestTheShareFollowsTheNumberOfWorkers: each worker that stays has what is its
// own among so many now, in GOMAXPROCS, GOMEMLIMIT and the permits of its CPU
// limiter; also after an upgrade in place.
func TestTheShareFollowsTheNumberOfWorkers(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	admin := filepath.Join(t.TempDir(), "admin.sock")
	client := adminOf(t, admin)
	s, _ := replaceable(ctx, t, 4, filepath.Join(bin, "supervisor"), foreign(harness.Config{Args: []string{"--admin", "unix:" + admin}}, "tandem"))
	limits := budget.Read()
	// Workers are told soon after the supervisor was, and write down twice a second
	// how many permits they have.
	divided := func(n int) {
		t.Helper()
		share := limits.Share(n)
		want := map[string]bool{}
		for _, w := range ready(ctx, t, s, n).Workers {
			want[fmt.Sprintf("%d: %d CPUs, %d bytes", w.PID, share.CPUs, share.Memory)] = true
		}
		answers := map[string]bool{}
		for !includes(answers, want) {
			if ctx.Err() != nil {
				t.Fatalf("with %d workers: waited for %v among %v", n, want, answers)
			}
			answers[ask(ctx, t, s, "/share/")] = true
		}
		permits := map[string]float64{
			`tandem_sync_permits{limiter="cpu"}`:      float64(n * max(1, share.CPUs-1)),
			`tandem_sync_permits{limiter="blocking"}`: float64(n * tandemPermits),
		}
		for last := scrape(ctx, t, client); !includes(last, permits); last = scrape(ctx, t, client) {
		}
	}
	divided(4)
	for i, n := range []int{2, 1, 3} {
		must(ctx, t, s, "scale", fmt.Sprint(n))
		divided(n)
		if i == 0 {
			mustUpgrade(ctx, t, s)
		}
	}
}

func includes[M ~map[K]V, K, V comparable](m M, part map[K]V) bool {
	all := maps.Clone(part)
	for k, v := range part {
		if m[k] == v {
			delete(all, k)
		}
	}
	return len(all) == 0
}
