//go:build load

package load

import (
	"testing"
	"time"

	"github.com/tandem-go/tandem/internal/strict"
	"github.com/tandem-go/tandem/test/harness"
)

// TestKeptConnectionsAreSpread: of 1,000 connections no worker of four holds
// more than 1.3 times the mean, whether they came at once, and after a roll.
func TestKeptConnectionsAreSpread(t *testing.T) {
	ctx := within(t)
	const n, workers = 1000, 4
	s, _ := serve(ctx, t, workers, harness.Config{Args: []string{"--bake", "1ms"}})
	run := begin(ctx, t, strict.Load{Addr: s.Addr, Duration: limit, Groups: []strict.Group{{
		Mode: strict.Kept, Clients: n, Target: "/modern/", ThinkMin: 2 * time.Second, ThinkMax: 3 * time.Second,
	}}})
	even := func(when string) {
		t.Helper()
		var held []int
		if _, err := s.Await(ctx, "all connections to be with workers that are ready", func(st harness.Status) bool {
			held = held[:0]
			sum := 0
			for _, w := range st.Ready() {
				if w.Connections != nil {
					held = append(held, int(*w.Connections))
					sum += int(*w.Connections)
				}
			}
			return sum == n && len(held) == workers
		}); err != nil {
			t.Fatalf("%s: %v; held are %v", when, err, held)
		}
		for _, c := range held {
			if c > n/workers*13/10 {
				t.Errorf("%s the workers hold %v", when, held)
				break
			}
		}
		t.Log(when, held)
	}
	even("at first")
	for range 2 {
		must(ctx, t, s, "reload", "--wait")
		even("after a reload")
	}
	if rep := run.Stop(); rep.IdleClosed != 0 || rep.Connections != n {
		t.Error(rep)
	}
}
