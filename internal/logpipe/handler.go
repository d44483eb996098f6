package logpipe

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"time"
)

// handler formats the supervisor's own records and gives each, whole, to emit.
type handler struct {
	*ownFormat
	inner slog.Handler // writes to ownFormat.buf
}

// ownFormat is what a handler shares with those made from it.
type ownFormat struct {
	format Format
	level  slog.Leveler
	emit   func([]byte) error // must not keep the record

	mu  sync.Mutex
	buf bytes.Buffer
	out []byte
}

func (f *Fanin) handler(level slog.Leveler, emit func([]byte) error) slog.Handler {
	h := &handler{ownFormat: &ownFormat{format: f.err.format, level: level, emit: emit}}
	o := &slog.HandlerOptions{Level: level, ReplaceAttr: h.replace}
	if h.format == Text {
		h.inner = slog.NewTextHandler(&h.buf, o)
	} else {
		h.inner = slog.NewJSONHandler(&h.buf, o)
	}
	return h
}

// replace gives the time our form, and leaves out of the text what the columns
// say.
func (f *ownFormat) replace(groups []string, a slog.Attr) slog.Attr {
	if len(groups) > 0 {
		return a
	}
	switch a.Key {
	case slog.TimeKey:
		if a.Value.Kind() == slog.KindTime && f.format != Text {
			a.Value = slog.StringValue(a.Value.Time().UTC().Format(jsonTime))
		}
	case slog.LevelKey:
		if _, ok := a.Value.Any().(slog.Level); ok && f.format == Text {
			return slog.Attr{}
		}
	case slog.MessageKey:
		if f.format == Text && a.Value.String() == "" {
			return slog.Attr{}
		}
	}
	return a
}

func (h *handler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.buf.Reset()
	h.out = h.out[:0]
	if h.format == Text {
		h.out = r.Time.AppendFormat(h.out, textTime)
		h.out = append(h.out, ownColumns(r.Level.String())...)
		h.out = appendText(h.out, []byte(r.Message), nil)
		r.Time, r.Message = time.Time{}, ""
	}
	if err := h.inner.Handle(ctx, r); err != nil {
		return err
	}
	attrs := bytes.TrimSuffix(h.buf.Bytes(), []byte{'\n'})
	if h.format == Text {
		if len(attrs) > 0 {
			h.out = append(h.out, ' ')
		}
		h.out = appendText(h.out, attrs, nil)
	} else {
		h.out = appendObject(h.out, attrs)
	}
	h.out = append(h.out, '\n')
	return h.emit(h.out)
}

func (h *handler) WithAttrs(as []slog.Attr) slog.Handler {
	return &handler{h.ownFormat, h.inner.WithAttrs(as)}
}

func (h *handler) WithGroup(name string) slog.Handler {
	return &handler{h.ownFormat, h.inner.WithGroup(name)}
}
