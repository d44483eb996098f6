package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"github.com/oklog/run"
	"golang.org/x/sys/unix"

	"github.com/tandem-go/tandem/internal/budget"
	"github.com/tandem-go/tandem/internal/caught"
	"github.com/tandem-go/tandem/internal/cli"
	"github.com/tandem-go/tandem/internal/config"
	"github.com/tandem-go/tandem/internal/control"
	"github.com/tandem-go/tandem/internal/logpipe"
	"github.com/tandem-go/tandem/internal/notify"
	"github.com/tandem-go/tandem/internal/process"
	"github.com/tandem-go/tandem/internal/socket"
	"github.com/tandem-go/tandem/internal/statedir"
	"github.com/tandem-go/tandem/internal/supervise"
	"github.com/tandem-go/tandem/internal/upgrade"
)

// The exit codes of a start that fails before there are workers; the others
// come from the arbiter.
const (
	exitFailure = 1
	exitUsage   = 2
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
func serve(loaded *config.Loaded) int { return operate(loaded, caught.Catch(), nil) }

// operate is serve, also in the place of another program.
func operate(loaded *config.Loaded, signals *caught.Signals, taken *upgrade.Taken) int {
	// The supervisor itself needs little, and less than the machine has.
	limits := budget.Read()
	runtime.GOMAXPROCS(min(2, runtime.GOMAXPROCS(0)))
	debug.SetGCPercent(50)

	code, failed := start(loaded, limits, signals, taken)
	if failed != nil {
		say(os.Stderr, failed.err)
		return failed.code
	}
	return code
}

// start makes what a supervisor needs, in the order in which it can fail
// without leaving anything behind, runs it, and takes it all away again.
func start(loaded *config.Loaded, limits budget.Limits, signals *caught.Signals, taken *upgrade.Taken) (int, *startError) {
	connections, err := loaded.Connections(loaded.Workers.Resolve(limits.CPUs))
	if err != nil && taken == nil { // what goes on may have been scaled since
		return 0, &startError{exitUsage, err}
	}
	keepDescriptors()
	orphans := process.AdoptOrphans()
	var made []func() // takes away what was made, the last first
	fail := func(code int, err error) (int, *startError) {
		if taken != nil {
			// Nothing of ours was made yet, it was only taken over: it all goes back.
			return 0, &startError{exitFailure, taken.GiveBack(err, signals)}
		}
		for _, undo := range slices.Backward(made) {
			undo()
		}
		return 0, &startError{code, err}
	}
	level := new(slog.LevelVar)
	level.Set(slog.Level(loaded.LogLevel))
	logs, err := openLogs(loaded, level, taken)
	if err != nil {
		return fail(exitFailure, err)
	}
	made = append(made, func() { closeLogs(logs) })
	log := slog.New(logs.Handler())
	if orphans != nil {
		log.Warn("what a worker leaves behind in a session of its own will not be ended with it", "error", orphans)
	}

	watchdog, err := notify.Watchdog(os.Getenv)
	if err != nil {
		return fail(exitFailure, err)
	}
	var listeners []*socket.Listener
	var siblings *supervise.Siblings
	if taken == nil { // else they are in the state
		siblings = keptQueue(os.Environ(), os.Getenv("NOTIFY_SOCKET"), log)
		if listeners, err = listen(loaded, os.Environ(), os.Getenv("NOTIFY_SOCKET"), log); err != nil {
			return fail(exitFailure, err)
		}
		made = append(made, func() { closeAll(listeners) })
	}
	warner := &statedir.Warner{Log: log}
	records, err := openRecords(loaded, taken, warner)
	if err != nil {
		return fail(exitFailure, err)
	}
	events, err := openTimeline(loaded, taken, warner)
	if err != nil {
		return fail(exitFailure, err)
	}
	sup, err := supervise.New(supervise.Options{
		Config:    loaded,
		Limits:    limits,
		Listeners: listeners,
		Siblings:  siblings,
		Logs:      logs,
		Log:       log,
		SetLevel:  func(l slog.Level) { level.Set(l) },
		Notify:    os.Getenv("NOTIFY_SOCKET"),
		Watchdog:  watchdog,
		Version:   cli.Version(),

		Postmortem: records,
		Timeline:   events,
		Program:    ourselves(taken, log),
		Signals:    signals,
		Taken:      taken,
	})
	if err != nil {
		return fail(exitMissing, err)
	}
	server, err := openControl(loaded, taken, log)
	if err != nil {
		return fail(exitFailure, err)
	}
	if server != nil {
		server.Log = log
		made = append(made, func() { _ = server.Close() })
	}
	probes, err := adoptAdmin(taken, loaded, log)
	if err != nil {
		return fail(exitFailure, err)
	}
	if probes != nil {
		made = append(made, func() { _ = probes.Close() })
	}
	removePID, err := pidFile(loaded.PidFile.String(), taken, log)
	if err != nil {
		return fail(exitFailure, err)
	}
	seen, err := watch(sup, probes, taken)
	if err != nil {
		return fail(exitFailure, err)
	}
	carry(sup, server, seen)
	sup.Carry(partRecords, func(upgrade.Keep) (any, error) { return records.State(), nil })
	sup.Carry(partTimeline, func(upgrade.Keep) (any, error) { return events.State(), nil })
	if err := commit(taken, logs); err != nil {
		return fail(exitFailure, err)
	}
	defer closeLogs(logs)
	defer removePID()
	records.Start()
	defer closeRecords(records, log)
	events.Start()
	defer closeTimeline(events, log)
	if taken == nil {
		log.Info("supervisor starts", "version", cli.Version(), "pid", os.Getpid(),
			"workers", loaded.Workers.Resolve(limits.CPUs), "listeners", addresses(listeners))
		sayConnections(log, connections)
	}
	result := runActors(sup, server, seen, signals, log)
	if result.Code != 0 {
		log.Error("supervisor gives up", "reason", result.Reason, "exit", result.Code)
	} else {
		log.Info("supervisor has stopped")
	}
	return result.Code, nil
}

// sayConnections says how those to a database are divided, if they are.
func sayConnections(log *slog.Logger, c budget.Connections) {
	level := slog.LevelInfo
	if _, each := c.InReload(); each == 0 {
		level = slog.LevelWarn
	}
	if c.Limit > 0 {
		log.Log(context.Background(), level, "database connections", "divided", c.String())
	}
}

// runActors runs the supervise loop beside what serves it. The loop alone ends
// by its own choice; the others end when they are interrupted.
func runActors(sup *supervise.Supervisor, server *control.Server, seen *watched, signals *caught.Signals, log *slog.Logger) supervise.Result {
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
		group.Add(func() error {
			for sig := range signals.All() {
				sup.Signal(sig)
			}
			return nil
		}, func(error) { signals.End() })
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
	if seen != nil {
		addAdmin(&group, seen, log)
	}
	_ = group.Run()
	return result
}

func openLogs(loaded *config.Loaded, level *slog.LevelVar, taken *upgrade.Taken) (*logpipe.Fanin, error) {
	format, err := logpipe.ParseFormat(loaded.LogFormat.String())
	if err != nil {
		return nil, err
	}
	overflow, err := logpipe.ParseOverflow(loaded.LogOverflow.String())
	if err != nil {
		return nil, err
	}
	o := logpipe.Options{
		Stdout: logpipe.Unblocked(os.Stdout), Stderr: logpipe.Unblocked(os.Stderr), File: string(loaded.LogFile),
		Format: format, Overflow: overflow, Level: level, JournalStream: os.Getenv("JOURNAL_STREAM"),
	}
	if taken != nil {
		return adoptLogs(o, taken)
	}
	return logpipe.New(o)
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

func addresses(listeners []*socket.Listener) []string {
	var a []string
	for _, l := range listeners {
		a = append(a, l.Addr().String())
	}
	return a
}

// openControl makes the control socket. Only one that another supervisor
// answers on is a reason not to start.
func openControl(loaded *config.Loaded, taken *upgrade.Taken, log *slog.Logger) (*control.Server, error) {
	if taken != nil {
		return adoptControl(taken)
	}
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
