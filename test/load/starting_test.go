//go:build load

package load

import (
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/tandem-go/tandem/internal/strict"
	"github.com/tandem-go/tandem/test/harness"
)

// TestUnwantedWhileStarting takes workers back at every moment of their start.
// One that has just begun to accept, and whose word of it is still on its way,
// may hold a request already.
func TestUnwantedWhileStarting(t *testing.T) {
	const rounds = 300
	ctx := within(t)
	s, _ := serve(ctx, t, 1, harness.Config{})
	run := begin(ctx, t, strict.Load{
		Addr: s.Addr, Duration: limit,
		Groups: []strict.Group{{Mode: strict.Short, Clients: 12, Target: "/echo/", Check: strict.EchoJSON, Tag: strict.EchoWorker}},
	})
	for range rounds {
		signal(t, s, syscall.SIGTTIN)
		moment := time.NewTimer(rand.N(25 * time.Millisecond)) // the random moment, not a wait
		<-moment.C
		signal(t, s, syscall.SIGTTOU)
		flow(ctx, t, run, 5)
	}
	must(ctx, t, s, "scale", "1") // signals that come together may merge
	if _, err := s.Ready(ctx, 1); err != nil {
		t.Fatal(err)
	}
	faultless(t, run.Stop())
}

// TestStopWhileStarting stops the service while a worker starts.
func TestStopWhileStarting(t *testing.T) {
	for range 6 {
		ctx := within(t)
		s, _ := serve(ctx, t, 1, harness.Config{})
		run := begin(ctx, t, strict.Load{
			Addr: s.Addr, Duration: limit, EndWhenRefused: true,
			Groups: []strict.Group{{Mode: strict.Short, Clients: 12, Target: "/echo/", Check: strict.EchoJSON, Tag: strict.EchoWorker}},
		})
		signal(t, s, syscall.SIGTTIN)
		moment := time.NewTimer(rand.N(40 * time.Millisecond))
		<-moment.C
		signal(t, s, syscall.SIGTERM)
		if code, err := s.Wait(ctx); err != nil || code != 0 {
			t.Errorf("exit %d, %v", code, err)
		}
		answered(t, run.Wait())
	}
}
