package process

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// State is a Process, for another program that goes on with it after an exec in
// place: the parent stays the same process. Descriptors are numbers.
type State struct {
	PID    int        `json:"pid"`
	Mark   string     `json:"mark"`
	PIDFD  int        `json:"pidfd"`           // -1: it has been reaped
	Report int        `json:"report"`          // -1: it has been read to its end
	Said   []byte     `json:"said,omitempty"`  // what was read of the report
	Ended  *ExitState `json:"ended,omitempty"` // how it ended, if it has been reaped
}

// ExitState is an Exit as plain values.
type ExitState struct {
	Doing  string `json:"doing,omitempty"` // of an ExecError
	Errno  int    `json:"errno,omitempty"`
	Status uint32 `json:"status"`
	Err    string `json:"err,omitempty"`

	PeakRSS int64         `json:"peak_rss,omitempty"`
	CPU     time.Duration `json:"cpu,omitempty"`
}

// Pause makes Watch return without an exit, as soon as it is between two things
// that must not be cut: nothing that it has learnt is lost. Until Resume each
// Watch returns so.
func (p *Process) Pause() { p.deadline(time.Unix(1, 0)) }

// Resume lets Watch wait again.
func (p *Process) Resume() { p.deadline(time.Time{}) }

func (p *Process) deadline(t time.Time) {
	// They fail for what is closed, which nobody waits for.
	_ = p.report.SetReadDeadline(t)
	_ = p.pidfd.SetReadDeadline(t)
}

// Save gives the state. No Watch may run, or the state is only good to look at.
// keep is called for each descriptor that goes over.
func (p *Process) Save(keep func(int) int) State {
	p.mu.Lock()
	defer p.mu.Unlock()
	st := State{PID: p.pid, Mark: p.mark, PIDFD: -1, Report: -1}
	if e := p.exit; e != nil {
		st.Ended = &ExitState{Status: uint32(e.Status), PeakRSS: e.PeakRSS, CPU: e.CPU}
		if e.Exec != nil {
			st.Ended.Doing = e.Exec.Doing
			errno := syscall.EIO
			errors.As(e.Exec.Err, &errno)
			st.Ended.Errno = int(errno)
		}
		if e.Err != nil {
			st.Ended.Err = e.Err.Error()
		}
		return st
	}
	// A descriptor that is being closed at this moment is none.
	_ = control(p.pidfd, func(fd int) error { st.PIDFD = keep(fd); return nil })
	st.Said = p.said
	if !p.reported {
		_ = control(p.report, func(fd int) error { st.Report = keep(fd); return nil })
	}
	return st
}

// Adopt goes on with a process that the program before us in this process has
// started. take gives a duplicate of a descriptor in the state.
func Adopt(st State, take func(int) (int, error)) (*Process, error) {
	p := &Process{pid: st.PID, mark: st.Mark, said: st.Said}
	if e := st.Ended; e != nil {
		p.exit = &Exit{Status: unix.WaitStatus(e.Status), PeakRSS: e.PeakRSS, CPU: e.CPU}
		if e.Doing != "" {
			p.exit.Exec = &ExecError{Doing: e.Doing, Err: syscall.Errno(e.Errno)}
		}
		if e.Err != "" {
			p.exit.Err = errors.New(e.Err)
		}
		return p, nil
	}
	fd, err := take(st.PIDFD)
	if err == nil && fd < 0 {
		err = errors.New("there is no pidfd, and no exit either")
	}
	if err != nil {
		return nil, fmt.Errorf("take over process %d: %w", st.PID, err)
	}
	p.pidfd = os.NewFile(uintptr(fd), "pidfd")
	children.Lock()
	children.ours[st.PID] = true
	children.Unlock()
	if p.reported = st.Report < 0; p.reported {
		return p, nil
	}
	if fd, err = take(st.Report); err != nil {
		p.pidfd.Close()
		return nil, fmt.Errorf("take over process %d: %w", st.PID, err)
	}
	p.report = os.NewFile(uintptr(fd), "exec-report")
	return p, nil
}

// Exec replaces the program of this process by the one at path, on the thread
// that forks: the kernel sends the parent-death signal when that thread ends, and
// an exec ends every thread but the one that calls it. It returns only when it
// fails.
func Exec(path string, argv, env []string) error {
	var err error
	onForkThread(func() { err = syscall.Exec(path, argv, env) })
	return fmt.Errorf("execute %s: %w", path, err)
}

// Fork starts a program directly, not as a worker, on the thread that forks.
// The caller reaps it, and then calls Reaped.
func Fork(path string, argv []string, attr *syscall.ProcAttr) (pid int, err error) {
	return forkOurs(path, argv, attr)
}

// Reaped says that a process which Fork has started is gone.
func Reaped(pid int) { reaped(pid) }

// SetName sets what /proc says this process is called, on the thread that forks
// where that is the main one; name ends with a zero byte.
func SetName(name []byte) {
	onForkThread(func() {
		_ = unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&name[0])), 0, 0, 0)
	})
}

// ExecutableState is an Executable, for another program that starts workers
// from it after an exec.
type ExecutableState struct {
	Path []byte `json:"path"`
	FD   int    `json:"fd"` // -1: it is started by path
}

// Save gives the state; keep is called for the descriptor.
func (e *Executable) Save(keep func(int) int) ExecutableState {
	return ExecutableState{Path: []byte(e.path), FD: keep(e.fd)}
}

// AdoptExecutable goes on with an Executable. take gives a duplicate of the
// descriptor.
func AdoptExecutable(st ExecutableState, take func(int) (int, error)) (*Executable, error) {
	fd, err := take(st.FD)
	if err != nil {
		return nil, fmt.Errorf("take over the executable %s: %w", st.Path, err)
	}
	return &Executable{path: string(st.Path), fd: fd}, nil
}
