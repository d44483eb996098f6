package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Spec says what to start. All descriptors are raw ones and stay the caller's.
type Spec struct {
	Exe   *Executable
	Args  []string // argv, the name included
	Env   []string // the whole environment but for what names the worker's pid
	Dir   string   // working directory; empty: the supervisor's
	Umask int      // -1: the supervisor's

	TimerSlack time.Duration // how late the kernel may wake a sleeping thread of it; 0: as late as the supervisor's

	Stdout, Stderr int   // write ends of the log pipes
	Listeners      []int // become 3, 4, …
	Channel        int   // becomes 3+len(Listeners), and TANDEM_FD; -1: none

	// DeathSignal is sent to the worker when the supervisor dies; 0: none.
	DeathSignal syscall.Signal

	Credential *Credential // nil: the supervisor's
	NoNewPrivs bool        // no privilege can be gained by executing a program
	Limits     []Limit     // what is not named is as the supervisor was started with
}

// Process is one started worker. Its methods may be called from any goroutine.
type Process struct {
	pid    int
	pidfd  *os.File // in the runtime's poller, so that waiting costs no thread
	report *os.File
	mark   string // NAME=value in the environment of all that comes of it

	mu       sync.Mutex
	said     []byte // what was read of the report
	reported bool   // it was read to its end
	exit     *Exit  // how it ended, once it has been reaped
}

// ExecError says that a worker's process was made but could not become the
// program.
type ExecError struct {
	Doing string // "execute /usr/bin/app"
	Err   error
}

func (e *ExecError) Error() string {
	switch {
	case errors.Is(e.Err, syscall.ENOEXEC):
		return e.Doing + ": not a program (neither an executable for this machine nor a script that names its interpreter in a first line #!)"
	case errors.Is(e.Err, syscall.ENOENT):
		return e.Doing + ": no such file, or the interpreter that it names does not exist"
	}
	return e.Doing + ": " + e.Err.Error()
}

// Unwrap gives the system's error.
func (e *ExecError) Unwrap() error { return e.Err }

// maxReport bounds what is read of a report: a path may be as long as the order.
const maxReport = 64 << 10

// Exit says how a process ended.
type Exit struct {
	Exec   *ExecError // it never became the program
	Status unix.WaitStatus
	Err    error // its end could not be observed

	// What it used, if its end was observed.
	PeakRSS int64         // bytes, the most it ever had resident
	CPU     time.Duration // user and system
}

// Clean reports whether it ran and exited with status 0.
func (e Exit) Clean() bool {
	return e.Exec == nil && e.Err == nil && e.Status.Exited() && e.Status.ExitStatus() == 0
}

// String is the cause in words: "exit status 3", "killed by SIGKILL".
func (e Exit) String() string {
	switch {
	case e.Exec != nil:
		return e.Exec.Error()
	case e.Err != nil:
		return "its end could not be observed: " + e.Err.Error()
	case e.Status.Signaled():
		s := "killed by " + unix.SignalName(e.Status.Signal())
		if e.Status.CoreDump() {
			s += " (core dumped)"
		}
		return s
	}
	return "exit status " + strconv.Itoa(e.Status.ExitStatus())
}

// Start forks. An error means that no process was made; that the program could
// not be executed is told by [Process.Wait]. The worker leads a process group
// of its own, so a Ctrl-C in the supervisor's terminal is not sent to it too.
func Start(s Spec) (*Process, error) {
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open /dev/null for a worker's input: %w", err)
	}
	defer unix.Close(null)
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, fmt.Errorf("make the pipe that reports a failed exec: %w", err)
	}
	defer unix.Close(pipe[1])
	report := os.NewFile(uintptr(pipe[0]), "exec-report")

	files := []uintptr{uintptr(null), uintptr(s.Stdout), uintptr(s.Stderr)}
	mark := newMark()
	env := append(s.Env[:len(s.Env):len(s.Env)], mark)
	for _, fd := range s.Listeners {
		files = append(files, uintptr(fd))
	}
	if s.Channel >= 0 {
		env = append(env, "TANDEM_FD="+strconv.Itoa(len(files)))
		files = append(files, uintptr(s.Channel))
	}
	o := order{
		Path: []byte(s.Exe.path), Exe: -1, Dir: []byte(s.Dir),
		Umask: s.Umask, Slack: s.TimerSlack.Nanoseconds(), Death: int(s.DeathSignal), Parent: os.Getpid(),
		Credential: s.Credential, NoNewPrivs: s.NoNewPrivs, Limits: s.Limits,
	}
	if c := s.Credential; c != nil {
		// So that a worker can open /dev/stdout and /dev/stderr, which is to open
		// these pipes anew. Most never do: an error is not worth a start.
		_ = unix.Fchown(s.Stdout, c.UID, c.GID)
		_ = unix.Fchown(s.Stderr, c.UID, c.GID)
	}
	for _, arg := range s.Args {
		o.Args = append(o.Args, []byte(arg))
	}
	if s.Exe.fd >= 0 {
		o.Exe = len(files)
		files = append(files, uintptr(s.Exe.fd))
	}
	o.Report = len(files)
	files = append(files, uintptr(pipe[1]))
	orderJSON, err := json.Marshal(o)
	if err != nil {
		report.Close()
		return nil, fmt.Errorf("encode the order for the shim: %w", err)
	}

	pidfd := -1
	var pid int
	pid, err = forkOurs("/proc/self/exe", []string{shimName, string(orderJSON)}, &syscall.ProcAttr{
		Env:   env,
		Files: files,
		Sys:   &syscall.SysProcAttr{Setpgid: true, PidFD: &pidfd},
	})
	if err != nil {
		report.Close()
		return nil, fmt.Errorf("fork a worker: %w", err)
	}
	if pidfd < 0 {
		_ = unix.Kill(pid, unix.SIGKILL)
		_, _ = unix.Wait4(pid, nil, 0, nil)
		reaped(pid)
		report.Close()
		return nil, errors.New("this kernel gives no pidfd (Linux 5.10 or later is needed)")
	}
	if err := unix.SetNonblock(pidfd, true); err != nil {
		_ = unix.PidfdSendSignal(pidfd, unix.SIGKILL, nil, 0)
		_, _ = unix.Wait4(pid, nil, 0, nil)
		reaped(pid)
		unix.Close(pidfd)
		report.Close()
		return nil, fmt.Errorf("watch a worker's pidfd: %w", err)
	}
	return &Process{pid: pid, pidfd: os.NewFile(uintptr(pidfd), "pidfd"), report: report, mark: mark}, nil
}

// PID is the process id, for people and for the environment; never a key.
func (p *Process) PID() int { return p.pid }

// Wait blocks until the process has ended, ends what is left of its process
// group and, where this process adopts orphans, whatever else has come of it,
// reaps it and says how it ended. Nobody may Pause it.
func (p *Process) Wait() Exit {
	for {
		if e, ended := p.Watch(); ended {
			return e
		}
	}
}

// Watch is Wait that Pause can call off: then it returns false, and is to be
// called again. No two may run at once.
func (p *Process) Watch() (Exit, bool) {
	if p.exit != nil {
		return *p.exit, true
	}
	if !p.readReport() {
		return Exit{}, false
	}
	var e Exit
	var r report
	if len(p.said) > 0 && json.Unmarshal(p.said, &r) == nil {
		e.Exec = &ExecError{Doing: r.Doing, Err: syscall.Errno(r.Errno)}
	}
	rc, err := p.pidfd.SyscallConn()
	if err == nil {
		var inner error
		err = rc.Read(func(fd uintptr) bool {
			// WNOWAIT: while the leader is not reaped, its group id cannot be reused.
			inner = retryEINTR(func() error {
				return unix.Waitid(unix.P_PIDFD, int(fd), nil, unix.WEXITED|unix.WNOWAIT, nil)
			})
			return !errors.Is(inner, unix.EAGAIN)
		})
		if err == nil {
			err = inner
		}
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return Exit{}, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		_ = unix.Kill(-p.pid, unix.SIGKILL)
		endMarked(p.mark)
		err = retryEINTR(func() error {
			var used unix.Rusage
			_, err := unix.Wait4(p.pid, &e.Status, 0, &used)
			e.PeakRSS, e.CPU = used.Maxrss<<10, time.Duration(used.Utime.Nano()+used.Stime.Nano())
			return err
		})
		reaped(p.pid)
	}
	e.Err = err
	p.pidfd.Close()
	p.exit = &e
	return e, true
}

// readReport reads the report of a failed exec; its end is a good one. It gives
// false when it was called off.
func (p *Process) readReport() bool {
	if p.reported {
		return true
	}
	b, err := io.ReadAll(io.LimitReader(p.report, max(0, maxReport-int64(len(p.said)))))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.said = append(p.said, b...)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	p.reported = true
	p.report.Close()
	return true
}

// Signal sends sig to the process. After its end it does nothing and returns
// os.ErrProcessDone.
func (p *Process) Signal(sig syscall.Signal) error {
	sent := false
	err := control(p.pidfd, func(fd int) error { sent = true; return unix.PidfdSendSignal(fd, sig, nil, 0) })
	if !sent || errors.Is(err, unix.ESRCH) { // not sent: Wait has closed the descriptor
		return os.ErrProcessDone
	}
	if err != nil {
		return fmt.Errorf("send %s to pid %d: %w", unix.SignalName(sig), p.pid, err)
	}
	return nil
}

func retryEINTR(f func() error) error {
	for {
		if err := f(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
