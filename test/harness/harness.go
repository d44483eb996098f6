// Package harness runs a built supervisor as a black box. Its invariant: all
// that a [Supervisor] started is gone after [Supervisor.Close], because every
// process of a run carries a mark in its environment and is looked up by it.
//
//	s, err := harness.Start(harness.Config{Bin: "bin", Args: []string{"--workers", "4"}})
//	defer s.Close()
//	_, err = s.Ready(ctx, 4)
//
// It knows the product only by its contract: flags, signals, the control
// socket, exit codes.
package harness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Config says what to run.
type Config struct {
	// Bin is the directory of the two binaries.
	Bin string
	// Args are flags beside --bind and --control, which Start sets.
	Args []string
	// Command is the worker's command line; none means app.
	Command []string
	// Env is added to an environment that holds only PATH, HOME and TMPDIR.
	Env []string
	// Dir is the working directory; Start makes a temporary one when empty.
	Dir string
	// Bare leaves --bind and --control out.
	Bare bool
	// Files are inherited as descriptor 3 and up.
	Files []*os.File
	// Prefix is put before the supervisor's command line: a wrapper that execs it.
	Prefix []string
	// Stdout, when set, takes the standard output in place of Supervisor.Stdout.
	Stdout io.Writer
}

// Supervisor is one running supervisor. Its methods may be called from any
// goroutine.
type Supervisor struct {
	Addr    string // host:port that it was told to bind
	Control string // path of the control socket
	Dir     string
	PID     int
	Stdout  *Output
	Stderr  *Output
	Started time.Time

	bin     string
	mark    string
	ownDir  bool
	cmd     *exec.Cmd
	done    chan struct{}
	waitErr error
}

// Not TANDEM_…: that is the protocol's, which no worker inherits.
const markName = "HARNESS_MARK"

// Start starts a supervisor and returns at once. The caller closes it.
func Start(c Config) (*Supervisor, error) {
	s := &Supervisor{Stdout: newOutput(), Stderr: newOutput(), done: make(chan struct{}), Dir: c.Dir}
	var err error
	if s.bin, err = filepath.Abs(filepath.Join(c.Bin, "supervisor")); err != nil {
		return nil, err
	}
	if s.Dir == "" {
		if s.Dir, err = os.MkdirTemp("", "tandem"); err != nil {
			return nil, err
		}
		s.ownDir = true
	}
	s.Control = filepath.Join(s.Dir, "control.sock")
	s.mark = fmt.Sprintf("%s=%d-%016x", markName, os.Getpid(), rand.Uint64())

	line := append(append([]string{}, c.Prefix...), s.bin)
	if !c.Bare {
		port, err := FreePort()
		if err != nil {
			return nil, err
		}
		s.Addr = fmt.Sprintf("127.0.0.1:%d", port)
		line = append(line, "--bind", s.Addr, "--control", s.Control)
	}
	line = append(line, c.Args...)
	if len(c.Command) > 0 {
		line = append(append(line, "--"), c.Command...)
	}
	s.cmd = exec.Command(line[0], line[1:]...)
	s.cmd.Dir = s.Dir
	s.cmd.Env = append(Environ(), append([]string{"XDG_STATE_HOME=" + s.state(), s.mark}, c.Env...)...)
	s.cmd.Stdout, s.cmd.Stderr = s.Stdout, s.Stderr
	if c.Stdout != nil {
		s.cmd.Stdout = c.Stdout
	}
	s.cmd.ExtraFiles = c.Files
	s.cmd.WaitDelay = 2 * time.Second
	// A test run that is killed must not leave a supervisor behind.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	s.Started = time.Now()
	if err := spawn(s.cmd); err != nil {
		return nil, fmt.Errorf("starting %s: %w", line[0], err)
	}
	s.PID = s.cmd.Process.Pid
	go func() {
		s.waitErr = s.cmd.Wait()
		s.Stdout.close()
		s.Stderr.close()
		close(s.done)
	}()
	return s, nil
}

// spawner is the one thread that starts processes: the kernel sends the death
// signal when the thread that spawned ends, not the process.
var spawner = make(chan func())

func init() {
	// What leaked into this process is no business of those under test.
	fds, _ := os.ReadDir("/proc/self/fd")
	for _, d := range fds {
		if fd, err := strconv.Atoi(d.Name()); err == nil && fd > 2 {
			syscall.CloseOnExec(fd)
		}
	}
	go func() {
		runtime.LockOSThread()
		for f := range spawner {
			f()
		}
	}()
}

func spawn(cmd *exec.Cmd) error {
	err := make(chan error)
	spawner <- func() { err <- cmd.Start() }
	return <-err
}

// Environ is the clean environment that everything is started with. A worker that is a
// test binary itself need not take the second in which the race detector sleeps at an exit.
func Environ() []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "TMPDIR=" + os.TempDir(), "GORACE=atexit_sleep_ms=0"}
}

// state is the home of what a supervisor leaves behind.
func (s *Supervisor) state() string { return filepath.Join(s.Dir, "state") }

// FreePort finds a port below the ephemeral range, where no outgoing
// connection can take it between here and its use.
func FreePort() (int, error) {
	var last error
	for range 100 {
		port := 15000 + rand.IntN(15000)
		ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			last = err
			continue
		}
		return port, ln.Close()
	}
	return 0, fmt.Errorf("no free port in 100 tries: %w", last)
}

// Signal sends sig to the supervisor alone.
func (s *Supervisor) Signal(sig os.Signal) error { return s.cmd.Process.Signal(sig) }

// Exited is closed when the supervisor has ended and its output was read.
func (s *Supervisor) Exited() <-chan struct{} { return s.done }

// Wait waits for the end and returns the exit code, or 128 + n after signal n.
func (s *Supervisor) Wait(ctx context.Context) (int, error) {
	select {
	case <-s.done:
	case <-ctx.Done():
		return 0, fmt.Errorf("waiting for supervisor %d to exit: %w; its stderr ends:\n%s", s.PID, ctx.Err(), s.Stderr.Tail(15))
	}
	return exitCode(s.waitErr)
}

func exitCode(err error) (int, error) {
	if err == nil || errors.Is(err, exec.ErrWaitDelay) {
		return 0, nil
	}
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		return 0, err
	}
	if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal()), nil
	}
	return exit.ExitCode(), nil
}

// Result is what a command of the supervisor printed and how it ended.
type Result struct {
	Stdout, Stderr string
	Code           int
}

// Run runs one of the supervisor's commands against this one's control socket.
func (s *Supervisor) Run(ctx context.Context, args ...string) (Result, error) {
	return Run(ctx, s.bin, s.Dir, []string{"SUPERVISOR_CONTROL=" + s.Control, "XDG_STATE_HOME=" + s.state(), s.mark}, args...)
}

// Run runs a program to its end in a clean environment and returns what it
// printed.
func Run(ctx context.Context, program, dir string, env []string, args ...string) (Result, error) {
	var out, errs strings.Builder
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env = dir, append(Environ(), env...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.WaitDelay = 2 * time.Second
	code, err := exitCode(cmd.Run())
	if ctx.Err() != nil {
		err = fmt.Errorf("%s %s: %w", filepath.Base(program), strings.Join(args, " "), ctx.Err())
	}
	return Result{Stdout: out.String(), Stderr: errs.String(), Code: code}, err
}

// Close ends whatever is left of the run, the processes that the supervisor
// left behind included, and removes the temporary directory. It returns an
// error when something could not be ended.
func (s *Supervisor) Close() error {
	_ = s.cmd.Process.Kill() // no harm when it has ended
	<-s.done
	var err error
	deadline := time.Now().Add(5 * time.Second)
	for {
		left := s.Strays()
		if len(left) == 0 {
			break
		}
		if time.Now().After(deadline) {
			err = fmt.Errorf("processes %v of supervisor %d do not end", left, s.PID)
			break
		}
		for _, pid := range left {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		pause(context.Background())
	}
	if s.ownDir {
		err = errors.Join(err, os.RemoveAll(s.Dir))
	}
	return err
}

// pause is the step of every poll; false when ctx has ended.
func pause(ctx context.Context) bool {
	t := time.NewTimer(10 * time.Millisecond)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Poll asks again and again until cond holds. The error names what was waited
// for.
func Poll(ctx context.Context, what string, cond func() bool) error {
	for !cond() {
		if !pause(ctx) {
			return fmt.Errorf("waiting for %s: %w", what, ctx.Err())
		}
	}
	return nil
}
