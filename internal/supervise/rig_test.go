package supervise

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/tandem-go/tandem/internal/budget"
	"github.com/tandem-go/tandem/internal/channel"
	"github.com/tandem-go/tandem/internal/config"
	"github.com/tandem-go/tandem/internal/control"
	"github.com/tandem-go/tandem/internal/logpipe"
	"github.com/tandem-go/tandem/internal/notify"
	"github.com/tandem-go/tandem/internal/process"
	"github.com/tandem-go/tandem/internal/scoreboard"
)

// The test binary is the supervisor, its shim and its workers.
func TestMain(m *testing.M) {
	process.Shim()
	if os.Getenv("TEST_WORKER") != "" {
		workerMain()
	}
	goleak.VerifyTestMain(m, // the thread that forks must not end
		goleak.IgnoreTopFunction("github.com/tandem-go/tandem/internal/process.onForkThread.func1.1"))
}

// ballast is memory that a worker holds.
var ballast []byte

// workerMain does what MODE says: become ready and wait for TERM, or fail.
func workerMain() {
	term := make(chan os.Signal, 2)
	signal.Notify(term, syscall.SIGTERM, syscall.SIGINT)
	switch mode := os.Getenv("MODE"); {
	case mode == "crash":
		os.Stderr.WriteString("last words of a broken build\n")
		os.Exit(7)
	case mode == "garbled":
		fd, err := strconv.Atoi(os.Getenv(channel.Variable))
		if err != nil {
			panic(err)
		}
		for _, message := range []string{"no message at all", `{"type":"hello","version":1}`} {
			if _, err := unix.Write(fd, []byte(message)); err != nil {
				panic(err)
			}
		}
	case mode == "hungry":
		ballast = bytes.Repeat([]byte{1}, 96<<20)
	case mode == "counts", mode == "scribbles":
		counting(mode, term)
	case mode == "busy":
		busy(term)
	case mode == "shares":
		sharing()
	case mode == "tickets":
		ticketing()
	case mode == "ticks":
		ticking()
	case mode == "mute":
		<-term
		os.Exit(0)
	case mode == "prompt": // READY=1, half a line, and its end after a signal
		next := make(chan os.Signal, 1)
		signal.Notify(next, syscall.SIGUSR1)
		os.Stdout.WriteString("no line yet: it is up\nit is up, nearly:")
		if err := notify.Send(os.Getenv("NOTIFY_SOCKET"), "READY=1"); err != nil {
			panic(err)
		}
		<-next
		os.Stdout.WriteString(" done\nit is up again\n")
		os.Stderr.WriteString("it is up here, too\n")
		<-term
		os.Exit(0)
	case mode == "on":
		os.Stderr.WriteString("it is on\n")
		<-term
		os.Exit(0)
	case mode == "hang": // beats once, and is silent from then on
		if err := notify.Send(os.Getenv("NOTIFY_SOCKET"), "READY=1\nWATCHDOG=1"); err != nil {
			panic(err)
		}
		<-term
		os.Exit(0)
	case mode == "stubborn": // ready, and again; ends at the second signal
		for range 3 {
			if err := notify.Send(os.Getenv("NOTIFY_SOCKET"), "READY=1"); err != nil {
				panic(err)
			}
		}
		<-term
	}
	if err := notify.Send(os.Getenv("NOTIFY_SOCKET"), "READY=1\nSTATUS=serving"); err != nil {
		panic(err)
	}
	<-term
	os.Exit(0)
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// handed gives what a worker of ours is handed first: its end of the channel, and
// its scoreboard with the descriptor.
func handed() (conn *channel.Conn, board *scoreboard.Board, fd int) {
	conn, err := channel.Inherited()
	must(err)
	hello, fds, err := conn.Receive()
	must(err)
	fd, _ = hello.Take(fds, channel.Scoreboard)
	board, err = scoreboard.Open(fd)
	must(err)
	return conn, board, fd
}

// greet says that a worker speaks, and is ready.
func greet(conn *channel.Conn) {
	must(conn.Send(channel.Greeting()))
	must(notify.Send(os.Getenv("NOTIFY_SOCKET"), "READY=1"))
}

// rig is a supervisor over an env file that the test rewrites.
type rig struct {
	*Supervisor
	env    string
	output *buffer
	result chan Result
	up     *notify.Socket // what the service manager hears; nil without one
}

// buffer collects output of the one writer while the test reads it.
type buffer struct {
	mu      sync.Mutex
	b       bytes.Buffer
	written chan struct{} // one waiting: there is more
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case b.written <- struct{}{}:
	default:
	}
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func start(t testing.TB, mode string, args ...string) *rig {
	t.Helper()
	r := build(t, mode, args...)
	ctx, cancel := context.WithCancel(context.Background())
	go func() { r.result <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-r.done
	})
	return r
}

// build makes a supervisor that somebody still has to run.
func build(t testing.TB, mode string, args ...string) *rig {
	t.Helper()
	r := &rig{env: filepath.Join(t.TempDir(), "env"), output: &buffer{written: make(chan struct{}, 1)}, result: make(chan Result, 1)}
	r.mode(t, mode)
	args = append([]string{"--env-file", r.env, "--bake", "20ms", "--control", "off"}, args...)
	loaded, err := config.Load(append(args, "--", "/proc/self/exe"), []string{"TEST_WORKER=1", "GORACE=atexit_sleep_ms=0"}) // the detector's exit takes a second otherwise
	if err != nil {
		t.Fatal(err)
	}
	logs, err := logpipe.New(logpipe.Options{Stdout: r.output, Stderr: r.output, Format: logpipe.Text, Level: slog.LevelDebug})
	if err != nil {
		t.Fatal(err)
	}
	if r.up, err = notify.Listen(); err != nil {
		t.Fatal(err)
	}
	r.Supervisor, err = New(Options{
		Config: loaded, Limits: budget.Limits{CPUs: 2, Memory: 1 << 30}, Logs: logs,
		Log: slog.New(logs.Handler()), Notify: r.up.Addr(), Version: "test",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = logs.Close(context.Background())
		_ = r.up.Close()
		if t.Failed() {
			t.Log(r.output.String())
		}
	})
	return r
}

// mode says what workers of the next generation do.
func (r *rig) mode(t testing.TB, mode string) {
	t.Helper()
	if err := os.WriteFile(r.env, []byte("MODE="+mode+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// everything is what was logged, to the last line. The supervisor has ended, and
// nothing is logged after it; before, the writer may be behind.
func (r *rig) everything() string {
	_ = r.opt.Logs.Close(context.Background())
	return r.output.String()
}

// until waits for a status by asking again whenever something was logged. What
// changes is logged before the loop answers the next question; but for what is only
// measured, as a worker's memory is, for which it is asked now and then.
func (r *rig) until(t testing.TB, what string, ok func(control.Status) bool) control.Status {
	t.Helper()
	for {
		st, err := r.Status(t.Context())
		if err != nil {
			t.Fatalf("waiting for %s: %v", what, err)
		}
		if ok(st) {
			return st
		}
		select {
		case <-r.output.written:
		case <-time.After(100 * time.Millisecond):
		case <-t.Context().Done():
			t.Fatalf("waiting for %s; last status %+v", what, st)
		}
	}
}

func ready(n, generation int) func(control.Status) bool {
	return func(st control.Status) bool {
		if len(st.Workers) != n {
			return false
		}
		for _, w := range st.Workers {
			if w.State != "ready" || w.Generation != generation {
				return false
			}
		}
		return true
	}
}

// speaking says the same, and that all of them speak.
func speaking(n, generation int) func(control.Status) bool {
	return func(st control.Status) bool {
		for _, w := range st.Workers {
			if w.Requests == nil {
				return false
			}
		}
		return ready(n, generation)(st)
	}
}
