package certs

import (
	"context"
	"log/slog"
	"time"
)

// news are records that are kept until what they are about is served: who acts on one
// finds it to be so. It is its Store's, and not for several goroutines.
type news struct {
	logger *slog.Logger
	kept   []slog.Record
}

func (n *news) keep(level slog.Level, text string, attrs []any) {
	r := slog.NewRecord(time.Now(), level, text, 0)
	r.Add(attrs...)
	n.kept = append(n.kept, r)
}

// Info, Warn and Error keep a record as a Logger would write it.
func (n *news) Info(text string, attrs ...any)  { n.keep(slog.LevelInfo, text, attrs) }
func (n *news) Warn(text string, attrs ...any)  { n.keep(slog.LevelWarn, text, attrs) }
func (n *news) Error(text string, attrs ...any) { n.keep(slog.LevelError, text, attrs) }

// tell writes them.
func (n *news) tell() {
	h := n.logger.Handler()
	for _, r := range n.kept {
		if h.Enabled(context.Background(), r.Level) {
			_ = h.Handle(context.Background(), r) // as a Logger, which has nobody to tell either
		}
	}
	n.kept = nil
}
