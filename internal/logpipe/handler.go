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
	text, json slog.Handler // write to ownFormat.buf
}

// ownFormat is what a handler shares with those made from it.
type ownFormat struct {
	level slog.Leveler
	emit  func(*ownRecord) error // must not keep the record

	mu  sync.Mutex
	buf bytes.Buffer
	rec ownRecord
}

// ownRecord is a record of the supervisor in both forms: they are few, and who
// reads along may want the other one than the sink.
type ownRecord struct {
	at    time.Time
	level slog.Level
	text  []byte // what follows the columns
	json  []byte // an object

	out []byte
}

// format gives the record as it is in the log, newline included; valid until
// the next call.
func (r *ownRecord) format(f Format) []byte {
	switch {
	case f == Journal:
		r.out = escaped(r.out[:0], appendJournal(nil, journalPriority(r.level), "", r.text))
	case f != Text && len(r.json) == 0: // too long to be kept in both
		r.out = r.at.UTC().AppendFormat(append(r.out[:0], `{"time":"`...), jsonTime)
		r.out = append(append(append(r.out, `","level":"`...), r.level.String()...), `","msg":"`...)
		r.out = append(appendJSON(r.out, r.text), `"}`...)
	case f == Text:
		r.out = r.at.AppendFormat(r.out[:0], textTime)
		r.out = append(r.out, ownColumns(r.level.String())...)
		r.out = append(r.out, r.text...)
	default:
		r.out = append(r.out[:0], r.json...)
	}
	r.out = append(r.out, '\n')
	return r.out
}

// line is the record for who reads along; it is only lent.
func (r *ownRecord) line() Line {
	return Line{Stream: Stderr, Time: r.at, Level: r.level, Text: r.text, json: r.json}
}

func (f *Fanin) handler(level slog.Leveler, emit func(*ownRecord) error) slog.Handler {
	h := &handler{ownFormat: &ownFormat{level: level, emit: emit}}
	h.text = slog.NewTextHandler(&h.buf, &slog.HandlerOptions{Level: level, ReplaceAttr: textAttr})
	h.json = slog.NewJSONHandler(&h.buf, &slog.HandlerOptions{Level: level, ReplaceAttr: jsonAttr})
	return h
}

// jsonAttr gives the time our form.
func jsonAttr(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey && a.Value.Kind() == slog.KindTime {
		a.Value = slog.StringValue(a.Value.Time().UTC().Format(jsonTime))
	}
	return a
}

// textAttr leaves out of the text what the columns say.
func textAttr(groups []string, a slog.Attr) slog.Attr {
	if len(groups) > 0 {
		return a
	}
	switch a.Key {
	case slog.LevelKey:
		if _, ok := a.Value.Any().(slog.Level); ok {
			return slog.Attr{}
		}
	case slog.MessageKey:
		if a.Value.String() == "" {
			return slog.Attr{}
		}
	}
	return a
}

func (h *handler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.rec.at, h.rec.level = r.Time, r.Level
	attrs, err := h.render(ctx, h.json, r)
	if err != nil {
		return err
	}
	h.rec.json = appendObject(h.rec.json[:0], attrs)
	h.rec.text = appendText(h.rec.text[:0], []byte(r.Message), nil)
	r.Time, r.Message = time.Time{}, ""
	if attrs, err = h.render(ctx, h.text, r); err != nil {
		return err
	}
	if len(attrs) > 0 {
		h.rec.text = append(h.rec.text, ' ')
	}
	h.rec.text = appendText(h.rec.text, attrs, nil)
	return h.emit(&h.rec)
}

func (h *handler) render(ctx context.Context, inner slog.Handler, r slog.Record) ([]byte, error) {
	h.buf.Reset()
	err := inner.Handle(ctx, r)
	return bytes.TrimSuffix(h.buf.Bytes(), []byte{'\n'}), err
}

func (h *handler) WithAttrs(as []slog.Attr) slog.Handler {
	return &handler{h.ownFormat, h.text.WithAttrs(as), h.json.WithAttrs(as)}
}

func (h *handler) WithGroup(name string) slog.Handler {
	return &handler{h.ownFormat, h.text.WithGroup(name), h.json.WithGroup(name)}
}
