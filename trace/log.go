package trace

import (
	"context"
	"log/slog"
	"slices"
)

// LogHandler gives the records that are logged with a context of a trace the ids of
// their place in it, as trace_id and span_id: beside the time and the message, also
// in a logger with groups.
func LogHandler(next slog.Handler) slog.Handler { return &logHandler{root: next, next: next} }

// logHandler is next, which is root with all that later has done to it.
type logHandler struct {
	root  slog.Handler
	next  slog.Handler
	later []func(slog.Handler) slog.Handler // from the first group on; none before
}

// Enabled is slog.Handler's.
func (h *logHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

// Handle is slog.Handler's.
func (h *logHandler) Handle(ctx context.Context, r slog.Record) error {
	c := FromContext(ctx)
	if !c.Valid() {
		return h.next.Handle(ctx, r)
	}
	ids := c.Attr().Value.Group()
	if len(h.later) == 0 {
		r = r.Clone()
		r.AddAttrs(ids...)
		return h.next.Handle(ctx, r)
	}
	outer := h.root.WithAttrs(ids)
	for _, f := range h.later {
		outer = f(outer)
	}
	return outer.Handle(ctx, r)
}

// WithAttrs is slog.Handler's.
func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(h.later) == 0 {
		return LogHandler(h.next.WithAttrs(attrs))
	}
	return h.with(func(next slog.Handler) slog.Handler { return next.WithAttrs(attrs) })
}

// WithGroup is slog.Handler's.
func (h *logHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return h.with(func(next slog.Handler) slog.Handler { return next.WithGroup(name) })
}

func (h *logHandler) with(f func(slog.Handler) slog.Handler) slog.Handler {
	return &logHandler{root: h.root, next: f(h.next), later: append(slices.Clip(h.later), f)}
}
