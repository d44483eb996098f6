package logpipe

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// pipeSize is what a pipe may hold while its reader is busy.
	pipeSize = 1 << 20
	// flushAt is how much a reader formats before it queues it.
	flushAt = 64 << 10
	// crashHold is how long the lines of a crash are held for more to come.
	crashHold = 2 * time.Second
)

// NewPipe makes a pipe for a worker's stdout or stderr: r for [Fanin.Attach], w
// as a raw, blocking, close-on-exec descriptor for the worker to inherit. Both
// are the caller's; w should be closed once the worker has it, or r never ends.
// The pipe holds 1 MiB, if the system's limits allow that.
func NewPipe() (r *os.File, w int, err error) {
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		return nil, -1, fmt.Errorf("make a log pipe: %w", err)
	}
	_, _ = unix.FcntlInt(uintptr(p[0]), unix.F_SETPIPE_SZ, pipeSize)
	// The two ends are two open file descriptions: the worker's stays blocking.
	if err := unix.SetNonblock(p[0], true); err != nil {
		unix.Close(p[0])
		unix.Close(p[1])
		return nil, -1, fmt.Errorf("make a log pipe: %w", err)
	}
	return os.NewFile(uintptr(p[0]), "log pipe"), p[1], nil
}

// Pipe is one stream of one worker. Its methods may be called from any
// goroutine.
type Pipe struct {
	f      *Fanin
	w      *worker
	fd     *os.File
	stream Stream
	lane   *lane
	done   chan struct{}

	mu        sync.Mutex
	finishing bool
	parked    chan struct{} // closed when the reader stands still in a pause
	wake      chan struct{} // closed when it may go on; nil: there is no pause

	// The reader's own.
	split   splitter
	crash   crash
	format  *formatter
	out     []byte    // formatted records
	records uint64    // in out
	hold    bool      // a read deadline is set
	watch   Watch     // nil: nobody looks, or it has been seen
	at      time.Time // of the read

	abandoned bool // under Fanin.mu: it is dead and waits no longer for its sink
}

// Watch looks at each whole line of a stream, without its newline, until it
// returns true. It is called by the stream's reader, which it holds up: no line
// is lost on the way to it, and while it works no other worker waits. A line
// without a newline (yet) and one that is too long to be one record are not
// shown to it. It must not keep the line.
type Watch func(line []byte) (seen bool)

// Attach reads fd to its end in a goroutine of its own, and owns it. fd is the
// read end of a pipe from NewPipe or os.Pipe. Both streams of a worker should be
// attached: they share its tail. After Close fd is closed unread.
func (f *Fanin) Attach(src Source, s Stream, fd *os.File) *Pipe {
	return f.AttachWatched(src, s, fd, nil)
}

// AttachWatched is Attach for a stream of which watch, if not nil, is shown the
// lines, the first one included.
func (f *Fanin) AttachWatched(src Source, s Stream, fd *os.File, watch Watch) *Pipe {
	f.mu.Lock()
	defer f.mu.Unlock()
	w := f.workers[src.Worker]
	if w == nil || f.closing {
		w = &worker{src: src}
	}
	p := f.newPipe(w, s, watch)
	p.fd = fd
	if f.closing {
		fd.Close()
		close(p.done)
		return p
	}
	w.attached[s] = true
	f.start(p)
	return p
}

func (f *Fanin) newPipe(w *worker, s Stream, watch Watch) *Pipe {
	p := &Pipe{f: f, w: w, stream: s, lane: f.out, watch: watch, done: make(chan struct{}), split: splitter{limit: maxLine}}
	if s == Stderr {
		p.lane = f.err
	}
	p.format = newFormatter(p.lane.sink.format, w.src, s)
	return p
}

// start makes p one of those that are read. With mu held.
func (f *Fanin) start(p *Pipe) {
	if f.workers[p.w.src.Worker] == nil {
		f.workers[p.w.src.Worker] = p.w
		f.join(p.w)
	}
	p.w.open++
	f.pipes[p] = struct{}{}
	if f.paused {
		p.pause()
	}
	go p.read()
}

// Done is closed when the pipe has been read to its end, and all that was in it
// is queued (or counted as dropped).
func (p *Pipe) Done() <-chan struct{} { return p.done }

// Finish is called when the worker is dead: what is in the pipe by now is read,
// without waiting for the end that a grandchild may hold open, and the pipe is
// closed. It does not wait; Done tells.
func (p *Pipe) Finish() {
	p.mu.Lock()
	p.finishing = true
	_ = p.fd.SetReadDeadline(time.Unix(1, 0)) // fails when it has ended already
	p.mu.Unlock()
	p.f.mu.Lock()
	defer p.f.mu.Unlock()
	p.f.awaitEnd(p)
}

// awaitEnd bounds how many pipes of dead workers wait for a sink that blocks.
// (At Close there are no new ones, and it has a bound of its own.)
func (f *Fanin) awaitEnd(p *Pipe) {
	if _, open := f.pipes[p]; !open || f.closing || slices.Contains(f.waiting, p) {
		return
	}
	f.waiting = append(f.waiting, p)
	if len(f.waiting) > maxWaiting {
		f.waiting[0].abandoned = true
		f.waiting[0].lane.room.Broadcast()
		f.waiting = f.waiting[1:]
	}
}

// Tail gives the last records of the worker, both streams together in the order
// they came: at most 200, and 256 KiB. A panic is one, of several lines; of a
// record beyond 64 KiB the beginning is kept.
func (p *Pipe) Tail() []string {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	return p.w.tail.records()
}

// LastLines gives what Tail does, with the stream of each. The lines are the
// caller's.
func (p *Pipe) LastLines() []Line {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	return p.w.tail.lines(p.w.src, tailBytes)
}

func (p *Pipe) read() {
	defer p.end()
	for {
		n, err := p.fd.Read(p.split.space())
		p.take(n)
		switch {
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded):
			if p.park() {
				break
			}
			if p.drain() {
				return
			}
			p.now()
			p.endCrash(false)
			p.flush()
		default:
			if !errors.Is(err, io.EOF) {
				p.f.mu.Lock()
				p.f.notices.Error(fmt.Sprintf("cannot read the %s of worker %d", p.stream, p.w.src.Worker), "error", reason(err))
				p.f.mu.Unlock()
			}
			return
		}
		p.setDeadline()
	}
}

// setDeadline bounds how long a crash is held.
func (p *Pipe) setDeadline() {
	crashed := p.crash.state != noCrash
	if !crashed && !p.hold {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.finishing || p.wake != nil {
		return // Finish or pause has set another
	}
	var t time.Time
	if crashed {
		t = time.Now().Add(p.f.crashHold)
	}
	_ = p.fd.SetReadDeadline(t)
	p.hold = crashed
}

// drain reads what is in the pipe now, if Finish was called.
func (p *Pipe) drain() bool {
	p.mu.Lock()
	finishing := p.finishing
	p.mu.Unlock()
	if !finishing {
		return false
	}
	rc, err := p.fd.SyscallConn()
	if err != nil {
		return true
	}
	// The worker is dead: what it wrote is there. What a grandchild adds while
	// this reads would have no end.
	left := 0
	_ = rc.Control(func(fd uintptr) { left, err = unix.IoctlGetInt(int(fd), unix.TIOCINQ) })
	for err == nil && left > 0 {
		space := p.split.space()
		n := 0
		e := rc.Control(func(fd uintptr) {
			for {
				n, err = unix.Read(int(fd), space[:min(len(space), left)])
				if !errors.Is(err, unix.EINTR) {
					return
				}
			}
		})
		if e != nil || err != nil || n == 0 {
			break
		}
		left -= n
		p.take(n)
	}
	return true
}

// take deals with n bytes that were read into the splitter.
func (p *Pipe) take(n int) {
	if n <= 0 {
		return
	}
	p.split.advance(n)
	p.now()
	for {
		l, ok := p.split.next()
		if !ok {
			break
		}
		p.line(l)
	}
	p.flush()
}

func (p *Pipe) line(l line) {
	if p.watch != nil && l.part == 0 && !l.partial && p.watch(l.text) {
		p.watch = nil
	}
	if p.stream == Stderr {
		if was := p.crash.state; l.part == 0 && p.crash.takes(l.text) {
			p.tap(was, l.text)
			if full, ok := p.crash.add(l.text); ok {
				p.record(full, true)
			}
			return
		}
		p.endCrash(false)
	}
	p.record(l, false)
}

// tap shows a line of a dump to whoever keeps dumps, if its program is dying.
func (p *Pipe) tap(was crashState, l []byte) {
	if p.w.src.Crash == nil || p.crash.state < lastWords {
		return
	}
	if was < lastWords {
		p.w.src.Crash.Begin()
	}
	p.w.src.Crash.Line(l)
}

func (p *Pipe) endCrash(partial bool) {
	if p.crash.state != noCrash {
		p.record(p.crash.end(partial), true)
	}
}

// now takes the time of the records that follow.
func (p *Pipe) now() {
	p.at = p.f.now()
	p.format.at(p.at)
}

func (p *Pipe) record(l line, crashed bool) {
	p.out = p.format.append(p.out, l, crashed)
	p.records++
	p.w.publish(Line{Source: p.w.src, Stream: p.stream, Time: p.at, Text: l.text, Part: l.part, Partial: l.partial, Panic: crashed})
	if len(p.out) >= flushAt {
		p.flush()
	}
}

func (p *Pipe) flush() {
	if p.records == 0 {
		return
	}
	p.f.put(p, p.out, p.records)
	p.records = 0
	if p.out = p.out[:0]; cap(p.out) > 4*flushAt {
		p.out = nil
	}
}

// end gives out what is held back, and lets go.
func (p *Pipe) end() {
	p.now()
	l, unfinished := p.split.rest()
	if unfinished {
		p.line(l)
	}
	p.endCrash(unfinished)
	p.flush()
	p.fd.Close()

	p.f.mu.Lock()
	delete(p.f.pipes, p)
	p.f.waiting = slices.DeleteFunc(p.f.waiting, func(o *Pipe) bool { return o == p })
	if p.w.open--; p.w.open == 0 && p.w.attached == [2]bool{true, true} {
		p.f.leave(p.w)
	}
	p.f.mu.Unlock()
	close(p.done)
}
