package e2e

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/tandem-go/tandem/internal/strict"
	"github.com/tandem-go/tandem/test/harness"
)

// TestKeptConnectionsOutliveReloads is the small sister of that in test/load: a
// client that keeps its connection, POSTs, thinks, looks at nothing and repeats
// nothing needs one connection over some reloads, by whichever socket it came.
func TestKeptConnectionsOutliveReloads(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	path := filepath.Join(t.TempDir(), "second.sock")
	s, _ := serve(ctx, t, 2, harness.Config{Args: []string{"--bind", "unix:" + path, "--bake", "1ms"}})
	group := func(think time.Duration) strict.Group {
		return strict.Group{
			Mode: strict.Kept, Clients: 3, Target: "/echo/", Body: 256, ThinkMax: think, Blind: true, Check: strict.EchoJSON,
		}
	}
	var runs []*strict.Running
	for _, addr := range []string{s.Addr, "unix:" + path} {
		runs = append(runs, strict.Start(ctx, strict.Load{Addr: addr, Duration: 30 * time.Second, Groups: []strict.Group{
			group(5 * time.Millisecond), group(300 * time.Millisecond),
		}}))
	}
	for range 3 {
		must(ctx, t, s, "reload", "--wait")
		for _, run := range runs {
			if err := run.Answered(ctx, 20); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, run := range runs {
		rep := run.Stop()
		if err := rep.Err(); err != nil {
			t.Error(err)
		}
		if rep.Connections > 6 || rep.IdleClosed != 0 {
			t.Errorf("6 clients have needed %d connections, of which %d were closed between two requests", rep.Connections, rep.IdleClosed)
		}
	}
}
