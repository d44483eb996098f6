package upgrade

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tandem-go/tandem/internal/process"
)

// checkName is argv[0] of the check, by which it knows itself; argv[1] is the
// number of the memfd. An older supervisor takes that for a command that it does
// not know, and another program for whatever it likes.
const checkName = "tandem-upgrade-check"

const (
	maxAnswer = 64 << 10
	maxSaid   = 4 << 10 // of the check's stderr
)

// CheckTimeout bounds the check.
const CheckTimeout = 10 * time.Second

// Answer is what the check says.
type Answer struct {
	Nonce    string `json:"nonce"`
	Protocol int    `json:"protocol"`
	Version  string `json:"version"`
	Error    string `json:"error,omitempty"`
}

// CheckMain checks the state if this process was started for that by
// [Program.Check], and ends it; otherwise it returns at once. It comes first in
// main.
func CheckMain(parts map[string]Check, version string) {
	if len(os.Args) != 2 || os.Args[0] != checkName {
		return
	}
	fault("check")
	a := Answer{Protocol: Protocol, Version: version}
	n, err := strconv.Atoi(os.Args[1])
	if err == nil {
		var t *Taken
		if t, err = open(n); err == nil {
			a.Nonce = t.state.Nonce
			err = t.check(parts)
		}
	}
	status := 0
	if err != nil {
		a.Error, status = err.Error(), 1
	}
	text, _ := json.Marshal(a)
	_, _ = os.Stdout.Write(append(text, '\n'))
	os.Exit(status)
}

// Check runs p as a child that has the descriptors of the state and must show
// that it could take over, within [CheckTimeout] and before ctx ends. The error
// says why it could not.
func (p *Program) Check(ctx context.Context, s *Sealed) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, CheckTimeout)
	defer cancel()
	c, err := p.child(ctx, s)
	if err != nil {
		return Answer{}, fmt.Errorf("run %s for the check: %w", p.path, crowded(err))
	}
	a, err := c.verdict(s.nonce)
	if err != nil {
		return a, fmt.Errorf("%s did not pass the check: %w", p.path, err)
	}
	return a, nil
}

// crowded says what to do about an error of a process that has no number left for
// a descriptor: the system has several for that, and none names the limit.
func crowded(err error) error {
	var limit unix.Rlimit
	if !errors.Is(err, unix.EMFILE) && !errors.Is(err, unix.EBADF) && !errors.Is(err, unix.EINVAL) || unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return err
	}
	return fmt.Errorf("%w; the limit of open files, %d, may leave no room for that (LimitNOFILE= or ulimit -n raises it, for a restart)", err, limit.Cur)
}

// child is how the check ended.
type child struct {
	answer, said []byte
	status       unix.WaitStatus
	late         error // it was killed
}

func (p *Program) child(ctx context.Context, s *Sealed) (*child, error) {
	null, err := os.OpenFile("/dev/null", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	answer, answerW, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer answer.Close()
	defer answerW.Close()
	said, saidW, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer said.Close()
	defer saidW.Close()

	// The same numbers as in the state. The memfd and the program itself, which is
	// to be executed by descriptor, get numbers that no other has.
	free := max(p.fd, s.FD)
	for fd, twin := range s.held {
		free = max(free, fd, twin)
	}
	state, err := unix.FcntlInt(uintptr(s.FD), unix.F_DUPFD_CLOEXEC, free+1)
	if err != nil {
		return nil, err
	}
	defer unix.Close(state)
	self, err := unix.FcntlInt(uintptr(p.fd), unix.F_DUPFD_CLOEXEC, state+1)
	if err != nil {
		return nil, err
	}
	defer unix.Close(self)
	program := &Program{path: p.path, fd: self}
	kept := append(slices.Clone(s.fds), state, self)
	files := make([]uintptr, max(3, slices.Max(kept)+1))
	for i := range files {
		files[i] = ^uintptr(0)
	}
	files[0], files[1], files[2] = null.Fd(), answerW.Fd(), saidW.Fd()
	for _, fd := range kept {
		files[fd] = uintptr(fd)
		if twin, held := s.held[fd]; held {
			files[fd] = uintptr(twin)
		}
	}
	pidfd := -1
	pid, err := process.Fork(program.name(), []string{checkName, strconv.Itoa(state)}, &syscall.ProcAttr{
		Env: os.Environ(), Files: files,
		// It holds our sockets: it must not outlive us.
		Sys: &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL, PidFD: &pidfd},
	})
	if err != nil {
		return nil, err
	}
	answerW.Close()
	saidW.Close()
	c := new(child)
	stop := context.AfterFunc(ctx, func() {
		// Whatever it does, and whoever it has left its descriptors to.
		_ = unix.Kill(-pid, unix.SIGKILL)
		_ = answer.SetReadDeadline(time.Unix(1, 0))
		_ = said.SetReadDeadline(time.Unix(1, 0))
	})
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		c.said, _ = io.ReadAll(io.LimitReader(said, maxSaid))
		_, _ = io.Copy(io.Discard, said) // it must not wait for us
	}()
	c.answer, _ = io.ReadAll(io.LimitReader(answer, maxAnswer))
	answer.Close() // who says more than that is told to stop
	<-heard
	if !stop() {
		c.late = context.Cause(ctx)
	}
	if err := await(ctx, pid, pidfd); err != nil {
		c.late = err
	}
	// Not reaped yet: the group's number is still its own.
	_ = unix.Kill(-pid, unix.SIGKILL)
	for {
		if _, err := unix.Wait4(pid, &c.status, 0, nil); !errors.Is(err, unix.EINTR) {
			break
		}
	}
	process.Reaped(pid)
	if pidfd >= 0 {
		unix.Close(pidfd)
	}
	return c, nil
}

// await waits until the process has ended, or kills it when ctx ends.
func await(ctx context.Context, pid, pidfd int) error {
	if pidfd < 0 { // an old kernel: nothing to wait with
		return nil
	}
	limit := 0
	if at, ok := ctx.Deadline(); ok {
		limit = max(0, int(time.Until(at).Milliseconds()))
	}
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, limit)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if n > 0 {
			return nil
		}
		_ = unix.Kill(pid, unix.SIGKILL)
		return context.DeadlineExceeded
	}
}

// verdict says whether the child has shown that it can take over. Its exit
// status alone shows nothing: /bin/true has a good one.
func (c *child) verdict(nonce string) (Answer, error) {
	var a Answer
	err := json.Unmarshal(c.answer, &a)
	switch {
	case err == nil && a.Error != "":
		return a, errors.New(a.Error)
	case c.late != nil && errors.Is(c.late, context.DeadlineExceeded):
		return a, c.saying(fmt.Errorf("it had not answered after %v and was killed", CheckTimeout))
	case c.late != nil:
		return a, c.late
	case err != nil || a.Nonce == "":
		return a, c.saying(fmt.Errorf("it %s without showing that it had read the state: it is no supervisor that could take over", c.ended()))
	case a.Protocol != Protocol:
		return a, fmt.Errorf("it reads version %d of the state, this program writes version %d: restart the service instead", a.Protocol, Protocol)
	case a.Nonce != nonce:
		return a, errors.New("it has read another state than this one")
	case !c.status.Exited() || c.status.ExitStatus() != 0:
		return a, c.saying(fmt.Errorf("it answered, and then it %s", c.ended()))
	}
	return a, nil
}

func (c *child) ended() string {
	if c.status.Signaled() {
		return "was killed by " + unix.SignalName(c.status.Signal())
	}
	return "exited with status " + strconv.Itoa(c.status.ExitStatus())
}

// saying adds the first that the child had to say on stderr, on one line.
func (c *child) saying(err error) error {
	first, _, _ := bytes.Cut(bytes.TrimSpace(c.said), []byte("\n"))
	if len(first) == 0 {
		return err
	}
	return fmt.Errorf("%w; it said: %.300s", err, strings.ToValidUTF8(string(first), "?"))
}
