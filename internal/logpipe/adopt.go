package logpipe

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// State is a Fanin's, for another program that goes on with it after an exec.
// Descriptors are numbers; what is still in a pipe stays there.
type State struct {
	File    int          `json:"file"` // the log file; -1: there is none
	Queue   []QueueState `json:"queue,omitempty"`
	Sinks   [2]SinkState `json:"sinks"`          // of stdout and stderr; what is both, or a file, is the first
	Tail    []TailState  `json:"tail,omitempty"` // of the program's own records
	Own     uint64       `json:"own_dropped,omitempty"`
	Lines   uint64       `json:"lines"`
	Dropped uint64       `json:"dropped"`
	Lost    uint64       `json:"lost"`
}

// QueueState is records that wait to be written to a sink.
type QueueState struct {
	Sink int    `json:"sink"`
	Data []byte `json:"data"`
}

// SinkState is what a sink owes.
type SinkState struct {
	Rest    []byte `json:"rest,omitempty"` // of a line that is partly written
	Failure string `json:"failure,omitempty"`
	Missing uint64 `json:"missing,omitempty"`
}

// WorkerState is what is known of a worker's two streams.
type WorkerState struct {
	Source  Source       `json:"source"`
	Dropped [2]uint64    `json:"dropped"` // for each sink, and not yet said
	Tail    []TailState  `json:"tail,omitempty"`
	Pipes   [2]PipeState `json:"pipes"` // stdout, stderr
}

// TailState is one of the last records.
type TailState struct {
	Time    time.Time  `json:"time"`
	Stream  Stream     `json:"stream,omitempty"`
	Level   slog.Level `json:"level,omitempty"` // of the program's own
	Text    []byte     `json:"text"`
	JSON    []byte     `json:"json,omitempty"` // of the program's own
	Part    int        `json:"part,omitempty"`
	Partial bool       `json:"partial,omitempty"`
	Panic   bool       `json:"panic,omitempty"`
}

// PipeState is how far one stream has been read.
type PipeState struct {
	FD        int    `json:"fd"` // -1: it has ended
	Finishing bool   `json:"finishing,omitempty"`
	Half      []byte `json:"half,omitempty"` // read, and no whole line yet
	Part      int    `json:"part,omitempty"` // parts already given of it
	Crash     []byte `json:"crash,omitempty"`
	Lines     int    `json:"crash_lines,omitempty"`
	Parts     int    `json:"crash_parts,omitempty"`
	Kind      uint8  `json:"crash_state,omitempty"`
}

// Save gives the state of the Fanin itself. It must be paused for that to be
// exact; keep is called for each descriptor that goes over.
func (f *Fanin) Save(keep func(int) int) (State, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	st := State{File: -1, Own: f.ownDropped, Lines: f.lines.Load(), Dropped: f.dropped.Load(), Lost: f.lost.Load()}
	if f.file != "" {
		if file, ok := f.out.sink.w.(*os.File); ok {
			fd, err := number(file)
			if err != nil {
				return st, fmt.Errorf("save the log file: %w", err)
			}
			st.File = keep(fd)
		}
	}
	if !f.rests() {
		return st, nil // the writers have them
	}
	for _, l := range f.lanes {
		if len(l.queue.buf) > 0 {
			st.Queue = append(st.Queue, QueueState{Sink: l.index, Data: l.queue.buf})
		}
		st.Sinks[l.index] = SinkState{Rest: l.sink.rest, Missing: l.sink.missing}
		if l.sink.failure != nil {
			st.Sinks[l.index].Failure = l.sink.failure.Error()
		}
	}
	f.own.mu.Lock()
	defer f.own.mu.Unlock()
	st.Tail = f.own.tail.save()
	return st, nil
}

// Adopt makes a Fanin that goes on with a state, paused until Resume. take gives
// a duplicate of a descriptor in it.
func Adopt(o Options, st State, take func(int) (int, error)) (*Fanin, error) {
	o.taken = &st
	if st.File >= 0 {
		fd, err := take(st.File)
		if err != nil {
			return nil, fmt.Errorf("take over the log file: %w", err)
		}
		o.opened = os.NewFile(uintptr(fd), o.File)
		if o.File == "" {
			o.opened.Close()
			return nil, errors.New("take over the log: there is a log file, and --log-file is empty")
		}
	}
	return New(o)
}

// into puts the state into a Fanin that does not write yet.
func (st *State) into(f *Fanin) {
	f.paused, f.held = true, true
	f.ownDropped = st.Own
	f.lines.Store(st.Lines)
	f.dropped.Store(st.Dropped)
	f.lost.Store(st.Lost)
	for _, q := range st.Queue {
		l := f.lanes[min(max(q.Sink, 0), len(f.lanes)-1)]
		l.queue.add(nil, q.Data)
		l.pending += len(q.Data)
	}
	for _, l := range f.lanes {
		was := st.Sinks[l.index]
		l.sink.rest, l.sink.missing = was.Rest, was.Missing
		if was.Failure != "" {
			l.sink.failure = errors.New(was.Failure)
		}
	}
	f.own.tail.restore(st.Tail)
}

// SaveWorker gives the state of the two pipes of one worker. The Fanin must be
// paused for it to be exact.
func SaveWorker(stdout, stderr *Pipe, keep func(int) int) (WorkerState, error) {
	st := WorkerState{Source: stdout.w.src}
	f := stdout.f
	f.mu.Lock()
	defer f.mu.Unlock()
	st.Dropped = stdout.w.owed
	for i, p := range []*Pipe{stdout, stderr} {
		ps, err := p.save(keep)
		if err != nil {
			return st, fmt.Errorf("save the %s of worker %d: %w", p.stream, st.Source.Worker, err)
		}
		st.Pipes[i] = ps
	}
	if !f.rests() {
		return st, nil
	}
	stdout.w.mu.Lock()
	defer stdout.w.mu.Unlock()
	st.Tail = stdout.w.tail.save()
	return st, nil
}

func (p *Pipe) save(keep func(int) int) (PipeState, error) {
	select {
	case <-p.done:
		return PipeState{FD: -1}, nil
	default:
	}
	fd := -1
	rc, err := p.fd.SyscallConn()
	if err != nil {
		return PipeState{}, err
	}
	// Within it the descriptor cannot be closed. It fails only where that has been done,
	// with an error that has no name: the pipe ends at this very moment, and all that was
	// in it is queued.
	if rc.Control(func(n uintptr) { fd = keep(int(n)) }) != nil {
		return PipeState{FD: -1}, nil
	}
	st := PipeState{FD: fd}
	p.mu.Lock()
	st.Finishing = p.finishing
	p.mu.Unlock()
	if !p.f.rests() {
		return st, nil // the reader has the rest
	}
	s, c := &p.split, &p.crash
	st.Half, st.Part = s.buf[s.start:s.end], s.part
	st.Crash, st.Lines, st.Parts, st.Kind = c.text, c.lines, c.part, uint8(c.state)
	return st, nil
}

// AdoptWorker goes on with the pipes of a worker. take gives a duplicate of a
// descriptor in the state, and watch looks at the lines that are still to come, as
// in AttachWatched. Nothing is read before Resume.
func (f *Fanin) AdoptWorker(st WorkerState, take func(int) (int, error), watch [2]Watch) (stdout, stderr *Pipe, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w := &worker{src: st.Source, attached: [2]bool{true, true}}
	for _, l := range f.lanes {
		if w.owed[l.index] = st.Dropped[l.index]; w.owed[l.index] > 0 {
			l.owing = append(l.owing, w)
		}
	}
	w.tail.restore(st.Tail)
	var pipes [2]*Pipe
	for i, ps := range st.Pipes {
		p := f.newPipe(w, Stream(i), watch[i])
		pipes[i] = p
		if ps.FD < 0 {
			close(p.done)
			continue
		}
		fd, err := take(ps.FD)
		if err != nil {
			return nil, nil, fmt.Errorf("take over the %s of worker %d: %w", p.stream, st.Source.Worker, err)
		}
		p.fd = os.NewFile(uintptr(fd), "log pipe")
		p.split.buf, p.split.end, p.split.part = ps.Half, len(ps.Half), ps.Part
		p.crash = crash{text: ps.Crash, lines: ps.Lines, part: ps.Parts, state: crashState(ps.Kind)}
		p.finishing = ps.Finishing
		p.hold = p.crash.state != noCrash
		f.start(p)
	}
	return pipes[Stdout], pipes[Stderr], nil
}

func (t *tail) save() []TailState {
	var rs []TailState
	for _, l := range t.lines(Source{}, tailBytes) {
		rs = append(rs, TailState{l.Time, l.Stream, l.Level, l.Text, l.json, l.Part, l.Partial, l.Panic})
	}
	return rs
}

func (t *tail) restore(rs []TailState) {
	for _, r := range rs {
		t.add(Line{Time: r.Time, Stream: r.Stream, Level: r.Level, Text: r.Text, json: r.JSON, Part: r.Part, Partial: r.Partial, Panic: r.Panic})
	}
}

// number is the descriptor of f, which stays in the poller.
func number(f *os.File) (int, error) {
	rc, err := f.SyscallConn()
	if err != nil {
		return -1, err
	}
	n := -1
	if err := rc.Control(func(fd uintptr) { n = int(fd) }); err != nil {
		return -1, err
	}
	return n, nil
}

// Unblocked gives a description of its own, in which a write can be called off,
// for an output that is a pipe or a terminal: others share the one that we were
// started with, and must not find it changed. Without a way to, and for anything
// else, it gives f itself.
func Unblocked(f *os.File) *os.File {
	fd, err := number(f)
	if err != nil {
		return f
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFIFO && !isTerminal(f) {
		return f
	}
	own, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", fd), unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	if err != nil {
		return f
	}
	return os.NewFile(uintptr(own), f.Name())
}
