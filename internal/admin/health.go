package admin

import (
	"context"
	"fmt"

	"github.com/tandem-go/tandem/internal/control"
)

// Health is what the probes want to know of the service.
type Health struct {
	State  string // as in [control.Status]
	Ready  int    // workers that serve
	Wanted int    // workers there should be
}

// Backend is the supervisor as the admin listener sees it. The methods are
// called from many goroutines at once, must return when their ctx ends, and must
// answer from the supervisor's own knowledge: a worker is never asked.
type Backend interface {
	// Health asks the supervisor's loop itself. An error says that it has not
	// answered.
	Health(ctx context.Context) (Health, error)
	// Status gives a snapshot.
	Status(ctx context.Context) (control.Status, error)
}

// readiness says whether new connections should be sent here, and why (not). One
// worker that serves is enough, in a degraded service and in a reload too: with
// several replicas that all reload, asking for more would take all of them out of
// the balancer at once. A service that starts is not ready before its start is
// over, nor one that stops from the moment on that it is asked to.
func (h Health) readiness() (ready bool, why string) {
	count := fmt.Sprintf("%d of %d workers ready", h.Ready, h.Wanted)
	switch {
	case h.State == "starting" || h.State == "stopping":
		return false, fmt.Sprintf("not ready: %s, %s", h.State, count)
	case h.Ready == 0:
		return false, fmt.Sprintf("not ready: %s, no worker is ready (%d wanted)", h.State, h.Wanted)
	}
	return true, fmt.Sprintf("ready: %s, %s", h.State, count)
}
