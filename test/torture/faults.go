package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"syscall"
	"time"

	"github.com/tandem-go/tandem/test/harness"
)

// fault is one thing that can be done to a service.
type fault struct {
	name string
	what string   // for the report
	args []string // of the supervisor, beyond those of every turn
	env  []string
	sink io.Writer // its standard output; nil: one that is read
	// managed: the supervisor is run by a service manager that keeps its
	// descriptors and starts it again.
	managed bool
	do      func(ctx context.Context, a *arena) error
	rest    time.Duration // after it, before the next time
	cost    string        // what a loss is the price of; empty: nothing may be lost
}

var faults = []fault{
	{
		name: "reload", what: "`supervisor reload --wait`, again and again", rest: 100 * time.Millisecond,
		do: func(ctx context.Context, a *arena) error { return a.must(ctx, "reload", "--wait") },
	},
	{
		name: "bad reload", what: "a new build that does not start, and one that dies while it is watched", rest: 100 * time.Millisecond,
		do: func(ctx context.Context, a *arena) error {
			for _, how := range []string{"boot", "bake"} {
				if err := errors.Join(a.breakWorkers(how), a.mustFail(ctx, "reload", "--wait")); err != nil {
					return err
				}
			}
			return a.breakWorkers("")
		},
		cost: "requests that the broken build itself had accepted when it died",
	},
	{
		name: "upgrade", what: "`supervisor upgrade`, again and again", rest: 200 * time.Millisecond,
		do: func(ctx context.Context, a *arena) error { return a.must(ctx, "upgrade") },
	},
	{
		name: "bad upgrade", what: "`supervisor upgrade` to a program that is none", rest: 200 * time.Millisecond,
		do: func(ctx context.Context, a *arena) error {
			return errors.Join(a.install("/bin/true"), a.mustFail(ctx, "upgrade"), a.install(a.good))
		},
	},
	{
		name: "HUP storm", what: "SIGHUP every 2 ms while `supervisor upgrade` runs", rest: 200 * time.Millisecond, do: storm,
	},
	{
		name: "scale", what: "from 4 workers to 6, to 1, to 4", rest: 100 * time.Millisecond,
		do: func(ctx context.Context, a *arena) error {
			for _, n := range []int{6, 1, workers} {
				if err := a.must(ctx, "scale", fmt.Sprint(n)); err != nil {
					return err
				}
				if _, err := a.Ready(ctx, n); err != nil {
					return err
				}
			}
			return nil
		},
	},
	{
		name: "recycle", what: "`--max-requests 300`: workers are replaced all the time", args: []string{"--max-requests", "300", "--max-requests-jitter", "100"},
		rest: 200 * time.Millisecond, do: awaitAnotherWorker,
	},
	{
		name: "kill -9 of a worker", what: "one after the other", rest: 500 * time.Millisecond, do: killWorker,
		cost: "what the killed worker held",
	},
	{
		name: "SIGSTOP of a worker", what: "stopped for 1.5 s, then continued", rest: 300 * time.Millisecond,
		do: func(ctx context.Context, a *arena) error {
			w, err := anyReady(ctx, a)
			if err != nil {
				return err
			}
			err = harness.Kill(w.PID, syscall.SIGSTOP)
			pause(ctx, 1500*time.Millisecond)
			return errors.Join(err, harness.Kill(w.PID, syscall.SIGCONT))
		},
		cost: "nothing: what the stopped worker held is late",
	},
	{
		name: "hung handler", what: "a handler that takes the worker's whole scheduler; `--timeout 2s`", args: []string{"--timeout", "2s"}, rest: 500 * time.Millisecond,
		do: wedgeWorker, cost: "what the hung worker held",
	},
	{
		name: "kill -9 of the supervisor", what: "under a service manager that keeps its sockets and starts it again", managed: true, rest: 500 * time.Millisecond,
		do: func(ctx context.Context, a *arena) error { return a.manager.killAndRestart(ctx) },
	},
	{
		name: "disk full for the log", what: "`--log-file` on a device that is full, a line for each request", args: []string{"--log-file", "/dev/full"}, env: []string{chattyVariable + "=100"},
		rest: time.Second, do: func(ctx context.Context, a *arena) error { return a.must(ctx, "reload", "--wait") },
	},
	{
		name: "slow reader of the log", what: "2 KiB for each request, 20 KiB a second taken", env: []string{chattyVariable + "=2048"}, sink: slowWriter{},
		rest: time.Second, do: func(ctx context.Context, a *arena) error { return a.must(ctx, "reload", "--wait") },
	},
}

// storm asks for reloads without end, and for an upgrade in the middle of them;
// then it waits until all that is remembered has been done.
func storm(ctx context.Context, a *arena) error {
	ctx, stop := context.WithCancel(ctx)
	upgraded := make(chan error, 1)
	go func() { upgraded <- a.must(ctx, "upgrade") }()
	defer stop()
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case err := <-upgraded:
			if err != nil {
				return err
			}
			_, err = a.Await(ctx, "the last reload", func(st harness.Status) bool { return st.State == "running" && len(st.Ready()) == workers })
			return err
		case <-ticker.C:
			if err := a.Signal(syscall.SIGHUP); err != nil {
				<-upgraded
				return err
			}
		}
	}
}

// anyReady is the ready worker that has served longest.
func anyReady(ctx context.Context, a *arena) (harness.Worker, error) {
	st, err := a.Await(ctx, "a ready worker", func(st harness.Status) bool { return len(st.Ready()) == workers })
	if err != nil {
		return harness.Worker{}, err
	}
	return slices.MinFunc(st.Ready(), func(x, y harness.Worker) int { return int(x.ID) - int(y.ID) }), nil
}

// awaitAnotherWorker waits until some worker has been replaced.
func awaitAnotherWorker(ctx context.Context, a *arena) error {
	before, err := a.Status(ctx)
	if err != nil {
		return err
	}
	newest := func(st harness.Status) (id uint64) {
		for _, w := range st.Workers {
			id = max(id, w.ID)
		}
		return id
	}
	_, err = a.Await(ctx, "a recycled worker", func(st harness.Status) bool { return newest(st) > newest(before) })
	return err
}

// replaced waits until the process of a worker is gone and its place is taken.
func replaced(ctx context.Context, a *arena, pid int) error {
	_, err := a.Await(ctx, fmt.Sprintf("the replacement of process %d", pid), func(st harness.Status) bool {
		return len(st.Ready()) >= workers && !slices.Contains(harness.PIDs(st.Workers), pid)
	})
	return err
}

func killWorker(ctx context.Context, a *arena) error {
	w, err := anyReady(ctx, a)
	if err != nil {
		return err
	}
	a.ledger.killed(w.PID)
	if err := harness.Kill(w.PID, syscall.SIGKILL); err != nil {
		return err
	}
	return replaced(ctx, a, w.PID)
}

// wedgeWorker sends the request that hangs whoever takes it, and waits until the
// supervisor has noticed.
func wedgeWorker(ctx context.Context, a *arena) error {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", a.Addr)
	if err != nil {
		return err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	if _, err := io.WriteString(c, "GET /wedge HTTP/1.1\r\nHost: torture\r\n\r\n"); err != nil {
		return err
	}
	if line, err := bufio.NewReader(c).ReadString('\n'); err == nil {
		return fmt.Errorf("the request that hangs a worker was answered: %q", line)
	}
	if err := a.ledger.settle(); err != nil {
		return err
	}
	pid := a.ledger.holder(c.LocalAddr().String(), time.Now())
	a.ledger.killed(pid)
	return replaced(ctx, a, pid)
}

// slowWriter takes 20 KiB a second.
type slowWriter struct{}

func (slowWriter) Write(b []byte) (int, error) {
	time.Sleep(time.Duration(len(b)) * time.Second / (20 << 10)) // being slow is what it is for
	return len(b), nil
}
