package logpipe

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"log/slog"
	"slices"
	"sync"
	"time"
)

const (
	// subscriptionBytes bounds what waits for one subscriber, and historyBytes
	// what it gets of before: each worker's tail, or its share where they are
	// more together.
	subscriptionBytes = 1 << 20
	historyBytes      = 16 << 20
	lineOverhead      = 256 // about what a Line takes beside its text
)

// Line is one record of the log, as a subscriber gets it. Its Text is the
// subscriber's own.
type Line struct {
	Source  // its Worker is 0 for the supervisor's own records
	Stream  Stream
	Time    time.Time
	Level   slog.Level // of the supervisor's own
	Text    []byte     // without the newline; a panic has several lines
	Part    int        // from 1: of a line too long for one record
	Partial bool       // no newline: it goes on, or the stream ended
	Panic   bool       // a panic, fatal error or goroutine dump

	json []byte // the supervisor's own records in that form
}

// Append appends the line to dst as it is in the log, newline included. f is
// Text or JSON.
func (l *Line) Append(dst []byte, f Format) []byte {
	if l.Worker == 0 {
		r := ownRecord{at: l.Time, level: l.Level, text: l.Text, json: l.json}
		return append(dst, r.format(f)...)
	}
	w := newFormatter(f, l.Source, l.Stream)
	w.at(l.Time)
	return w.append(dst, line{text: l.Text, part: l.Part, partial: l.Partial}, l.Panic)
}

// Filter says which lines are wanted. The zero value wants all.
type Filter struct {
	Worker uint64 // of that worker only, and not the supervisor's own
}

func (f Filter) wants(w *worker) bool { return f.Worker == 0 || f.Worker == w.src.Worker }

// Subscription reads along: it gets every line once, whatever the sinks do with
// it. It never holds up the log: what its reader does not take in time is
// dropped, and counted. Close ends it.
type Subscription struct {
	f      *Fanin
	filter Filter

	history []Line // owned by the caller of Subscribe

	mu      sync.Mutex
	queue   []Line
	bytes   int
	dropped uint64
	ended   bool
	news    chan struct{} // one waiting: queue, or ended, has changed
}

// Subscribe begins to read along. With a worker in the filter that is not known
// (any more) it gives false.
func (f *Fanin) Subscribe(filter Filter) (*Subscription, bool) {
	s := &Subscription{f: f, filter: filter, news: make(chan struct{}, 1)}
	f.mu.Lock()
	var from []*worker
	for _, w := range append([]*worker{f.own}, f.gone...) {
		if filter.wants(w) {
			from = append(from, w)
		}
	}
	ended := f.closed || filter.Worker != 0 && f.workers[filter.Worker] == nil
	for _, w := range f.workers {
		if filter.wants(w) {
			from = append(from, w)
		}
	}
	if s.ended = ended; !ended {
		f.subs = append(f.subs, s)
	}
	f.mu.Unlock()
	if len(from) == 0 {
		return nil, false
	}
	// One after the other, and each worker waits only while its own tail is
	// copied; from then on its lines come to the queue: none twice, none lost.
	share := historyBytes / len(from)
	for _, w := range from {
		w.mu.Lock()
		s.history = append(s.history, w.tail.lines(w.src, share)...)
		if !ended {
			w.subs = append(slices.Clip(w.subs), s)
		}
		w.mu.Unlock()
	}
	slices.SortStableFunc(s.history, func(a, b Line) int { return cmp.Compare(a.Time.UnixNano(), b.Time.UnixNano()) })
	return s, true
}

// History gives the lines from before the subscription that are still there, in
// the order of their time: at most the last 200, and 256 KiB, of each worker and
// of the last few that have ended. The caller owns them; a second call gives
// none.
func (s *Subscription) History() []Line {
	h := s.history
	s.history = nil
	return h
}

// Next waits for lines and gives those there are, and the number of lines that
// were dropped after them because they were taken too slowly. It ends with
// io.EOF when the Fanin is closed, or the only worker wanted is gone, or Close
// was called.
func (s *Subscription) Next(ctx context.Context) (ls []Line, dropped uint64, err error) {
	for {
		s.mu.Lock()
		ls, dropped = s.queue, s.dropped
		s.queue, s.bytes, s.dropped = nil, 0, 0
		ended := s.ended
		s.mu.Unlock()
		if len(ls) > 0 || dropped > 0 {
			return ls, dropped, nil
		}
		if ended {
			return nil, 0, io.EOF
		}
		select {
		case <-s.news:
		case <-ctx.Done():
			return nil, 0, context.Cause(ctx)
		}
	}
}

// Close ends the subscription. It may be called again.
func (s *Subscription) Close() {
	is := func(o *Subscription) bool { return o == s }
	s.f.mu.Lock()
	s.f.subs = slices.DeleteFunc(s.f.subs, is)
	from := append([]*worker{s.f.own}, s.f.gone...)
	for _, w := range s.f.workers {
		from = append(from, w)
	}
	s.f.mu.Unlock()
	for _, w := range from {
		w.mu.Lock()
		w.subs = slices.DeleteFunc(slices.Clone(w.subs), is)
		w.mu.Unlock()
	}
	s.end()
}

func (s *Subscription) end() {
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	s.wake()
}

func (s *Subscription) wake() {
	select {
	case s.news <- struct{}{}:
	default:
	}
}

// offer takes a line that is not its own yet.
func (s *Subscription) offer(l Line) {
	s.mu.Lock()
	size := len(l.Text) + len(l.json) + lineOverhead
	switch {
	case s.ended:
	case s.bytes > 0 && s.bytes+size > subscriptionBytes, s.dropped > 0:
		// Once a line is missing the others wait for it to be said: what is told
		// of is in its place.
		s.dropped++
	default:
		l.Text, l.json = bytes.Clone(l.Text), bytes.Clone(l.json)
		s.queue = append(s.queue, l)
		s.bytes += size
	}
	s.mu.Unlock()
	s.wake()
}

// publish puts a line into the tail of its worker and gives it to who reads
// along.
func (w *worker) publish(l Line) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tail.add(l)
	for _, s := range w.subs {
		s.offer(l)
	}
}

// join gives a new worker's lines to who reads along. With Fanin.mu held, as in
// all below.
func (f *Fanin) join(w *worker) {
	for _, s := range f.subs {
		if s.filter.wants(w) {
			w.subs = append(w.subs, s)
		}
	}
}

// leave is called when both streams of a worker have ended.
func (f *Fanin) leave(w *worker) {
	delete(f.workers, w.src.Worker)
	f.forgive(w)
	if f.gone = append(f.gone, w); len(f.gone) > maxGone {
		f.gone = slices.Delete(f.gone, 0, 1)
	}
	f.subs = slices.DeleteFunc(f.subs, func(s *Subscription) bool {
		if s.filter.Worker == w.src.Worker {
			s.end()
			return true
		}
		return false
	})
}

func (f *Fanin) endSubscriptions() {
	for _, s := range f.subs {
		s.end()
	}
	f.subs = nil
}
