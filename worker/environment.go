package worker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/tandem-go/tandem/internal/channel"
)

// firstListener is the number of the first socket that is handed over, as in
// systemd's protocol.
const firstListener = 3

// Identity is what a supervisor calls this process.
type Identity struct {
	ID         uint64 // of the worker, never reused; 0 when nobody supervises
	Generation int    // of executable and settings; 0 when nobody supervises
	Workers    int    // how many there were to be when this one was started, itself included; 0 when nobody supervises
	Supervised bool   // Tandem's supervisor started this process
}

var self Identity

// Self is this process's identity, the same from init on.
func Self() Identity { return self }

// What belongs to the main thread, or must be done before this process starts
// another, is done here and not in Run: init runs first, and on that thread.
func init() {
	if n, ok := inheritedListeners(); ok {
		for fd := firstListener; fd < firstListener+n; fd++ {
			unix.CloseOnExec(fd)
		}
	}
	if n, err := startingConnections(); err == nil {
		database.become(n)
	}
	value, supervised := os.LookupEnv(channel.Variable)
	if !supervised {
		return
	}
	if fd, err := strconv.Atoi(value); err == nil {
		unix.CloseOnExec(fd)
	}
	self.Supervised = true
	self.ID, _ = strconv.ParseUint(os.Getenv("TANDEM_WORKER_ID"), 10, 64)
	self.Generation, _ = strconv.Atoi(os.Getenv("TANDEM_GENERATION"))
	self.Workers, _ = strconv.Atoi(os.Getenv("TANDEM_WORKERS"))
	ignoreSIGPIPE()
	// With the supervisor's death Run sees the end of its channel, and drains. TERM
	// says the same, whatever --stop-signal is, also to a program that has this
	// package linked in and never calls Run. The setting is the thread's, hence init.
	_ = unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGTERM), 0, 0, 0)
	// Started from a descriptor, the process would be called by its number.
	setName(filepath.Base(os.Args[0]))
}

func setName(name string) {
	if p, err := unix.BytePtrFromString(name); err == nil {
		_ = unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(p)), 0, 0, 0)
	}
}

// ignoreSIGPIPE makes a write to a log that nobody reads an error instead of
// this process's end. It catches the signal: ignoring it would be inherited by
// every program that this one starts.
var ignoreSIGPIPE = sync.OnceFunc(func() {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
})

// environment is what the protocol's variables said.
type environment struct {
	listeners int      // sockets from firstListener on
	names     []string // theirs, perhaps fewer
	stray     string   // LISTEN_PID, when sockets were meant for another process
	notify    string
	watchdog  time.Duration // 0: nobody watches
	graceful  time.Duration // the supervisor's bound on a drain; 0: it says none
	boot      time.Duration // the same on the time from the process's begin to READY=1
	channel   *channel.Conn // nil: not Tandem's supervisor
}

// How the supervisor says how long a drain, and a start, may take before it kills
// the worker.
const (
	gracefulVariable = "TANDEM_GRACEFUL_TIMEOUT_USEC"
	bootVariable     = "TANDEM_BOOT_TIMEOUT_USEC"
)

// processBegan is when the process did, nearly.
var processBegan = time.Now()

// takeEnvironment reads the variables and removes them: a program that this one
// starts must neither notify in its name nor take its descriptors.
func takeEnvironment() (*environment, error) {
	env := &environment{notify: os.Getenv("NOTIFY_SOCKET")}
	if n, ok := inheritedListeners(); ok {
		env.listeners, env.names = n, strings.Split(os.Getenv("LISTEN_FDNAMES"), ":")
	} else if os.Getenv("LISTEN_FDS") != "" {
		env.stray = os.Getenv("LISTEN_PID")
	}
	var err error
	if usec := os.Getenv("WATCHDOG_USEC"); usec != "" && ours("WATCHDOG_PID", true) {
		n, bad := strconv.ParseInt(usec, 10, 64)
		if bad != nil || n < 3 || n > int64(24*time.Hour/time.Microsecond) {
			err = fmt.Errorf("WATCHDOG_USEC=%q is not a number of microseconds from 3 to those of a day", usec)
		}
		env.watchdog = time.Duration(n) * time.Microsecond
	}
	var bad [3]error
	env.graceful, bad[0] = bound(gracefulVariable)
	env.boot, bad[1] = bound(bootVariable)
	_, bad[2] = startingConnections()
	err = errors.Join(err, errors.Join(bad[:]...))
	for _, name := range []string{
		gracefulVariable, bootVariable, connectionsVariable, "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "LISTEN_PIDFDID",
		"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID",
	} {
		err = errors.Join(err, os.Unsetenv(name))
	}
	if err != nil {
		return nil, err
	}
	env.channel, err = channel.Inherited()
	return env, err
}

// bound is what one of the supervisor's timeouts is, 0 where it says none.
func bound(variable string) (time.Duration, error) {
	usec := os.Getenv(variable)
	if usec == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(usec, 10, 64)
	if err != nil || n < 1 || n > int64(365*24*time.Hour/time.Microsecond) {
		return 0, fmt.Errorf("%s=%q is not a number of microseconds from 1 to those of a year", variable, usec)
	}
	return time.Duration(n) * time.Microsecond, nil
}

// inheritedListeners is the number of sockets for this very process.
func inheritedListeners() (int, bool) {
	n, err := strconv.Atoi(os.Getenv("LISTEN_FDS"))
	return n, err == nil && n > 0 && n <= 1024 && ours("LISTEN_PID", false)
}

func ours(variable string, unset bool) bool {
	value := os.Getenv(variable)
	if value == "" {
		return unset
	}
	return value == strconv.Itoa(os.Getpid())
}

// close gives the channel back.
func (e *environment) close() {
	if e.channel != nil {
		_ = e.channel.Close()
	}
}

// listen takes the inherited sockets, or makes one on addr when there are none
// and nobody supervises.
func (e *environment) listen(ctx context.Context, addr string) ([]socket, error) {
	if e.listeners == 0 {
		if e.channel != nil {
			if e.stray != "" {
				return nil, fmt.Errorf("the supervisor's sockets are for process %s, this is %d: a program in between, such as a shell, must start this one with exec", e.stray, os.Getpid())
			}
			return nil, errors.New("the supervisor handed over no socket: LISTEN_FDS is not set")
		}
		var lc net.ListenConfig
		l, err := lc.Listen(ctx, "tcp", addr)
		if err != nil {
			return nil, fmt.Errorf("listen on %s: %w; choose another address with worker.Addr, or stop who has it", addr, err)
		}
		return []socket{l.(socket)}, nil
	}
	var sockets []socket
	for i := range e.listeners {
		name := "unnamed"
		if i < len(e.names) && e.names[i] != "" {
			name = e.names[i]
		}
		s, err := inherit(firstListener+i, name)
		if err != nil {
			for _, s := range sockets {
				_ = s.Close()
			}
			return nil, err
		}
		sockets = append(sockets, s)
	}
	return sockets, nil
}

// inherit makes a listener of a descriptor, which it consumes. The description
// behind it is shared with every other worker: it stays non-blocking.
func inherit(fd int, name string) (socket, error) {
	file := os.NewFile(uintptr(fd), name)
	defer func() { _ = file.Close() }()
	switch on, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); {
	case err != nil:
		return nil, fmt.Errorf("inherited descriptor %d (%s) is not a socket: %w", fd, name, err)
	case on == 0:
		return nil, fmt.Errorf("inherited descriptor %d (%s) is a socket that does not listen", fd, name)
	}
	l, err := net.FileListener(file)
	if err != nil {
		return nil, fmt.Errorf("inherited descriptor %d (%s): %w", fd, name, err)
	}
	s, ok := l.(socket)
	if !ok {
		_ = l.Close()
		return nil, fmt.Errorf("inherited descriptor %d (%s) is a socket of %s, which does not accept streams", fd, name, l.Addr().Network())
	}
	return s, nil
}
