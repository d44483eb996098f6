package upgrade

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/tandem-go/tandem/internal/caught"
	"github.com/tandem-go/tandem/internal/process"
)

// The variables by which the program that is executed learns what it is for. It
// takes them out of its environment at once.
const (
	varState   = caught.Variable          // the numbers of the memfd and of the old program
	varFailure = "TANDEM_UPGRADE_FAILURE" // why the state is given back
	varSignals = "TANDEM_UPGRADE_SIGNALS" // that came in while it was
)

// Replace executes next in the place of this program, with the state. Signals
// must have been frozen. It returns only when the system refuses, and then
// nothing has changed.
func (p *Program) Replace(next *Program, s *Sealed) error {
	return execute(next, os.Args, append(s.fds, s.FD, p.fd),
		varState+"="+strconv.Itoa(s.FD)+","+strconv.Itoa(p.fd))
}

func execute(p *Program, argv []string, fds []int, env ...string) error {
	inherit := func(flags int) error {
		var errs []error
		for _, fd := range fds {
			if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, flags); err != nil {
				errs = append(errs, fmt.Errorf("descriptor %d: %w", fd, err))
			}
		}
		return errors.Join(errs...)
	}
	err := inherit(0)
	if err == nil {
		fault("exec")
		err = process.Exec(p.name(), argv, append(unlisted(os.Environ()), env...))
	}
	return errors.Join(err, inherit(unix.FD_CLOEXEC))
}

// unlisted is an environment without what the service manager said of the sockets
// that it passed. They are in the state, under numbers of their own; what is called
// 3 by now is something else, and LISTEN_PID would still be right.
func unlisted(environ []string) []string {
	return slices.DeleteFunc(environ, func(kv string) bool { return strings.HasPrefix(kv, "LISTEN_") })
}

// handed is what the program before us has said in our environment.
type handed struct {
	state, old int
	failure    string
	signals    []os.Signal
}

// unhand reads that, and takes it out of the environment.
func unhand() (*handed, error) {
	text, ok := os.LookupEnv(varState)
	if !ok {
		return nil, nil
	}
	h := &handed{failure: os.Getenv(varFailure)}
	for n := range strings.SplitSeq(os.Getenv(varSignals), ",") {
		if sig, err := strconv.Atoi(n); err == nil {
			h.signals = append(h.signals, syscall.Signal(sig))
		}
	}
	for _, name := range []string{varState, varFailure, varSignals} {
		if err := os.Unsetenv(name); err != nil {
			return nil, err
		}
	}
	state, old, _ := strings.Cut(text, ",")
	var err1, err2 error
	h.state, err1 = strconv.Atoi(state)
	h.old, err2 = strconv.Atoi(old)
	if err1 != nil || err2 != nil {
		return nil, fmt.Errorf("%s=%q is not what a supervisor says to the one that takes over from it; nobody else should set it", varState, text)
	}
	return h, nil
}

// TakeOver gives the state that the program before us has left, nil if this is
// an ordinary start. When the state cannot be used, the old program is executed
// again, and goes on; an error means that this is not possible either.
func TakeOver(parts map[string]Check, signals *caught.Signals) (*Taken, error) {
	h, err := unhand()
	if h == nil || err != nil {
		return nil, err
	}
	fault("begin")
	t, err := open(h.state)
	if err == nil && t.state.PID != os.Getpid() {
		return nil, fmt.Errorf("the state that %s names is of process %d: only that process may take it over", varState, t.state.PID)
	}
	if err == nil {
		t.old, t.Failure, t.Signals = h.old, h.failure, h.signals
		err = t.known(parts)
	}
	if err == nil {
		err = faultError("decode")
	}
	if err == nil {
		setName(t.state.Path)
		return t, nil
	}
	if t == nil {
		t = &Taken{state: &state{}, fd: h.state, old: h.old, Failure: h.failure, Signals: h.signals}
		t.fds, _ = inherited()
	}
	return nil, t.GiveBack(err, signals)
}

// GiveBack executes the program that has written the state, which goes on with
// it and says why this one could not. It may be called until Commit. It returns
// only when that cannot be done, with an error that says both.
func (t *Taken) GiveBack(why error, signals *caught.Signals) error {
	if t.Failure != "" {
		return fmt.Errorf("go on after a failed upgrade (%s): %w", t.Failure, why)
	}
	drained := make(chan []os.Signal)
	over := make(chan struct{})
	go func() {
		var got []os.Signal
		for {
			select {
			case sig := <-signals.All():
				got = append(got, sig)
			case <-over:
				drained <- got
				return
			}
		}
	}()
	rest := signals.Freeze()
	close(over)
	var numbers []string
	for _, sig := range append(append(t.Signals, <-drained...), rest...) {
		if n, ok := sig.(syscall.Signal); ok {
			numbers = append(numbers, strconv.Itoa(int(n)))
		}
	}
	fds := append(t.fds, t.fd, t.old)
	for _, o := range t.state.FDs {
		fds = append(fds, o.FD)
	}
	old := &Program{fd: t.old}
	argv := t.Args()
	if len(argv) == 0 {
		argv = os.Args
	}
	reason := strings.ReplaceAll(fmt.Sprintf("%.2000s", why), "\x00", "")
	err := execute(old, argv, fds,
		varState+"="+strconv.Itoa(t.fd)+","+strconv.Itoa(t.old),
		varFailure+"="+reason, varSignals+"="+strings.Join(numbers, ","))
	return fmt.Errorf("take over from the old program: %w; and it could not be executed again: %w", why, err)
}

// inherited lists the descriptors that this program was given, when the state
// that would name them cannot be read.
func inherited() ([]int, error) {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return nil, err
	}
	var fds []int
	for _, e := range entries {
		fd, err := strconv.Atoi(e.Name())
		if err != nil || fd < 3 {
			continue
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			fds = append(fds, fd)
		}
	}
	return fds, nil
}

// setName makes the process's name in /proc what it was: one that was executed
// by descriptor is called by its number.
func setName(path string) {
	name := append([]byte(path[strings.LastIndexByte(path, '/')+1:]), 0)
	process.SetName(name)
}
