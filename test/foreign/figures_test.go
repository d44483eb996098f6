//go:build load

package foreign

import (
	"context"
	"testing"
	"time"

	"github.com/tandem-go/tandem/internal/strict"
)

const reloadsToMeasure = 10

// TestFigures measures what docs/foreign-workers.md says of each server: what
// ten reloads cost clients with fresh connections, with kept ones that look
// before they send, and with kept ones that cannot.
//
//	go test -tags load -count=1 -v -run TestFigures ./test/foreign
func TestFigures(t *testing.T) {
	for _, srv := range servers {
		t.Run(srv.name, func(t *testing.T) { figures(t, srv) })
	}
}

func figures(t *testing.T, srv server) {
	needsModule(t, srv.modules...)
	for _, g := range []strict.Group{
		{Mode: strict.Short, Clients: 8, Target: "/async/"},
		{Mode: strict.Kept, Clients: 8, Target: "/async/", ThinkMax: 20 * time.Millisecond},
		{Mode: strict.Kept, Clients: 8, Target: "/async/", ThinkMax: 20 * time.Millisecond, Blind: true},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		s, _ := launch(ctx, t, srv.args, nil, srv.command...)
		g.Check = strict.Contains
		run := strict.Start(ctx, strict.Load{Addr: s.Addr, Duration: 5 * time.Minute, Groups: []strict.Group{g}})
		begun := time.Now()
		for range reloadsToMeasure {
			if err := run.Answered(ctx, 20); err != nil {
				t.Fatal(err)
			}
			if res, err := s.Run(ctx, "reload", "--wait"); err != nil || res.Code != 0 {
				t.Fatalf("reload: exit %d, %v\n%s", res.Code, err, res.Stderr)
			}
		}
		took := time.Since(begun)
		rep := run.Stop()
		t.Logf("%s, %s, blind %t, %d reloads in %v: %v, idle connections closed %d", srv.name, g.Mode, g.Blind, reloadsToMeasure, took.Round(time.Second), rep.Counts, rep.IdleClosed)
		stops(ctx, t, s)
	}
}
