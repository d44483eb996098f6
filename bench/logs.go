package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/tandem-go/tandem/test/harness"
)

const chattyLines = 500_000

// lineClock is a writer that counts lines and takes the time of the first and
// of the last.
type lineClock struct {
	mu          sync.Mutex
	n           int
	first, last time.Time
	full        chan struct{} // closed at chattyLines
}

func newLineClock() *lineClock { return &lineClock{full: make(chan struct{})} }

func (c *lineClock) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if c.n == 0 {
		c.first = now
	}
	before := c.n
	c.n += bytes.Count(p, []byte("\n"))
	c.last = now
	if before < chattyLines && c.n >= chattyLines {
		close(c.full)
	}
	return len(p), nil
}

func (c *lineClock) rate() float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.last.After(c.first) {
		return 0
	}
	return float64(c.n) / c.last.Sub(c.first).Seconds()
}

// logs measures the way of one worker's lines to the supervisor's stdout.
func logs(ctx context.Context, o options, r *report) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	type way struct {
		name string
		run  func(*lineClock) error
	}
	ways := []way{
		{"cat, the anchor", func(c *lineClock) error { return through(ctx, self, c, "cat") }},
	}
	if path, ok := installed("s6-log"); ok {
		ways = append(ways, way{"s6-log", func(c *lineClock) error { return through(ctx, self, c, path, "1") }})
	} else {
		r.text("s6-log is not installed (Debian: s6).")
	}
	for _, format := range []string{"text", "json"} {
		ways = append(ways, way{"Tandem, " + format, func(c *lineClock) error { return fanIn(ctx, o, self, c, format) }})
	}
	rates := make([]sample, len(ways))
	for range o.reps {
		for i, w := range ways {
			c := newLineClock()
			if err := w.run(c); err != nil {
				return fmt.Errorf("%s: %w", w.name, err)
			}
			rates[i] = append(rates[i], c.rate())
		}
	}
	r.text("%d lines of 120 bytes from one process, one write each, %d times; the writer, the fan-in and the reader share the CPUs. Tandem with `--log-overflow block`.", chattyLines, o.reps)
	rows := [][]string{{"by way of", "lines/s", "of cat"}}
	for i, w := range ways {
		rows = append(rows, []string{w.name, rates[i].show("%.0f"), ratio(rates[i], rates[0])})
	}
	r.table(rows)
	return nil
}

func through(ctx context.Context, self string, c *lineClock, program string, args ...string) error {
	writer := exec.CommandContext(ctx, self, rivalCommand, "chatty", strconv.Itoa(chattyLines))
	reader := exec.CommandContext(ctx, program, args...)
	pr, pw, err := os.Pipe()
	if err != nil {
		return err
	}
	defer pr.Close()
	writer.Stdout, reader.Stdin = pw, pr
	out, err := reader.StdoutPipe()
	if err != nil {
		return errors.Join(err, pw.Close())
	}
	if err := errors.Join(reader.Start(), writer.Start(), pw.Close(), pr.Close()); err != nil {
		return err
	}
	_, err = io.CopyBuffer(c, struct{ io.Reader }{out}, make([]byte, 64<<10))
	return errors.Join(err, writer.Wait(), reader.Wait())
}

func fanIn(ctx context.Context, o options, self string, c *lineClock, format string) error {
	s, err := harness.Start(harness.Config{
		Bin:     o.bin,
		Args:    []string{"--workers", "1", "--log-overflow", "block", "--log-format", format},
		Command: []string{self, rivalCommand, "chatty", strconv.Itoa(chattyLines), "worker"},
		Stdout:  c,
	})
	if err != nil {
		return err
	}
	defer s.Close()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	select {
	case <-c.full:
	case <-s.Exited():
		return fmt.Errorf("the supervisor ended: %s", s.Stderr.Tail(5))
	case <-ctx.Done():
		return fmt.Errorf("waiting for %d lines: %w; the supervisor said: %s", chattyLines, ctx.Err(), s.Stderr.Tail(5))
	}
	if err := s.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	_, err = s.Wait(ctx)
	return err
}
