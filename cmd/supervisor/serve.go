package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/oklog/run"
	"golang.org/x/sys/unix"

	"github.com/tandem-go/tandem/internal/admin"
	"github.com/tandem-go/tandem/internal/budget"
	"github.com/tandem-go/tandem/internal/cli"
	"github.com/tandem-go/tandem/internal/config"
	"github.com/tandem-go/tandem/internal/control"
	"github.com/tandem-go/tandem/internal/logpipe"
	"github.com/tandem-go/tandem/internal/notify"
	"github.com/tandem-go/tandem/internal/process"
	"github.com/tandem-go/tandem/internal/socket"
	"github.com/tandem-go/tandem/internal/supervise"
)

// The exit codes of a start that fails before there are workers; the others
// come from the arbiter.
const (
	exitFailure = 1
	exitMissing = 4
)

const (
	// logFlush bounds how long an exit waits for a slow reader of the logs.
	logFlush = 5 * time.Second
	// lastWord bounds how long it waits for stderr to take what came of that.
	lastWord = time.Second
)

// startError is why nothing was started, and the exit code that says so.
type startError struct {
	code int
	err  error
}

// serve runs the supervisor until it has stopped and returns the exit code.
func serve(loaded *config.Loaded) int {
	// The supervisor itself needs little, and less than the machine has.
	limits := budget.Read()
	runtime.GOMAXPROCS(min(2, runtime.GOMAXPROCS(0)))
	debug.SetGCPercent(50)

	code, failed := start(loaded, limits, catchSignals())
	if failed != nil {
		say(os.Stderr, failed.err)
		return failed.code
	}
	return code
}

// signals are those that were sent to us. What asks for a stop has a channel of
// its own: os/signal drops what finds a channel full, and a flood of others,
// each of which may start a worker, must not take TERM's place.
type signals struct{ stop, other chan os.Signal }

func catchSignals() signals {
	s := signals{stop: make(chan os.Signal, 16), other: make(chan os.Signal, 16)}
	signal.Notify(s.stop, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT)
	signal.Notify(s.other, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2,
		syscall.SIGTTIN, syscall.SIGTTOU, syscall.SIGWINCH)
	return s
}

// start makes what a supervisor needs, in the order in which it can fail
// without leaving anything behind, runs it, and takes it all away again.
func start(loaded *config.Loaded, limits budget.Limits, caught signals) (int, *startError) {
	keepDescriptors()
	orphans := process.AdoptOrphans()
	level := new(slog.LevelVar)
	level.Set(slog.Level(loaded.LogLevel))
	logs, err := openLogs(loaded, level)
	if err != nil {
		return 0, &startError{exitFailure, err}
	}
	defer closeLogs(logs)
	log := slog.New(logs.Handler())
	if orphans != nil {
		log.Warn("what a worker leaves behind in a session of its own will not be ended with it", "error", orphans)
	}

	watchdog, err := notify.Watchdog(os.Getenv)
	if err != nil {
		return 0, &startError{exitFailure, err}
	}
	listeners, err := listen(loaded)
	if err != nil {
		return 0, &startError{exitFailure, err}
	}
	records := openRecords(loaded, log)
	sup, err := supervise.New(supervise.Options{
		Config:    loaded,
		Limits:    limits,
		Listeners: listeners,
		Logs:      logs,
		Log:       log,
		SetLevel:  func(l slog.Level) { level.Set(l) },
		Notify:    os.Getenv("NOTIFY_SOCKET"),
		Watchdog:  watchdog,
		Version:   cli.Version(),

		Postmortem: records,
	})
	if err != nil {
		closeAll(listeners)
		return 0, &startError{exitMissing, err}
	}
	server, err := openControl(loaded, log)
	if err != nil {
		closeAll(listeners)
		return 0, &startError{exitFailure, err}
	}
	probes, err := openAdmin(loaded, log)
	if err != nil {
		if server != nil {
			_ = server.Close()
		}
		closeAll(listeners)
		return 0, &startError{exitFailure, err}
	}
	removePID, err := writePID(loaded.PidFile.String())
	if err != nil {
		if probes != nil {
			_ = probes.Close()
		}
		if server != nil {
			_ = server.Close()
		}
		closeAll(listeners)
		return 0, &startError{exitFailure, err}
	}
	defer removePID()

	records.Start()
	defer closeRecords(records, log)
	log.Info("supervisor starts", "version", cli.Version(), "pid", os.Getpid(),
		"workers", loaded.Workers.Resolve(limits.CPUs), "listeners", addresses(listeners))
	result := runActors(sup, server, probes, caught, log)
	if result.Code != 0 {
		log.Error("supervisor gives up", "reason", result.Reason, "exit", result.Code)
	} else {
		log.Info("supervisor has stopped")
	}
	return result.Code, nil
}

// runActors runs the supervise loop beside what serves it. The loop alone ends
// by its own choice; the others end when they are interrupted.
func runActors(sup *supervise.Supervisor, server *control.Server, probes *admin.Server, caught signals, log *slog.Logger) supervise.Result {
	var group run.Group
	var result supervise.Result
	{
		ctx, cancel := context.WithCancel(context.Background())
		group.Add(func() error {
			result = sup.Run(ctx)
			return nil
		}, func(error) { cancel() })
	}
	{
		done := make(chan struct{})
		group.Add(func() error {
			for {
				select {
				case sig := <-caught.stop:
					sup.Signal(sig)
				case sig := <-caught.other:
					sup.Signal(sig)
				case <-done:
					return nil
				}
			}
		}, func(error) { close(done) })
	}
	{
		// Not before the workers of a program before us are known: they are not orphans.
		ctx, cancel := context.WithCancel(context.Background())
		group.Add(func() error { process.ReapOrphans(ctx, log); return nil }, func(error) { cancel() })
	}
	if server != nil {
		ctx, cancel := context.WithCancel(context.Background())
		group.Add(func() error {
			defer server.Close()
			if err := server.Serve(ctx, sup); err != nil {
				// The service goes on without it.
				log.Error("the control socket has failed; commands will not work until a restart", "error", err)
				<-ctx.Done()
			}
			return nil
		}, func(error) { cancel() })
	}
	if probes != nil {
		addAdmin(&group, sup, probes, log)
	}
	_ = group.Run()
	return result
}

func openLogs(loaded *config.Loaded, level *slog.LevelVar) (*logpipe.Fanin, error) {
	format, err := logpipe.ParseFormat(loaded.LogFormat.String())
	if err != nil {
		return nil, err
	}
	overflow, err := logpipe.ParseOverflow(loaded.LogOverflow.String())
	if err != nil {
		return nil, err
	}
	return logpipe.New(logpipe.Options{
		Stdout: os.Stdout, Stderr: os.Stderr, File: string(loaded.LogFile),
		Format: format, Overflow: overflow, Level: level,
	})
}

// closeLogs writes what is still buffered. What a reader does not take in time
// is lost, and said.
func closeLogs(logs *logpipe.Fanin) {
	ctx, cancel := context.WithTimeout(context.Background(), logFlush)
	defer cancel()
	if err := logs.Close(ctx); err != nil {
		say(os.Stderr, err)
	}
}

// say writes a line about err. Stderr may be the very pipe that nobody empties:
// then the line is lost, for the program must end.
func say(stderr io.Writer, err error) {
	said := make(chan struct{})
	go func() {
		defer close(said)
		fmt.Fprintln(stderr, "supervisor:", err)
	}()
	limit := time.NewTimer(lastWord)
	defer limit.Stop()
	select {
	case <-said:
	case <-limit.C:
	}
}

// listen gives the sockets: those that systemd passed, else those of the
// settings.
func listen(loaded *config.Loaded) ([]*socket.Listener, error) {
	activated, err := socket.Activated(os.Environ())
	if err != nil || len(activated) > 0 {
		return activated, err
	}
	var made []*socket.Listener
	for _, addr := range loaded.Bind {
		l, err := socket.Bind(addr)
		if err != nil {
			closeAll(made)
			return nil, err
		}
		made = append(made, l)
		if as := loaded.RunAs; as != nil {
			if err := l.Chown(as.UID, as.GID); err != nil {
				closeAll(made)
				return nil, err
			}
		}
	}
	return made, nil
}

func closeAll(listeners []*socket.Listener) {
	for _, l := range listeners {
		_ = l.Close()
	}
}

func addresses(listeners []*socket.Listener) []string {
	var a []string
	for _, l := range listeners {
		a = append(a, l.Addr().String())
	}
	return a
}

// openControl makes the control socket. Only one that another supervisor
// answers on is a reason not to start.
func openControl(loaded *config.Loaded, log *slog.Logger) (*control.Server, error) {
	path := loaded.Control.String()
	if path == config.Off {
		return nil, nil
	}
	server, err := control.Listen(path)
	if _, inUse := errors.AsType[*control.InUseError](err); inUse {
		return nil, err
	}
	if err != nil {
		log.Warn("no control socket: commands like status and reload --wait will not work; signals do", "error", err)
		return nil, nil
	}
	return server, nil
}

// keepDescriptors keeps what we were started with from the workers: a descriptor
// that a shell or a service manager has left open is not theirs. What they are
// given is passed to them by number. (Where the kernel cannot, they get them.)
func keepDescriptors() {
	_ = unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
}
