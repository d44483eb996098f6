package supervise

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tandem-go/tandem/internal/arbiter"
	"github.com/tandem-go/tandem/internal/budget"
	"github.com/tandem-go/tandem/internal/channel"
	"github.com/tandem-go/tandem/internal/config"
	"github.com/tandem-go/tandem/internal/logpipe"
	"github.com/tandem-go/tandem/internal/notify"
	"github.com/tandem-go/tandem/internal/process"
	"github.com/tandem-go/tandem/internal/scoreboard"
)

// lastLinesWait bounds how long a dead worker's pipes are read to their end
// while a process that it left behind may still hold them.
const lastLinesWait = time.Second

// worker is one worker process and what connects it to us. The loop owns it;
// its watchers only use what never changes after launch.
type worker struct {
	id             arbiter.WorkerID
	generation     arbiter.Generation
	process        *process.Process
	notify         *notify.Socket
	channel        *channel.Conn
	board          *scoreboard.Board
	stdout, stderr *logpipe.Pipe
	started        time.Time
	ready          bool      // it has said so
	leaving        time.Time // since it was asked to go, or said that it goes; zero: it was not
	readyBy        config.Ready
	unheard        bool        // READY=1 came, and did not count
	alive          *time.Timer // of --ready alive:; set before the watchers start
	mortal
	vitals
	recycling recycling
	memory    resident
	share     budget.Share // what it was last told; zero: it is told nothing
	tickets   int          // the serial of the keys that it was told last; 0: none
}

// launch starts a worker and its watchers. On an error nothing is left.
func (s *Supervisor) launch(id arbiter.WorkerID, g *generation) (_ *worker, err error) {
	w := &worker{id: id, generation: g.number, started: time.Now(), readyBy: g.config.Ready}
	var undo []func() error
	defer func() {
		if err != nil {
			for _, f := range undo {
				_ = f()
			}
		}
	}()
	if w.notify, err = notify.Listen(); err != nil {
		return nil, err
	}
	undo = append(undo, w.notify.Close)
	if w.board, err = scoreboard.Create(); err != nil {
		return nil, err
	}
	undo = append(undo, w.board.Close)
	var theirs int
	if w.channel, theirs, err = channel.Pair(); err != nil {
		return nil, err
	}
	undo = append(undo, w.channel.Close)
	defer unix.Close(theirs)
	outR, outW, err := logpipe.NewPipe()
	if err != nil {
		return nil, err
	}
	defer unix.Close(outW)
	undo = append(undo, outR.Close)
	errR, errW, err := logpipe.NewPipe()
	if err != nil {
		return nil, err
	}
	defer unix.Close(errW)
	undo = append(undo, errR.Close)

	fds, names := make([]int, len(s.opt.Listeners)), make([]string, len(s.opt.Listeners))
	for i, l := range s.opt.Listeners {
		fds[i], names[i] = l.FD(), l.Name()
	}
	snap := s.core.Snapshot()
	w.share = s.shareOf(g, snap)
	s.opt.Siblings.join(id, func(id uint64) bool { return s.workers[arbiter.WorkerID(id)] != nil }, s.log)
	undo = append(undo, func() error { s.opt.Siblings.quit(id); return nil })
	spec := process.Spec{
		Exe: g.exe, Args: g.argv, Dir: g.dir, Umask: umask(g.config.Umask),
		TimerSlack: time.Duration(g.config.TimerSlack),
		Env:        g.environ(id, snap.Wanted, w.share, names, w.notify.Addr()),
		Stdout:     outW, Stderr: errW,
		Listeners: fds, Channel: theirs,
		// For programs that cannot see the channel's end.
		DeathSignal: syscall.Signal(g.config.StopSignal),
	}
	g.privileges(&spec)
	if spec.Credential != nil {
		w.notify.AllowUID(spec.Credential.UID)
	}
	w.process, err = process.Start(spec)
	if err != nil {
		return nil, err
	}
	src := logpipe.Source{Worker: uint64(id), PID: w.process.PID(), Generation: int(g.number), Crash: &w.dump}
	w.command, w.oom = g.argv, s.oom.Watch(src.PID)
	watch := s.watchReady(w)
	w.stdout = s.opt.Logs.AttachWatched(src, logpipe.Stdout, outR, watch)
	w.stderr = s.opt.Logs.AttachWatched(src, logpipe.Stderr, errR, watch)
	s.greet(w)
	s.watch(w)
	return w, nil
}

// watch starts the watchers of a worker. They end when it does, or when the loop
// freezes them.
func (s *Supervisor) watch(w *worker) {
	for _, f := range []func(*worker, <-chan struct{}){s.watchExit, s.watchNotify, s.watchChannel} {
		s.watchers++
		go func(frozen <-chan struct{}) {
			f(w, frozen)
			s.send(watcherEnded{})
		}(s.frozen)
	}
}

// close gives up what is left of a worker that is gone.
func (w *worker) close() {
	_ = w.notify.Close()
	_ = w.channel.Close()
	_ = w.board.Close()
}

// exited tells the loop of a worker's end, after its last line has been read.
type exited struct {
	id   arbiter.WorkerID
	exit process.Exit
	left remains
}

func (s *Supervisor) watchExit(w *worker, frozen <-chan struct{}) {
	exit, ended := w.process.Watch()
	if !ended {
		return
	}
	w.notAlive()
	left := w.left.Load()
	if left == nil { // before time passes, and once
		left = ptr(s.rest(w, exit))
		w.left.Store(left)
	}
	limit := time.NewTimer(lastLinesWait)
	defer limit.Stop()
	for _, p := range []*logpipe.Pipe{w.stdout, w.stderr} {
		select {
		case <-p.Done():
		case <-frozen:
			return
		case <-limit.C:
			limit.Reset(0) // the other one has no more time either
			p.Finish()
		}
	}
	s.send(exited{id: w.id, exit: exit, left: left.words(w)})
}

func (m exited) handle(s *Supervisor) {
	w := s.workers[m.id]
	if w == nil {
		return
	}
	record := s.examine(w, m)
	s.countEnd(w, record)
	s.noteExit(w, record, m.exit)
	if m.exit.Exec != nil {
		missing := !errors.Is(m.exit.Exec, syscall.EAGAIN) && !errors.Is(m.exit.Exec, syscall.ENOMEM)
		s.log.Error("worker could not be started", "worker", m.id, "error", m.exit.Exec)
		s.step(arbiter.SpawnFailed{ID: m.id, Reason: m.exit.String(), Missing: missing})
	} else {
		level := slog.LevelInfo
		if !m.exit.Clean() {
			level = slog.LevelWarn
		}
		s.log.Log(context.Background(), level, "worker exited", "worker", m.id, "pid", w.process.PID(),
			"generation", w.generation, "cause", m.exit.String(), "age", time.Since(w.started).Round(time.Millisecond).String())
		s.step(arbiter.Exited{ID: m.id, Reason: m.exit.String(), Cause: causeOf(m.exit, m.left.oom)})
	}
	// Only now: the step may have asked for its last words.
	s.keep(w, record)
	delete(s.workers, m.id)
	s.opt.Siblings.quit(m.id)
	w.close()
}

// said is a message of a worker on its notify socket.
type said struct {
	id  arbiter.WorkerID
	msg notify.Message
}

func (s *Supervisor) watchNotify(w *worker, _ <-chan struct{}) {
	for {
		msg, err := w.notify.Read()
		if errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
		if err != nil {
			s.log.Error("read a worker's notify socket", "worker", w.id, "error", err)
			return
		}
		if !s.send(said{id: w.id, msg: msg}) {
			return
		}
	}
}

func (m said) handle(s *Supervisor) {
	w := s.workers[m.id]
	if w == nil {
		return
	}
	if m.msg.Watchdog {
		s.step(arbiter.Beat{ID: m.id})
	}
	if m.msg.Ready {
		s.notifiedReady(w)
	}
	if m.msg.Stopping {
		s.noteLeaving(w)
		s.step(arbiter.WorkerStopping{ID: m.id})
	}
	if m.msg.Extend > 0 {
		// The arbiter bounds what the worker gets, and so what we ask for in turn.
		s.extend(min(m.msg.Extend, 3*time.Duration(max(s.config.BootTimeout, s.config.GracefulTimeout))))
		s.step(arbiter.ExtendTimeout{ID: m.id, By: m.msg.Extend})
	}
}

// spoke says that a worker speaks Tandem's channel.
type spoke struct{ id arbiter.WorkerID }

func (m spoke) handle(s *Supervisor) {
	if s.workers[m.id] != nil {
		s.log.Debug("worker speaks Tandem's channel", "worker", m.id)
		s.totals.Speaks()
		s.step(arbiter.Spoke{ID: m.id})
	}
}

// greet says the hello of the channel. A program that does not read it may hang
// up, which is seen by watchChannel.
func (s *Supervisor) greet(w *worker) {
	if err := s.opt.Siblings.greet(w, s.tickets.keys); err != nil {
		s.log.Error("greet a worker on its channel", "worker", w.id, "error", err)
		return
	}
	w.tickets = s.tickets.serial
}

func (s *Supervisor) watchChannel(w *worker, _ <-chan struct{}) {
	garbled := false
	for {
		msg, fds, err := w.channel.Receive()
		for _, fd := range fds {
			_ = unix.Close(fd) // nothing that a worker may hand over in this version
		}
		switch {
		case err == nil && msg.Type == channel.Hello:
			s.send(spoke{id: w.id})
		case err == nil: // a newer worker's message: ignored, by the protocol
		case errors.Is(err, channel.ErrMessage): // the channel goes on
			if !garbled { // once: a worker that repeats it must not fill the log
				s.log.Warn("a message on a worker's channel was not understood", "worker", w.id, "error", err)
			}
			garbled = true
		case errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded):
			return
		default:
			s.log.Error("read a worker's channel", "worker", w.id, "error", err)
			return
		}
	}
}

// lastWords is what a worker wrote last, for the answer to a failed reload.
func (w *worker) lastWords() []string {
	return w.stderr.Tail()
}

func umask(u config.Umask) int {
	if !u.IsSet {
		return -1
	}
	return int(u.Mask)
}
