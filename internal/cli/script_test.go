package cli

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/tandem-go/tandem/internal/budget"
	"github.com/tandem-go/tandem/internal/config"
	"github.com/tandem-go/tandem/internal/control"
	"github.com/tandem-go/tandem/internal/forecast"
	"github.com/tandem-go/tandem/internal/postmortem"
	"github.com/tandem-go/tandem/internal/timeline"
)

var update = flag.Bool("update", false, "write what the commands print into the scripts")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"supervisor": func() {
			completeTimeout = time.Minute
			os.Exit(Main(os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr, run))
		},
	})
}

// run stands for a supervisor: it says what it would have run.
func run(l *config.Loaded) int {
	fmt.Printf("running workers=%s (%s) bind=%s (%s) command=%q\n", l.Workers, l.Origins["workers"], l.Bind, l.Origins["bind"], l.Command)
	for _, kv := range l.WorkerEnv() {
		if strings.HasPrefix(kv, "KEY") {
			fmt.Println(kv)
		}
	}
	return 3
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"serve": serve,
			"asked": asked,
			"code":  code,
		},
		Setup: func(e *testscript.Env) error {
			e.Values[askedKey{}] = new(backend)
			e.Setenv("S", e.WorkDir+"/s") // for a control socket
			limits := budget.Read()       // of this machine, which check prints
			e.Setenv("FORECAST", forecastText(forecast.Of(forecast.Facts{
				Workers: limits.Workers(), WorkersFrom: "auto", Surge: 1, Limits: limits, Files: files(nil), GracefulTimeout: 30 * time.Second,
			})))
			// The race detector would let each command linger for a second.
			e.Setenv("GORACE", "atexit_sleep_ms=0")
			return nil
		},
	})
}

type askedKey struct{}

// serve PATH MODE runs a control server in which a reload is ok, is undone, or
// everything is refused.
func serve(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: serve PATH ok|undone|refuse")
	}
	s, err := control.Listen(args[0])
	ts.Check(err)
	s.Log = slog.New(slog.DiscardHandler)
	b := ts.Value(askedKey{}).(*backend)
	b.mode = args[1]
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, b) }()
	ts.Defer(func() {
		cancel()
		ts.Check(<-done)
	})
}

// asked WORD... compares the last request that a server got.
func asked(ts *testscript.TestScript, neg bool, args []string) {
	b := ts.Value(askedKey{}).(*backend)
	b.mu.Lock()
	defer b.mu.Unlock()
	if got, want := b.asked, strings.Join(args, " "); (got == want) == neg {
		ts.Fatalf("the server was asked %q, not %q", got, want)
	}
	b.asked = ""
}

// code N COMMAND... runs a command that must exit with N. Its standard streams
// go to the files stdout and stderr of the script.
func code(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: code N COMMAND...")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := 0
	var exit interface{ ExitCode() int }
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if fmt.Sprint(got) != args[0] {
		ts.Fatalf("exit code %d, want %s", got, args[0])
	}
}

type backend struct {
	mode string

	mu    sync.Mutex
	asked string
}

func (b *backend) note(format string, args ...any) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked = fmt.Sprintf(format, args...)
	if b.mode == "refuse" {
		return errors.New("a stop is under way")
	}
	return nil
}

func (b *backend) Status(context.Context) (control.Status, error) {
	requests, inFlight, connections, rss := uint64(1841), int64(2), int64(9), int64(14680064)
	var progress *control.Progress
	if b.mode == "busy" {
		progress = &control.Progress{What: control.ProgressDrain, Stage: "draining", Seconds: 3, Workers: []uint64{12}, Text: "drain (3s): draining, waits for worker 12: GET /slow/\x1b[2J for 3s"}
	}
	return control.Status{
		Progress: progress,
		State:    "running", PID: 4242, Version: "v1.2.3", Generation: 2, UptimeSeconds: 61.2,
		Listeners:  []string{"tcp://127.0.0.1:8000", "unix:///run/app.sock"},
		LastReload: &control.LastReload{Generation: 3, Result: "failed", Error: "worker 9 exited with 1\nbefore it was \x1b[31mready"},
		Workers: []control.WorkerStatus{
			{ID: 7, PID: 4250, Generation: 2, State: "ready", AgeSeconds: 3.1, Liveness: "ok", Requests: &requests, InFlight: &inFlight, Connections: &connections, RSSBytes: &rss, DatabaseConnections: 20},
			{ID: 12, PID: 99999, Generation: 2, State: "draining", AgeSeconds: 93784, Liveness: "none"},
		},
	}, b.note("status")
}

func (b *backend) Reload(_ context.Context, wait bool) (control.ReloadResult, error) {
	err := b.note("reload wait=%t", wait)
	switch {
	case err != nil || !wait:
		return control.ReloadResult{}, err
	case b.mode == "undone":
		return control.ReloadResult{Generation: 3, Result: control.ResultFailed, Error: "worker 9 exited with 1 before it was ready", LastWords: []string{"panic: no database", "\x1b[2Jgoroutine 1"}}, nil
	}
	return control.ReloadResult{Generation: 3, Result: control.ResultOK}, nil
}

func (b *backend) Scale(_ context.Context, n int) error   { return b.note("scale %d", n) }
func (b *backend) Stop(_ context.Context, now bool) error { return b.note("stop now=%t", now) }

func (b *backend) Logs(_ context.Context, q control.LogQuery, w io.Writer) error {
	switch q.Worker {
	case 8:
		return control.ErrNoWorker
	case 9:
		_, err := io.WriteString(w, "half\n")
		return errors.Join(err, errors.New("it broke"))
	}
	_, err := fmt.Fprintf(w, "lines worker=%d follow=%t json=%t\n", q.Worker, q.Follow, q.JSON)
	return err
}

func (b *backend) Timeline(_ context.Context, q timeline.Query, emit func([]timeline.Event) error) error {
	err := b.note("timeline after=%d limit=%d since=%t follow=%t", q.After, q.Limit, !q.Since.IsZero(), q.Follow)
	if err != nil || q.After > 0 {
		return err
	}
	at := time.Date(2026, 11, 29, 11, 22, 33, 456e6, time.UTC)
	return emit([]timeline.Event{
		{Seq: 41, Time: at, Kind: timeline.ReloadUndone, Generation: 3, Cause: "worker 9 exited", Actor: "signal HUP", Text: "the reload to generation 3 was undone: worker 9 exited"},
		{Seq: 42, Time: at.Add(time.Second), Kind: timeline.WorkerExited, Worker: 9, Cause: "exit status 1", Actor: "supervisor", Text: "worker 9 exited: \x1b[2Jexit status 1"},
	})
}

func (b *backend) Why(context.Context) (postmortem.Report, error) {
	return postmortem.Report{Records: []postmortem.Record{{ID: "20261122-203015-w7", Worker: 7, Count: 1}}}, b.note("why")
}

func (b *backend) Postmortem(_ context.Context, which string) (postmortem.Record, error) {
	if err := b.note("why %s", which); err != nil || which != "7" {
		return postmortem.Record{}, cmp.Or(err, postmortem.ErrNotFound)
	}
	return postmortem.Record{ID: "20261122-203015-w7", Worker: 7, Count: 1}, nil
}

func (b *backend) Upgrade(context.Context) (control.UpgradeResult, error) {
	return control.UpgradeResult{Version: "v2", From: "v1", PID: 4242}, b.note("upgrade")
}
