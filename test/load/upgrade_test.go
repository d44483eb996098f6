//go:build load

package load

import (
	"context"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tandem-go/tandem/internal/strict"
	"github.com/tandem-go/tandem/test/harness"
)

// Five hundred upgrades under a flood of HUP and under load: the process lives,
// and no request is lost. A HUP in the window between two programs is ignored, the
// others reload.
func TestFiveHundredUpgradesUnderAFloodOfHUP(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	s, err := harness.Start(harness.Config{Bin: bin, Dir: t.TempDir(), Args: []string{"--workers", "2", "--bake", "200ms"}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Ready(ctx, 2); err != nil {
		t.Fatal(err)
	}
	run := strict.Start(ctx, strict.Load{
		Addr: s.Addr, Duration: 4 * time.Minute,
		Groups: []strict.Group{{Mode: strict.Short, Clients: 2, Target: "/modern/", ThinkMax: 20 * time.Millisecond}},
	})
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		pace := time.NewTicker(200 * time.Microsecond)
		defer pace.Stop()
		for {
			select {
			case <-stop:
				return
			case <-pace.C:
				_ = s.Signal(syscall.SIGHUP)
			}
		}
	}()
	begin := time.Now()
	const upgrades = 500
	for n := range upgrades {
		if res, err := s.Run(ctx, "upgrade"); err != nil || res.Code != 0 {
			t.Fatalf("upgrade %d: %v, exit %d\n%s%s\n%s", n, err, res.Code, res.Stdout, res.Stderr, s.Stderr.Tail(20))
		}
	}
	took := time.Since(begin)
	close(stop)
	<-stopped
	if err := run.Stop().Err(); err != nil {
		t.Error(err)
	}
	if _, err := s.Ready(ctx, 2); err != nil {
		t.Error(err)
	}
	t.Logf("%d upgrades in %v, %v each", upgrades, took.Round(time.Millisecond), (took / upgrades).Round(100*time.Microsecond))
	if n := strings.Count(s.Stderr.String(), `"msg":"supervisor upgraded"`); n != upgrades {
		t.Errorf("the log has %d upgrades", n)
	}
}
