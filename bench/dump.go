package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/tandem-go/tandem/test/harness"
)

const (
	crowdSize = 10_000
	tickEvery = 5 * time.Millisecond
)

// crowd is a worker with many goroutines that prints the time of each of its
// lines, and dies of SIGABRT as Go programs do.
func crowd(ctx context.Context) error {
	signal.Reset(syscall.SIGABRT)
	for range crowdSize {
		go func() { select {} }()
	}
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if _, err := fmt.Printf("tick %d\n", time.Now().UnixNano()); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// wayOut is a stdout that takes the time that each tick took to it.
type wayOut struct {
	mu   sync.Mutex
	half []byte
	took map[int][]time.Duration // by process
}

func (w *wayOut) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	w.half = append(w.half, p...)
	for {
		line, rest, ok := bytes.Cut(w.half, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		w.half = rest
		var r struct {
			PID int
			Msg string
		}
		_ = json.Unmarshal(line, &r)
		if ns, err := strconv.ParseInt(strings.TrimPrefix(r.Msg, "tick "), 10, 64); err == nil {
			w.took[r.PID] = append(w.took[r.PID], now.Sub(time.Unix(0, ns)))
		}
	}
}

// since gives the times of a process's ticks from the nth on.
func (w *wayOut) since(pid, n int) []time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.took[pid][min(n, len(w.took[pid])):])
}

// dump measures what the lines of one worker take while another dies with the
// stacks of ten thousand goroutines.
func dump(ctx context.Context, o options, r *report) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	var quiet, busy, lines sample
	for range o.reps {
		q, b, n, err := oneDump(ctx, o, self)
		if err != nil {
			return err
		}
		quiet, busy, lines = append(quiet, ms(q)), append(busy, ms(b)), append(lines, float64(n))
	}
	r.text("Two workers print a line every %v. One is sent SIGABRT and dumps %d goroutines (%s lines); the way of the other's lines, from its write to the reader of the supervisor's stdout, is taken for a second before, and from the signal until the dump has come out and a replacement is there. %d times; both workers, the fan-in and the reader share the CPUs.",
		tickEvery, crowdSize, lines.show("%.0f"), o.reps)
	r.table([][]string{
		{"the slowest line of the other worker", "ms"},
		{"before", quiet.show("%.1f")},
		{"during the dump", busy.show("%.1f")},
	})
	return nil
}

func oneDump(ctx context.Context, o options, self string) (quiet, busy time.Duration, lines int, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	out := &wayOut{took: map[int][]time.Duration{}}
	s, err := harness.Start(harness.Config{
		Bin: o.bin, Stdout: out, Env: []string{"GOTRACEBACK=all"},
		Args:    []string{"--workers", "2", "--log-overflow", "block", "--log-format", "json", "--ready", "log:^tick "},
		Command: []string{self, rivalCommand, "crowd", "-"},
	})
	if err != nil {
		return 0, 0, 0, err
	}
	defer s.Close()
	st, err := s.Ready(ctx, 2)
	if err != nil {
		return 0, 0, 0, err
	}
	victim, other := st.Workers[0].PID, st.Workers[1].PID
	ticks := func(from, n int) ([]time.Duration, error) {
		err := harness.Poll(ctx, "ticks", func() bool { return len(out.since(other, from)) >= n })
		return out.since(other, from), err
	}
	first := len(out.since(other, 0))
	before, err := ticks(first, int(time.Second/tickEvery))
	if err != nil {
		return 0, 0, 0, err
	}
	first = len(out.since(other, 0))
	if err := harness.Kill(victim, syscall.SIGABRT); err != nil {
		return 0, 0, 0, err
	}
	if _, err := s.Await(ctx, "a replacement", func(st harness.Status) bool {
		return len(st.Ready()) == 2 && !slices.Contains(harness.PIDs(st.Workers), victim)
	}); err != nil {
		return 0, 0, 0, err
	}
	during, err := ticks(first, 50)
	if err != nil {
		return 0, 0, 0, err
	}
	for _, line := range s.Stderr.Lines() {
		var r struct {
			PID       int
			Kind, Msg string
		}
		if json.Unmarshal([]byte(line), &r) == nil && r.PID == victim && r.Kind == "panic" {
			lines += strings.Count(r.Msg, "\n") + 1
		}
	}
	if lines < crowdSize {
		return 0, 0, 0, fmt.Errorf("the dump has %d lines", lines)
	}
	return slices.Max(before), slices.Max(during), lines, nil
}
