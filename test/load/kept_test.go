//go:build load

package load

import (
	"context"
	"testing"
	"time"

	"github.com/tandem-go/tandem/internal/strict"
	"github.com/tandem-go/tandem/test/harness"
)

// TestKeptConnectionsOutliveReloads is the promise to who keeps a connection
// and thinks: over a hundred reloads of all workers, whatever the time between
// two of its requests, it sees neither an error nor a close. The clients POST,
// repeat nothing and are blind, so one close between two requests is a loss; and
// each of them needs one connection, so one "Connection: close" shows, too.
func TestKeptConnectionsOutliveReloads(t *testing.T) {
	// A hundred reloads are half a minute of work for two processors, and may find them busy.
	ctx, cancel := context.WithTimeout(t.Context(), 4*limit)
	defer cancel()
	s, first := serve(ctx, t, 4, harness.Config{Args: []string{"--bake", "1ms"}})
	l := strict.Load{Addr: s.Addr, Duration: 4 * limit}
	clients := 0
	for _, think := range []time.Duration{0, 20 * time.Millisecond, 500 * time.Millisecond, 5 * time.Second} {
		n := 16
		if think == 0 {
			n = 2 // these have the machine to themselves otherwise
		}
		clients += n
		l.Groups = append(l.Groups, strict.Group{
			Mode: strict.Kept, Clients: n, Target: "/echo/", Body: 256, ThinkMax: think,
			Blind: true, Check: strict.EchoJSON,
		})
	}
	run := begin(ctx, t, l)
	const reloads = 100
	for range reloads {
		must(ctx, t, s, "reload", "--wait")
	}
	flow(ctx, t, run, 200)
	rep := run.Stop()
	faultless(t, rep)
	if rep.Connections != clients || rep.IdleClosed != 0 {
		t.Errorf("%d clients needed %d connections, of which %d were closed between two requests", clients, rep.Connections, rep.IdleClosed)
	}
	st, err := s.Ready(ctx, 4)
	if err != nil {
		t.Fatal(err)
	}
	if st.Generation != first.Generation+reloads {
		t.Errorf("generation %d after %d reloads of generation %d", st.Generation, reloads, first.Generation)
	}
	t.Log(rep)
}
