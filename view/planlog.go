package view

import (
	"context"
	"log/slog"
	"slices"
	"strings"
)

// logPlan settles the app and says how its requests will run.
func (a *App) logPlan() {
	a.settle.Do(a.compose)
	ctx, log := context.Background(), a.logger()
	crossing := 0
	for _, p := range a.plan {
		if p.Crossings > 0 {
			crossing++
		}
		log.LogAttrs(ctx, slog.LevelDebug, "route planned",
			slog.String("pattern", p.Pattern), slog.String("name", p.Name), slog.String("colour", p.Colour.String()),
			slog.String("middleware", p.middleware()), slog.Int("crossings", p.Crossings),
			slog.String("adapted", strings.Join(p.Adapted(), "; ")), slog.String("limiter", p.Limiter), slog.Bool("pinned", p.Pinned))
	}
	log.LogAttrs(ctx, slog.LevelInfo, "routes settled",
		slog.Int("routes", len(a.plan)), slog.Int("routes_that_cross", crossing), slog.Bool("sync_only", a.syncOnly))
}

// Adapted says for people where the crossings are, innermost first, each as "sync
// view adapted for async middleware timing". There are as many as Crossings.
func (p RoutePlan) Adapted() []string {
	var all []string
	what, mode := "view", p.Colour
	to := func(whom string, want Mode) {
		if mode != want {
			all = append(all, mode.String()+" "+what+" adapted for "+want.String()+" "+whom)
		}
		what, mode = whom, want
	}
	for _, l := range slices.Backward(p.Layers) {
		if l.Mode != Native {
			to("middleware "+l.Name, l.Mode)
		}
	}
	if mode == Async && len(all) < p.Crossings {
		to("profile", Sync) // that of SyncOnly
	}
	to("server", Async)
	return all
}

// middleware lists the layers with their modes, outermost first.
func (p RoutePlan) middleware() string {
	layers := make([]string, len(p.Layers))
	for i, l := range p.Layers {
		layers[i] = l.String()
	}
	return strings.Join(layers, ", ")
}

// String gives the name and the mode, such as "timing (async)".
func (l LayerPlan) String() string { return l.Name + " (" + l.Mode.String() + ")" }
