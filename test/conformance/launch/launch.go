// Package launch builds the application of the public suites and runs it as a
// process of its own.
//
// Invariant: what was started is gone after Stop, and what it said is kept.
//
//	program, err := launch.Build(dir)
//	server, err := program.Start("-tls")
//	defer server.Stop()
package launch

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// patience bounds start and end of a server.
const patience = 30 * time.Second

// Program is the built application.
type Program string

// Build builds it into dir, with the race detector if the caller has it.
func Build(dir string) (Program, error) {
	path := filepath.Join(dir, "server")
	args := append(append([]string{"build"}, detector...), "-o", path, "github.com/tandem-go/tandem/test/conformance/server")
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the application of the suites: %w\n%s", err, out)
	}
	return Program(path), nil
}

// Server is a running one.
type Server struct {
	Addr string
	cmd  *exec.Cmd
	log  log
	done chan struct{} // closed at its end
}

// Start runs it on a free port of the loopback address and waits until it serves.
func (p Program) Start(args ...string) (*Server, error) {
	s := &Server{done: make(chan struct{}), log: log{addr: make(chan string, 1)}}
	s.cmd = exec.Command(string(p), append([]string{"-addr", "127.0.0.1:0"}, args...)...)
	s.cmd.Stderr = &s.log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error, 1)
	go func() {
		defer close(s.done)
		runtime.LockOSThread() // whose end would be the server's
		defer runtime.UnlockOSThread()
		err := s.cmd.Start()
		started <- err
		if err == nil {
			_ = s.cmd.Wait() // how it ended is in ProcessState
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start the application of the suites: %w", err)
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case s.Addr = <-s.log.addr:
		return s, nil
	case <-s.done:
	case <-timer.C:
	}
	return nil, errors.Join(errors.New("the application of the suites does not serve"), s.Stop())
}

// Stop ends it. The error is what it must not have said, a panic or a race, or
// that it did not end by itself.
func (s *Server) Stop() error {
	_ = s.cmd.Process.Signal(syscall.SIGINT) // fails where it has ended, which the next lines see
	timer := time.AfterFunc(patience, func() { _ = s.cmd.Process.Kill() })
	<-s.done
	timer.Stop()
	said := s.Said()
	for _, bad := range []string{"panic", "DATA RACE", "fatal error"} {
		if bytes.Contains(said, []byte(bad)) {
			return fmt.Errorf("the application said %q:\n%s", bad, said)
		}
	}
	status := s.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if status.ExitStatus() != 0 && status.Signal() != syscall.SIGINT { // which ends net/http alone
		return fmt.Errorf("the application ended with %v:\n%s", s.cmd.ProcessState, said)
	}
	return nil
}

// Said is its log so far.
func (s *Server) Said() []byte { return s.log.bytes() }

// log is what a server writes, and finds its address there.
type log struct {
	addr chan string
	mu   sync.Mutex
	buf  bytes.Buffer
	told bool
}

var _ io.Writer = (*log)(nil)

var serving = regexp.MustCompile(`serving.*addr=tcp://(\S+)`)

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf.Write(b)
	if !l.told {
		if found := serving.FindSubmatch(l.buf.Bytes()); found != nil {
			l.told = true
			l.addr <- string(found[1])
		}
	}
	return len(b), nil
}

func (l *log) bytes() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Clone(l.buf.Bytes())
}
