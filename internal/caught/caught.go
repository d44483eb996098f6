// Package caught takes in the signals of a supervisor.
//
// Invariant: a signal that was delivered to this process is given to whoever
// reads, or to the next program of this process, or it ends the process as its
// default is; it is never dropped for want of room while a TERM is among them.
// From [Signals.Freeze] until the next program catches them, HUP, INT, QUIT,
// USR1, USR2, TTIN, TTOU and WINCH are ignored by the kernel, and a TERM ends the
// process.
//
// The smallest use:
//
//	signals := caught.Catch()
//	defer signals.End()
//	for sig := range signals.All() { … }
//
// A program that takes over from another one catches them in the initialisation
// of this package, which therefore imports next to nothing: until then HUP and
// INT are ignored, and Go itself would die of TERM and QUIT.
package caught

import (
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// Variable is the environment variable that says that this program takes over
// from another one.
const Variable = "TANDEM_UPGRADE"

// Those that ask for a stop have a channel of their own: os/signal drops what
// finds a channel full, and a flood of others, each of which may start a worker,
// must not take TERM's place.
var (
	stops  = []os.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT}
	others = []os.Signal{
		syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2,
		syscall.SIGTTIN, syscall.SIGTTOU, syscall.SIGWINCH,
	}
	// quiet are ignored across an exec. SIGCHLD must never be: the kernel would
	// reap the workers itself, and nobody would learn how they ended.
	quiet = []os.Signal{
		syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2,
		syscall.SIGTTIN, syscall.SIGTTOU, syscall.SIGWINCH,
	}
)

// Signals are those that are sent to us. Its methods may be called from any
// goroutine, but Freeze, Thaw and End only by one at a time.
type Signals struct {
	stop, other chan os.Signal
	all         chan os.Signal

	frozen  bool
	end     chan struct{} // of the present forwarding
	ended   chan struct{}
	closing sync.Once
}

var early *Signals

func init() {
	if os.Getenv(Variable) != "" {
		early = catch()
	}
}

// Catch begins to take in signals, if the initialisation has not done so.
func Catch() *Signals {
	if s := early; s != nil {
		early = nil
		return s
	}
	return catch()
}

func catch() *Signals {
	s := &Signals{stop: make(chan os.Signal, 16), other: make(chan os.Signal, 16), all: make(chan os.Signal)}
	s.notify()
	return s
}

func (s *Signals) notify() {
	signal.Notify(s.stop, stops...)
	signal.Notify(s.other, others...)
	s.end, s.ended = make(chan struct{}), make(chan struct{})
	go s.forward(s.end, s.ended)
}

// All gives the signals one after another. It is closed by End.
func (s *Signals) All() <-chan os.Signal { return s.all }

// forward gives out what comes, until end. What it holds then goes back to the
// front: into first.
func (s *Signals) forward(end, ended chan struct{}) {
	defer close(ended)
	for {
		var sig os.Signal
		select {
		case sig = <-s.stop:
		default:
			select {
			case sig = <-s.stop:
			case sig = <-s.other:
			case <-end:
				return
			}
		}
		s.all <- sig
	}
}

// Freeze ends the taking in, just before an exec, and gives what had come and
// was not read from All. (But for one that a thread of ours is on the way to take
// in at this very moment; whoever cannot do without an answer asks by a command.) Somebody must read from All meanwhile. See the invariant
// for what becomes of signals after it.
func (s *Signals) Freeze() []os.Signal {
	settle()
	// Behind the back of os/signal: were it told to ignore them, it would drop
	// those that it has taken in and not passed on yet.
	for _, sig := range quiet {
		ignore(sig.(syscall.Signal))
	}
	signal.Stop(s.other) // returns when all that had come is in the channel
	signal.Stop(s.stop)
	signal.Ignore(quiet...) // so that Notify undoes it
	close(s.end)
	<-s.ended
	s.frozen = true
	var rest []os.Signal
	for {
		select {
		case sig := <-s.stop:
			rest = append(rest, sig)
		case sig := <-s.other:
			rest = append(rest, sig)
		default:
			return rest
		}
	}
}

// Thaw takes them in again, when the exec came to nothing.
func (s *Signals) Thaw() {
	if s.frozen {
		s.frozen = false
		s.notify()
	}
}

// End stops taking in, and closes All. Signals have their default effect again.
// What was not read is dropped.
func (s *Signals) End() {
	s.closing.Do(func() {
		signal.Stop(s.other)
		signal.Stop(s.stop)
		go func() {
			for range s.all { // so that forward can end
			}
		}()
		if !s.frozen {
			close(s.end)
			<-s.ended
		}
		close(s.all)
	})
}
