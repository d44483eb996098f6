package logpipe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	defaultBuffer = 4 << 20
	// ownReserve is room above the limit for the supervisor's own records,
	// which never wait: the goroutine that logs them runs the service.
	ownReserve = 256 << 10
)

// Fanin takes lines from many pipes and writes them with one goroutine. Its
// methods may be called from any goroutine.
type Fanin struct {
	out, err *sink // the same one if there is a file
	file     string
	fallback io.Writer   // hears that the file cannot be written; nil without one
	falling  atomic.Bool // and is hearing it
	limit    int
	block    bool
	level    slog.Leveler
	now      func() time.Time
	notices  *slog.Logger  // formats into the queue; used with mu held
	done     chan struct{} // the writer has ended

	crashHold time.Duration

	lines, dropped, lost atomic.Uint64

	mu         sync.Mutex
	work       sync.Cond // the writer has something to do
	room       sync.Cond // pending has become less
	queue      batch
	pending    int    // bytes queued and being written
	inFlight   []byte // what the writer has not written of its batch
	owing      []*worker
	ownDropped uint64
	next       *os.File // to be swapped in by the writer
	workers    map[uint64]*worker
	pipes      map[*Pipe]struct{}
	closing    bool // no new pipes
	paused     bool // see adopt.go: readers stop where they are
	held       bool // and the writer too
	resting    bool // and it has
	closed     bool // nothing new at all; the writer ends when the queue is empty
	aborted    bool // the writer ends now, and nobody waits for it
}

// batch is what waits for the writer: records in the order they came, and in
// which sink each stretch of them belongs.
type batch struct {
	buf  []byte
	segs []segment
}

type segment struct {
	sink *sink
	end  int // in buf
}

func (b *batch) add(s *sink, data []byte) {
	b.buf = append(b.buf, data...)
	if n := len(b.segs); n > 0 && b.segs[n-1].sink == s {
		b.segs[n-1].end = len(b.buf)
		return
	}
	b.segs = append(b.segs, segment{s, len(b.buf)})
}

// worker is what the two pipes of one worker share.
type worker struct {
	src Source

	// Under Fanin.mu.
	dropped  uint64
	attached [2]bool
	open     int

	mu   sync.Mutex
	tail tail
}

// New starts a Fanin. Close ends it.
func New(o Options) (*Fanin, error) {
	if o.BufferBytes < 0 {
		return nil, fmt.Errorf("make the log: a buffer of %d bytes is less than none", o.BufferBytes)
	}
	f := &Fanin{
		limit: o.BufferBytes, block: o.Overflow == Block, level: o.Level, now: o.Now, file: o.File,
		crashHold: crashHold, done: make(chan struct{}), workers: map[uint64]*worker{}, pipes: map[*Pipe]struct{}{},
	}
	f.work.L, f.room.L = &f.mu, &f.mu
	if f.limit == 0 {
		f.limit = defaultBuffer
	}
	if f.level == nil {
		f.level = slog.LevelInfo
	}
	if f.now == nil {
		f.now = time.Now
	}
	orStd := func(w io.Writer, std *os.File) io.Writer {
		if w == nil {
			return std
		}
		return w
	}
	if o.File != "" {
		w, err := o.opened, error(nil)
		if w == nil {
			w, err = openFile(o.File)
		}
		if err != nil {
			return nil, err
		}
		f.out = newSink(o.File, w, o.Format)
		f.err, f.fallback = f.out, orStd(o.Stderr, os.Stderr)
	} else {
		f.out = newSink("stdout", orStd(o.Stdout, os.Stdout), o.Format)
		f.err = newSink("stderr", orStd(o.Stderr, os.Stderr), o.Format)
	}
	f.notices = slog.New(f.handler(slog.LevelDebug, func(b []byte) error {
		f.queue.add(f.err, b)
		f.pending += len(b)
		return nil
	}))
	if o.taken != nil {
		o.taken.into(f)
	}
	go f.write()
	return f, nil
}

// Handler takes the supervisor's own records to stderr, or the file, by the same
// writer. It never waits: what finds the buffer full, though some room is kept
// for these records, is counted as dropped. After Close it gives os.ErrClosed.
func (f *Fanin) Handler() slog.Handler { return f.handler(f.level, f.putOwn) }

// Stats gives the totals.
func (f *Fanin) Stats() Stats {
	return Stats{Lines: f.lines.Load(), Dropped: f.dropped.Load(), Lost: f.lost.Load()}
}

// Reopen opens the file anew by its name, as after it was rotated. What is read
// or logged from now on goes to the new one, and no record is divided between
// the two. If it cannot be opened, the old one stays in use. Without a file it
// does nothing.
func (f *Fanin) Reopen() error {
	if f.file == "" {
		return nil
	}
	file, err := openFile(f.file)
	if err != nil {
		return fmt.Errorf("%w (the one open before stays in use)", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		file.Close()
		return os.ErrClosed
	}
	if f.next != nil {
		f.next.Close()
	}
	f.next = file
	f.work.Signal()
	return nil
}

// Close finishes the pipes that are left (see [Pipe.Finish]) and writes all that
// was read, but waits no longer than ctx. What cannot be written by then, or
// since a sink began to fail, is lost: it returns a [LostError] with the number of
// lines. A sink that is stuck in a write may keep the writer's goroutine until it
// comes back.
func (f *Fanin) Close(ctx context.Context) error {
	f.mu.Lock()
	if f.closed {
		f.mu.Unlock()
		return os.ErrClosed
	}
	f.resume()
	f.closing = true
	pipes := make([]*Pipe, 0, len(f.pipes))
	for p := range f.pipes {
		pipes = append(pipes, p)
	}
	f.mu.Unlock()
	for _, p := range pipes {
		p.Finish()
	}
	for _, p := range pipes {
		select {
		case <-p.done:
		case <-ctx.Done():
		}
	}
	f.mu.Lock()
	f.closed = true
	f.work.Signal()
	f.mu.Unlock()
	select {
	case <-f.done:
	case <-ctx.Done():
		return f.abort(pipes, context.Cause(ctx))
	}
	for _, s := range []*sink{f.out, f.err} {
		if n := s.missing + countLines(s.rest); n > 0 {
			return &LostError{Lines: n, Err: s.failure}
		}
	}
	return nil
}

func (f *Fanin) abort(pipes []*Pipe, cause error) error {
	before := f.lost.Load()
	f.mu.Lock()
	f.aborted = true
	f.lost.Add(countLines(f.queue.buf) + countLines(f.inFlight))
	f.work.Signal()
	f.room.Broadcast()
	f.out.interrupt()
	f.err.interrupt()
	f.mu.Unlock()
	// Now that putting does not wait, the readers count what they still hold.
	for _, p := range pipes {
		<-p.done
	}
	if n := f.lost.Load() - before; n > 0 {
		return &LostError{Lines: n, Err: cause}
	}
	return nil
}

// put queues records of a worker, or counts them as dropped or lost.
func (f *Fanin) put(s *sink, w *worker, data []byte, records uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lines.Add(records)
	for f.pending > 0 && f.pending+len(data) > f.limit && !f.aborted {
		if f.block && f.paused {
			break // it goes over with the rest
		}
		if !f.block {
			f.dropped.Add(records)
			if w.dropped == 0 {
				f.owing = append(f.owing, w)
			}
			w.dropped += records
			return
		}
		f.room.Wait()
	}
	if f.aborted {
		f.lost.Add(records)
		return
	}
	f.confess(w)
	f.queue.add(s, data)
	f.pending += len(data)
	f.work.Signal()
}

// putOwn queues one record of the supervisor.
func (f *Fanin) putOwn(data []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return os.ErrClosed
	}
	if f.pending > 0 && f.pending+len(data) > f.limit+ownReserve {
		f.dropped.Add(1)
		f.ownDropped++
		return nil
	}
	f.confessOwn()
	f.queue.add(f.err, data)
	f.pending += len(data)
	f.work.Signal()
	return nil
}

// confess queues a record of what was dropped of w, at the place where it is
// missing. With mu held.
func (f *Fanin) confess(w *worker) {
	if w.dropped == 0 {
		return
	}
	n := w.dropped
	w.dropped = 0
	f.notices.Warn(fmt.Sprintf("dropped %d lines of worker %d: the log is written slower than it comes", n, w.src.Worker),
		"worker", w.src.Worker, "pid", w.src.PID, "generation", w.src.Generation, "dropped", n)
}

func (f *Fanin) confessOwn() {
	if n := f.ownDropped; n > 0 {
		f.ownDropped = 0
		f.notices.Warn(fmt.Sprintf("dropped %d records of the supervisor: the log is written slower than it comes", n), "dropped", n)
	}
}

// write is the writer. It takes all there is, writes it, and looks again, so
// that it batches under load and does not delay without.
func (f *Fanin) write() {
	defer close(f.done)
	var b batch
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		for f.held || len(f.queue.buf) == 0 && len(f.owing) == 0 && f.ownDropped == 0 && f.next == nil && !f.closed && !f.aborted {
			f.rest()
			f.work.Wait()
		}
		f.resting = false
		// At the end of the batch is just where the dropped lines are missing.
		for _, w := range f.owing {
			f.confess(w)
		}
		f.owing = slices.Delete(f.owing, 0, len(f.owing))
		f.confessOwn()
		if f.aborted || f.closed && len(f.queue.buf) == 0 && f.next == nil {
			break
		}
		f.swap() // before a batch: what was logged after Reopen may be in it
		b, f.queue = f.queue, batch{b.buf[:0], b.segs[:0]}
		f.inFlight = b.buf
		start := 0
		for _, seg := range b.segs {
			if !f.writeSegment(seg.sink, b.buf[start:seg.end]) {
				break
			}
			start = seg.end
		}
		if f.held {
			f.putBack(b)
		}
	}
	f.swap()
	for _, s := range []*sink{f.out, f.err} {
		s.deadline(time.Time{}) // abort may have set one
	}
	if f.file != "" {
		f.out.close()
	}
}

// writeSegment writes with mu let go, in pieces, so that room comes back before
// a slow sink has taken all. It gives false when it is to stop.
func (f *Fanin) writeSegment(s *sink, data []byte) bool {
	for len(data) > 0 {
		piece := wholeLines(data, writeSize)
		f.mu.Unlock()
		ev := s.write(piece)
		f.mu.Lock()
		if f.aborted {
			return false
		}
		if ev.stopped != nil {
			piece = piece[:len(piece)-len(*ev.stopped)]
		}
		f.lost.Add(ev.lost)
		f.pending -= len(piece)
		f.inFlight = f.inFlight[len(piece):]
		data = data[len(piece):]
		f.room.Broadcast()
		f.tell(s, ev)
		if f.held {
			return false
		}
	}
	return true
}

// tell queues a record when a sink begins to fail, and when it works again.
func (f *Fanin) tell(s *sink, ev outcome) {
	switch {
	case ev.failed != nil && f.fallback != nil && f.falling.CompareAndSwap(false, true):
		text := fmt.Sprintf("supervisor: cannot write the log to %s: %s; its lines are lost, and counted, until that works again\n", s.name, reason(ev.failed))
		go func() { // it may be stuck, too: then this one line waits for it, and nothing else
			_, _ = io.WriteString(f.fallback, text)
			f.falling.Store(false)
		}()
	case ev.failed != nil && s != f.err:
		f.notices.Error(fmt.Sprintf("cannot write the log to %s: its lines are lost until that works again", s.name), "error", reason(ev.failed))
	case ev.recovered != nil:
		f.notices.Warn(fmt.Sprintf("the log can be written to %s again: %d lines were lost", s.name, ev.missing),
			"error", reason(ev.recovered), "lost", ev.missing)
	}
}

// reason leaves out what os puts around the system's error.
func reason(err error) string {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}

// swap puts the reopened file in the place of the old. With mu held.
func (f *Fanin) swap() {
	if f.next == nil {
		return
	}
	f.lost.Add(f.out.replace(f.next))
	f.next = nil
}
