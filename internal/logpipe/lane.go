package logpipe

import (
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
)

const (
	// maxOwing bounds the dead workers whose dropped lines are remembered one by
	// one while nobody can be told of them.
	maxOwing = 64
	// maxWaiting bounds the pipes of dead workers that wait for a sink that takes
	// nothing (Block): beyond it the oldest gives up, so that workers which die
	// one after the other do not fill the memory.
	maxWaiting = 32
	// noticeSize is more than any notice of ours takes.
	noticeSize = 1 << 10
)

// lane is what waits for one sink, and the goroutine that writes it there. A
// sink that takes nothing holds up its own lane only. All of it is under
// Fanin.mu.
type lane struct {
	sink     *sink
	index    int       // of the lane in what a worker counts for each
	work     sync.Cond // the writer has something to do
	room     sync.Cond // pending has become less
	queue    batch
	pending  int   // bytes queued and being written
	inFlight batch // what the writer has not written of its batch
	owing    []*worker
	others   uint64 // lines of dead workers that are no longer in owing
	resting  bool   // the writer stands still in a pause
	crowded  bool   // that lines are dropped has been said, and is still so
	done     chan struct{}
}

// batch is what waits for the writer: records in the order they came, and of
// whom each stretch of them is.
type batch struct {
	buf  []byte
	segs []segment
}

type segment struct {
	worker *worker // nil: the supervisor
	size   int
}

func (b *batch) add(w *worker, data []byte) {
	b.buf = append(b.buf, data...)
	if n := len(b.segs); n > 0 && b.segs[n-1].worker == w {
		b.segs[n-1].size += len(data)
		return
	}
	b.segs = append(b.segs, segment{w, len(data)})
}

// take takes the first n bytes away and gives their room back to whom they are
// of.
func (b *batch) take(n int, lane int) {
	b.buf = b.buf[n:]
	for n > 0 {
		s := &b.segs[0]
		m := min(n, s.size)
		if s.worker != nil {
			s.worker.pending[lane] -= m
		}
		n -= m
		if s.size -= m; s.size == 0 {
			b.segs = b.segs[1:]
		}
	}
}

func (f *Fanin) newLane(index int, s *sink) *lane {
	l := &lane{sink: s, index: index, done: make(chan struct{})}
	l.work.L, l.room.L = &f.mu, &f.mu
	return l
}

// fits tells whether n bytes of w may be queued. A worker may hold at most as
// much as is free, so that however many flood the log, a quiet one finds room.
// What finds the lane, or its share, empty is let in whole.
func (f *Fanin) fits(l *lane, w *worker, n int) bool {
	if l.pending == 0 {
		return true
	}
	free, mine := f.limit-l.pending, w.pending[l.index]
	return n <= free && (mine == 0 || mine+n <= free)
}

// put queues records of a worker, or counts them as dropped or lost.
func (f *Fanin) put(p *Pipe, data []byte, records uint64) {
	l, w := p.lane, p.w
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lines.Add(records)
	for !f.fits(l, w, len(data)) && !f.aborted {
		if f.block && f.paused {
			break // it goes over with the rest
		}
		if f.block && !p.abandoned {
			l.room.Wait()
			continue
		}
		f.dropped.Add(records)
		if w.owed[l.index] == 0 {
			l.owing = append(l.owing, w)
		}
		w.owed[l.index] += records
		f.crowd(l)
		return
	}
	if f.aborted {
		f.lost.Add(records)
		return
	}
	f.confess(l, w)
	l.queue.add(w, data)
	l.pending += len(data)
	w.pending[l.index] += len(data)
	l.work.Signal()
}

// crowd says, once, that a lane is too full: as long as its sink takes nothing
// there is no place to say how many lines are missing.
func (f *Fanin) crowd(l *lane) {
	if l.crowded || l == f.err || !f.mayNotice() {
		return
	}
	l.crowded = true
	f.notices.Warn(fmt.Sprintf("%s takes lines slower than they come: some are dropped, and counted", l.sink.name))
}

// putOwn queues one record of the supervisor.
func (f *Fanin) putOwn(r *ownRecord) error {
	f.own.publish(r.line())
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return os.ErrClosed
	}
	data := r.format(f.err.sink.format)
	if !f.mayTake(len(data)) {
		f.dropped.Add(1)
		f.ownDropped++
		return nil
	}
	f.confessOwn()
	f.queueOwn(data)
	return nil
}

// notice queues a record about the log itself, with mu held.
func (f *Fanin) notice(r *ownRecord) error {
	f.own.publish(r.line())
	f.queueOwn(r.format(f.err.sink.format))
	return nil
}

func (f *Fanin) queueOwn(data []byte) {
	f.err.queue.add(nil, data)
	f.err.pending += len(data)
	f.err.work.Signal()
}

// mayTake: there is room above the limit for the supervisor's own records.
func (f *Fanin) mayTake(n int) bool {
	return f.err.pending == 0 || f.err.pending+n <= f.limit+ownReserve
}

// mayNotice tells whether what is to be said of dropped lines has a place now.
// With mu held, as in all below.
func (f *Fanin) mayNotice() bool { return f.mayTake(noticeSize) }

// confess queues a record of what was dropped of w in a lane, where it is
// missing if the lane is that of the notices.
func (f *Fanin) confess(l *lane, w *worker) {
	n := w.owed[l.index]
	if n == 0 || !f.mayNotice() {
		return
	}
	w.owed[l.index] = 0
	l.owing = slices.DeleteFunc(l.owing, func(o *worker) bool { return o == w })
	f.notices.Warn(fmt.Sprintf("dropped %d lines of worker %d: the log is written slower than it comes", n, w.src.Worker),
		"worker", w.src.Worker, "pid", w.src.PID, "generation", w.src.Generation, "dropped", n)
}

func (f *Fanin) confessAll(l *lane) {
	for len(l.owing) > 0 && f.mayNotice() {
		f.confess(l, l.owing[0])
	}
	if n := l.others; n > 0 && f.mayNotice() {
		l.others = 0
		f.notices.Warn(fmt.Sprintf("dropped %d lines of workers that have ended: the log is written slower than it comes", n), "dropped", n)
	}
}

// forgive is called at a worker's end: its debt is kept under its name, unless
// there are too many of its kind.
func (f *Fanin) forgive(w *worker) {
	for _, l := range f.lanes {
		if n := w.owed[l.index]; n > 0 && len(l.owing) > maxOwing {
			w.owed[l.index] = 0
			l.owing = slices.DeleteFunc(l.owing, func(o *worker) bool { return o == w })
			l.others += n
		}
	}
}

func (f *Fanin) confessOwn() {
	if n := f.ownDropped; n > 0 && f.mayNotice() {
		f.ownDropped = 0
		f.notices.Warn(fmt.Sprintf("dropped %d records of the supervisor: the log is written slower than it comes", n), "dropped", n)
	}
}

// owes tells whether a lane's writer has something to say, and a place to.
func (f *Fanin) owes(l *lane) bool {
	return (len(l.owing) > 0 || l.others > 0 || l == f.err && f.ownDropped > 0) && f.mayNotice()
}

// write is a lane's writer. It takes all there is, writes it, and looks again,
// so that it batches under load and does not delay without.
func (f *Fanin) write(l *lane) {
	defer close(l.done)
	var spare batch
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		for f.held || len(l.queue.buf) == 0 && !f.owes(l) && l.sink.next == nil && !f.ends(l) && !f.aborted {
			f.rest(l)
			l.work.Wait()
		}
		l.resting = false
		// At the end of the batch is just where the dropped lines are missing.
		l.crowded = l.crowded && l.pending > 0
		f.confessAll(l)
		if l == f.err {
			f.confessOwn()
		}
		if f.aborted || f.ends(l) && len(l.queue.buf) == 0 && l.sink.next == nil {
			break
		}
		f.swap(l) // before a batch: what was logged after Reopen may be in it
		b := l.queue
		l.queue, l.inFlight = batch{spare.buf[:0], spare.segs[:0]}, b
		for len(l.inFlight.buf) > 0 {
			if !f.writePiece(l) {
				break
			}
		}
		if f.held {
			l.putBack()
		}
		spare = b
	}
	f.swap(l)
	l.sink.end()
	if l == f.out {
		f.outEnded = true
		f.err.work.Signal()
	}
}

// ends: the lane of the notices outlives the other, which may have something to
// say to the last.
func (f *Fanin) ends(l *lane) bool { return f.closed && (l == f.out || f.outEnded) }

// writePiece writes with mu let go, in pieces, so that room comes back before a
// slow sink has taken all. It gives false when the writer is to stop.
func (f *Fanin) writePiece(l *lane) bool {
	piece := wholeLines(l.inFlight.buf, writeSize)
	f.mu.Unlock()
	ev := l.sink.write(piece)
	f.mu.Lock()
	if f.aborted {
		return false
	}
	if ev.stopped != nil {
		piece = piece[:len(piece)-len(*ev.stopped)]
	}
	f.lost.Add(ev.lost)
	l.pending -= len(piece)
	l.inFlight.take(len(piece), l.index)
	l.room.Broadcast()
	if l == f.err && f.out != l {
		f.out.work.Signal() // it may have waited for a place to say something
	}
	f.calm.Broadcast()
	f.tell(l.sink, ev)
	return !f.held
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
	case ev.failed != nil && s != f.err.sink:
		f.notices.Error(fmt.Sprintf("cannot write the log to %s: its lines are lost until that works again", s.name), "error", reason(ev.failed))
	case ev.recovered != nil:
		f.notices.Warn(fmt.Sprintf("the log can be written to %s again: %d lines were lost", s.name, ev.missing),
			"error", reason(ev.recovered), "lost", ev.missing)
	}
}

// swap puts the reopened file in the place of the old.
func (f *Fanin) swap(l *lane) {
	if l.sink.next == nil {
		return
	}
	f.lost.Add(l.sink.replace(l.sink.next))
	l.sink.next = nil
}
