package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/tandem-go/tandem/test/harness"
)

const deaths = 20

// processes measures how long the service takes to be there, and to be whole
// again.
func processes(ctx context.Context, o options, r *report) error {
	var start sample
	for range o.reps {
		d, err := startToReady(ctx, o)
		if err != nil {
			return err
		}
		start = append(start, ms(d))
	}
	s, _, err := tandem(ctx, o, workers)
	if err != nil {
		return err
	}
	defer s.Close()
	rss, err := harness.RSS(s.PID)
	if err != nil {
		return err
	}
	var again sample
	for range deaths {
		d, err := replacement(ctx, s)
		if err != nil {
			return err
		}
		again = append(again, ms(d))
	}
	after, err := harness.RSS(s.PID)
	if err != nil {
		return err
	}
	r.table([][]string{
		{"what", "figure"},
		{fmt.Sprintf("`supervisor --workers %d` to READY=1, ms", workers), start.show("%.0f")},
		{fmt.Sprintf("`kill -9` of a worker to its replacement ready, ms (%d times)", deaths), again.show("%.0f")},
		{"resident memory of the supervisor, MiB", fmt.Sprintf("%.1f", float64(rss)/(1<<20))},
		{fmt.Sprintf("the same after %d deaths, MiB", deaths), fmt.Sprintf("%.1f", float64(after)/(1<<20))},
	})
	return nil
}

// startToReady is the time from the start of the process to the READY=1 that
// systemd would get.
func startToReady(ctx context.Context, o options) (time.Duration, error) {
	dir, err := os.MkdirTemp(o.tempDir, "notify")
	if err != nil {
		return 0, err
	}
	addr := filepath.Join(dir, "socket")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: addr, Net: "unixgram"})
	if err != nil {
		return 0, err
	}
	defer c.Close()
	s, err := harness.Start(harness.Config{Bin: o.bin, Args: []string{"--workers", fmt.Sprint(workers)}, Env: []string{"NOTIFY_SOCKET=" + addr}})
	if err != nil {
		return 0, err
	}
	defer s.Close()
	deadline, _ := ctx.Deadline()
	if deadline.IsZero() {
		deadline = time.Now().Add(30 * time.Second)
	}
	if err := c.SetReadDeadline(deadline); err != nil {
		return 0, err
	}
	b := make([]byte, 4096)
	for {
		n, err := c.Read(b)
		if err != nil {
			return 0, fmt.Errorf("waiting for READY=1: %w; the supervisor said: %s", err, s.Stderr.Tail(5))
		}
		if slices.Contains(strings.Split(string(b[:n]), "\n"), "READY=1") {
			return time.Since(s.Started), nil
		}
	}
}

// replacement kills the worker that is ready longest and waits for the next.
// One that dies in its first second would be backed off from, by design.
func replacement(ctx context.Context, s *harness.Supervisor) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	var victim harness.Worker
	_, err := s.Await(ctx, "workers to settle", func(st harness.Status) bool {
		if st.State != "running" || len(st.Ready()) != workers || len(st.Workers) != workers {
			return false
		}
		victim = slices.MaxFunc(st.Workers, func(a, b harness.Worker) int {
			return int(1000*a.AgeSeconds) - int(1000*b.AgeSeconds)
		})
		return victim.AgeSeconds > 1.5
	})
	if err != nil {
		return 0, err
	}
	begin := time.Now()
	if err := harness.Kill(victim.PID, syscall.SIGKILL); err != nil {
		return 0, err
	}
	for {
		st, err := s.Status(ctx)
		if err != nil {
			return 0, err
		}
		if len(st.Ready()) == workers && !slices.Contains(harness.PIDs(st.Workers), victim.PID) {
			return time.Since(begin), nil
		}
	}
}
