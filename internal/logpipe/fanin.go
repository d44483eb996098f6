package logpipe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	defaultBuffer = 4 << 20
	// maxGone is of how many workers that have ended the tail is kept.
	maxGone = 8
	// ownReserve is room above the limit for the supervisor's own records,
	// which never wait: the goroutine that logs them runs the service.
	ownReserve = 256 << 10
)

// Fanin takes lines from many pipes and writes them with one goroutine for each
// sink. Its methods may be called from any goroutine.
type Fanin struct {
	out, err *lane   // the same one if there is one sink
	lanes    []*lane // each once
	file     string
	fallback io.Writer   // hears that the file cannot be written; nil without one
	falling  atomic.Bool // and is hearing it
	limit    int         // of each lane
	block    bool
	level    slog.Leveler
	now      func() time.Time
	notices  *slog.Logger // formats into the lane err; used with mu held
	own      *worker      // the supervisor's own records, for who reads along

	crashHold time.Duration

	lines, dropped, lost atomic.Uint64

	// State that outlives this process in an upgrade in place is in plain values
	// here, in lane, worker, tail, splitter and crash.
	mu         sync.Mutex
	calm       sync.Cond // for a pause: something is written, or a writer rests
	ownDropped uint64
	workers    map[uint64]*worker
	gone       []*worker // the last that ended, for who asks for their last lines
	pipes      map[*Pipe]struct{}
	waiting    []*Pipe // of dead workers, not at their end yet, the oldest first
	subs       []*Subscription
	closing    bool // no new pipes
	paused     bool // see adopt.go: readers stop where they are
	held       bool // and the writers too
	closed     bool // nothing new at all; a writer ends when its queue is empty
	outEnded   bool // the writer of out has
	aborted    bool // the writers end now, and nobody waits for them
}

// worker is what the two pipes of one worker share.
type worker struct {
	src Source

	// Under Fanin.mu.
	owed     [2]uint64 // dropped, for each lane, and not yet said
	pending  [2]int    // bytes in each lane
	attached [2]bool
	open     int

	mu   sync.Mutex
	tail tail
	subs []*Subscription
}

// New starts a Fanin. Close ends it.
func New(o Options) (*Fanin, error) {
	if o.BufferBytes < 0 {
		return nil, fmt.Errorf("make the log: a buffer of %d bytes is less than none", o.BufferBytes)
	}
	f := &Fanin{
		limit: o.BufferBytes, block: o.Overflow == Block, level: o.Level, now: o.Now, file: o.File,
		crashHold: crashHold, workers: map[uint64]*worker{}, pipes: map[*Pipe]struct{}{}, own: &worker{},
	}
	f.calm.L = &f.mu
	if f.limit == 0 {
		f.limit = defaultBuffer
	}
	if f.level == nil {
		f.level = slog.LevelInfo
	}
	if f.now == nil {
		f.now = time.Now
	}
	if err := f.open(o); err != nil {
		return nil, err
	}
	f.notices = slog.New(f.handler(slog.LevelDebug, f.notice))
	if o.taken != nil {
		o.taken.into(f)
	}
	for _, l := range f.lanes {
		go f.write(l)
	}
	return f, nil
}

// open makes the lanes. Two names of one file are one sink: two writers would
// tear each other's lines.
func (f *Fanin) open(o Options) error {
	orStd := func(w io.Writer, std *os.File) io.Writer {
		if w == nil {
			return std
		}
		return w
	}
	stdout, stderr := orStd(o.Stdout, os.Stdout), orStd(o.Stderr, os.Stderr)
	switch {
	case o.File != "":
		w, err := o.opened, error(nil)
		if w == nil {
			w, err = openFile(o.File)
		}
		if err != nil {
			return err
		}
		f.out = f.newLane(0, newSink(o.File, w, o.Format))
		f.out.sink.owned = true
		f.err, f.fallback = f.out, stderr
	case o.Format == Journal || sameFile(stdout, stderr):
		f.out = f.newLane(0, stderrSink(stderr, o))
		f.err = f.out
	default:
		f.out = f.newLane(0, newSink("stdout", stdout, o.Format))
		f.err = f.newLane(1, stderrSink(stderr, o))
	}
	if f.lanes = []*lane{f.out}; f.err != f.out {
		f.lanes = append(f.lanes, f.err)
	}
	return nil
}

// stderrSink is stderr, or the journal in its place.
func stderrSink(stderr io.Writer, o Options) *sink {
	j := &journalWriter{path: o.JournalSocket, fallback: stderr}
	if j.path == "" {
		j.path = journalSocket
	}
	// A journal that auto has found and cannot reach is no journal: stderr goes
	// to it all the same, as lines.
	if o.Format == Journal || o.Format == Auto && isJournal(stderr, o.JournalStream) && j.connect() == nil {
		s := newSink("the journal", j, Journal)
		s.owned = true
		return s
	}
	return newSink("stderr", stderr, o.Format)
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
	if s := f.out.sink; s.next != nil {
		s.next.Close()
	}
	f.out.sink.next = file
	f.out.work.Signal()
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
	f.endSubscriptions()
	for _, l := range f.lanes {
		l.work.Signal()
	}
	f.mu.Unlock()
	for _, l := range f.lanes {
		select {
		case <-l.done:
		case <-ctx.Done():
			return f.abort(pipes, context.Cause(ctx))
		}
	}
	for _, l := range f.lanes {
		if n := l.sink.missing + countLines(l.sink.rest); n > 0 {
			return &LostError{Lines: n, Err: l.sink.failure}
		}
	}
	return nil
}

func (f *Fanin) abort(pipes []*Pipe, cause error) error {
	before := f.lost.Load()
	f.mu.Lock()
	f.aborted = true
	for _, l := range f.lanes {
		f.lost.Add(countLines(l.queue.buf) + countLines(l.inFlight.buf))
		l.work.Signal()
		l.room.Broadcast()
		l.sink.interrupt()
	}
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

// reason leaves out what os puts around the system's error.
func reason(err error) string {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}
