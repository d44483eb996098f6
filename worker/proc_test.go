package worker_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tandem-go/tandem/internal/channel"
	"github.com/tandem-go/tandem/internal/notify"
	"github.com/tandem-go/tandem/internal/scoreboard"
)

// proc is a worker process and the supervisor's side of it.
type proc struct {
	cmd      *exec.Cmd
	id       string
	stdout   *os.File
	output   string // all of it, after the exit
	notify   *notify.Socket
	channel  *channel.Conn
	board    *scoreboard.Board
	messages chan notify.Message // all but beats
	beats    chan notify.Message
	stderr   strings.Builder
	exited   chan struct{}
}

// start starts a worker on the listening socket as a supervisor does, and waits
// until it says that it is ready.
func start(t *testing.T, listener int, env ...string) *proc {
	t.Helper()
	return startAmong(t, nil, listener, env...)
}

// startAmong starts it as one of several; nil: it stands alone.
func startAmong(t *testing.T, k *kin, listener int, env ...string) *proc {
	t.Helper()
	used.Lock()
	used.helpers["serve"] = true
	used.Unlock()
	p := &proc{messages: make(chan notify.Message, 64), beats: make(chan notify.Message, 1), exited: make(chan struct{})}
	var err error
	if p.notify, err = notify.Listen(); err != nil {
		t.Fatal(err)
	}
	if p.board, err = scoreboard.Create(); err != nil {
		t.Fatal(err)
	}
	mine, theirs, err := channel.Pair()
	if err != nil {
		t.Fatal(err)
	}
	p.channel = mine
	p.id = "7"
	if k == nil {
		err = p.channel.Send(channel.Greeting(), p.board.FD())
	} else {
		p.id = k.next(t)
		err = p.channel.Send(channel.Greeting(channel.Scoreboard, channel.Fleet, channel.HandoverIn, channel.HandoverOut),
			p.board.FD(), k.fleet.FD(), k.in, k.out)
	}
	if err != nil {
		t.Fatal(err)
	}
	file := func(fd int) *os.File {
		twin, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		return os.NewFile(uintptr(twin), "inherited")
	}
	// The shell knows the process's number before the program runs.
	p.cmd = exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ exec "$0"`, os.Args[0])
	p.cmd.ExtraFiles = []*os.File{file(listener)}
	if k != nil {
		for _, another := range k.also {
			p.cmd.ExtraFiles = append(p.cmd.ExtraFiles, file(another))
		}
	}
	listeners := len(p.cmd.ExtraFiles)
	p.cmd.ExtraFiles = append(p.cmd.ExtraFiles, file(theirs))
	_ = unix.Close(theirs)
	p.cmd.Env = append(slices.Clone(os.Environ()),
		helperVariable+"=serve", fmt.Sprintf("LISTEN_FDS=%d", listeners),
		"LISTEN_FDNAMES=http"+strings.Repeat(":http", listeners-1), "NOTIFY_SOCKET="+p.notify.Addr(),
		"WATCHDOG_USEC=30000", fmt.Sprintf("TANDEM_FD=%d", 3+listeners), "TANDEM_WORKER_ID="+p.id, "TANDEM_GENERATION=3")
	p.cmd.Env = append(p.cmd.Env, "GORACE=atexit_sleep_ms=0") // the detector's exit takes a second otherwise
	p.cmd.Env = append(p.cmd.Env, env...)
	p.cmd.Stderr = &p.stderr
	var theirStdout *os.File
	if p.stdout, theirStdout, err = os.Pipe(); err != nil {
		t.Fatal(err)
	}
	p.cmd.Stdout = theirStdout
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for _, f := range append(p.cmd.ExtraFiles, theirStdout) {
		_ = f.Close()
	}
	var readers sync.WaitGroup
	readers.Go(func() {
		for {
			m, err := p.notify.Read()
			if err != nil {
				return
			}
			if !m.Watchdog {
				p.messages <- m // a worker says less than there is room for
				continue
			}
			select {
			case p.beats <- m:
			default: // nobody has looked at the one before
			}
		}
	})
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		p.wait()
		_ = p.stdout.Close()
		_ = p.notify.Close()
		_ = p.channel.Close()
		_ = p.board.Close()
		readers.Wait()
	})
	go func() {
		defer close(p.exited)
		output, _ := io.ReadAll(p.stdout)
		p.output = string(output)
		_ = p.cmd.Wait() // how it ended is in ProcessState
		// The last datagram, behind all of the worker's own.
		_ = notify.Send(p.notify.Addr(), "STATUS=exited")
	}()
	if m := p.until(t, func(m notify.Message) bool { return m.Ready }); m.Status == "" {
		t.Error("ready without a status")
	}
	if m, _, err := p.channel.Receive(); err != nil || m.Type != channel.Hello || m.Version != channel.Version {
		t.Fatalf("the hello was answered by %+v, %v", m, err)
	}
	return p
}

// until waits for a notification of the worker.
func (p *proc) until(t *testing.T, want func(notify.Message) bool) notify.Message {
	t.Helper()
	for {
		var m notify.Message
		select {
		case m = <-p.messages:
		case m = <-p.beats:
		}
		if m.PID == os.Getpid() {
			t.Fatal("the worker ended before it said what the test waits for: ", p.stderr.String())
		}
		if want(m) {
			return m
		}
	}
}

func (p *proc) signal(t *testing.T, s os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

func (p *proc) wait() { <-p.exited }

// code waits for the exit, and fails the test when it is not the one wanted.
func (p *proc) code(t *testing.T, want int) {
	t.Helper()
	p.wait()
	if got := p.cmd.ProcessState; got.ExitCode() != want {
		t.Errorf("the worker ended with %v, want exit status %d; it said: %s%s", got, want, p.output, p.stderr.String())
	}
}

// listen makes the shared socket. The descriptor is a supervisor's: raw and
// non-blocking, and closed by the test's end unless closed before.
func listen(t *testing.T) (fd int, addr string) {
	t.Helper()
	var lc net.ListenConfig
	lc.SetMultipathTCP(false) // as the supervisor's sockets are
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	raw, err := l.(*net.TCPListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(c uintptr) { fd, err = unix.FcntlInt(c, unix.F_DUPFD_CLOEXEC, 0) }); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return fd, l.Addr().String()
}

func nonblocking(t *testing.T, fd int) bool {
	t.Helper()
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil {
		t.Fatal(err)
	}
	return flags&syscall.O_NONBLOCK != 0
}
