package worker

import (
	"bytes"
	"context"
	"log"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// occasional is a record that clients can bring about as often as they like. It is
// written once a second at most, with the number of others that were not before it; when no
// more come, the rest is a record of its own. Safe for concurrent use.
type occasional struct {
	last atomic.Int64 // when it was written, ns since the process began; 0: never
	more atomic.Int64 // since then
	what atomic.Pointer[record]
}

type record struct {
	level slog.Level
	text  string
}

// say writes the record, or counts it.
func (o *occasional) say(logger *slog.Logger, level slog.Level, text string, attrs ...any) {
	now, last := int64(time.Since(processBegan)), o.last.Load()
	if last != 0 && now-last < int64(time.Second) || !o.last.CompareAndSwap(last, now) {
		o.what.Store(&record{level, text})
		o.more.Add(1)
		return
	}
	if more := o.more.Swap(0); more > 0 {
		attrs = append(attrs, "others", more)
	}
	logger.Log(context.Background(), level, text, attrs...)
}

// rest writes how many were counted and not told of yet.
func (o *occasional) rest(logger *slog.Logger, atOnce bool) {
	now := int64(time.Since(processBegan))
	if o.more.Load() == 0 || !atOnce && now-o.last.Load() < int64(time.Second) {
		return
	}
	o.last.Store(now)
	if more := o.more.Swap(0); more > 0 {
		what := o.what.Load()
		logger.Log(context.Background(), what.level, what.text, "times", more)
	}
}

// said are the records of a server that clients bring about.
type said struct {
	crowded, waiting, refused, handshakes, proxies, descriptors, stalled, kept occasional
	http                                                                       complaints
}

// rest is called now and then, and at last with atOnce.
func (s *said) rest(logger *slog.Logger, atOnce bool) {
	for _, o := range []*occasional{&s.crowded, &s.waiting, &s.refused, &s.handshakes, &s.proxies, &s.descriptors, &s.stalled, &s.kept} {
		o.rest(logger, atOnce)
	}
	s.http.rest(logger, atOnce)
}

// complaints is what net/http has to say, each kind of it an occasional. A panic is always
// said. Its lines have no other mark than how they begin.
type complaints struct {
	mu    sync.Mutex
	kinds map[string]*occasional
}

const (
	complaintKind  = 24 // bytes of a line that none of net/http's fills with a client's
	complaintKinds = 64
)

// logger is an http.Server's ErrorLog.
func (c *complaints) logger(logger *slog.Logger) *log.Logger {
	return log.New(complaintWriter{c, logger}, "", 0)
}

type complaintWriter struct {
	complaints *complaints
	logger     *slog.Logger
}

func (w complaintWriter) Write(line []byte) (int, error) {
	text := string(bytes.TrimSuffix(line, []byte("\n")))
	if bytes.HasPrefix(line, []byte("http: panic serving ")) || bytes.HasPrefix(line, []byte("http2: panic serving ")) {
		w.logger.Warn(text)
	} else {
		w.complaints.kind(text).say(w.logger, slog.LevelWarn, text)
	}
	return len(line), nil
}

// kind is the occasional of lines that begin like this one.
func (c *complaints) kind(text string) *occasional {
	begin := text[:min(complaintKind, len(text))]
	c.mu.Lock()
	defer c.mu.Unlock()
	o := c.kinds[begin]
	if o != nil {
		return o
	}
	if len(c.kinds) >= complaintKinds {
		begin = ""
	}
	if o = c.kinds[begin]; o == nil {
		if c.kinds == nil {
			c.kinds = map[string]*occasional{}
		}
		o = &occasional{}
		c.kinds[begin] = o
	}
	return o
}

func (c *complaints) rest(logger *slog.Logger, atOnce bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, o := range c.kinds {
		o.rest(logger, atOnce)
	}
}
