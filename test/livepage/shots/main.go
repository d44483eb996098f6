// Shots makes pictures of the live page: of a supervisor with four workers under
// load, over a reload and a crash.
//
//	go run ./test/livepage/shots -o docs/images
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/tandem-go/tandem/test/harness"
	"github.com/tandem-go/tandem/test/livepage"
)

func main() {
	bin := flag.String("bin", "bin", "the `directory` of supervisor and app")
	out := flag.String("o", "docs/images", "the `directory` for live-light.png, live-dark.png and live-phone.png")
	length := flag.Duration("for", 4*time.Minute, "how `long` the load lasts before the pictures")
	rate := flag.Float64("rate", 120, "requests a `second`, about")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := shoot(ctx, *bin, *out, *length, *rate); err != nil {
		fmt.Fprintln(os.Stderr, "shots:", err)
		os.Exit(1)
	}
}

func shoot(ctx context.Context, bin, out string, length time.Duration, rate float64) (err error) {
	if out, err = filepath.Abs(out); err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	port, err := harness.FreePort()
	if err != nil {
		return err
	}
	admin := fmt.Sprintf("127.0.0.1:%d", port)
	s, err := harness.Start(harness.Config{Bin: bin, Args: []string{"--workers", "4", "--admin", admin}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if _, err := s.Ready(ctx, 4); err != nil {
		return err
	}
	loaded, end := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() { defer close(done); livepage.Load(loaded, "http://"+s.Addr, rate) }()
	defer func() { end(); <-done }()

	for _, act := range []struct {
		at float64 // of the length
		do func() error
	}{
		{.35, func() error { return s.Signal(syscall.SIGHUP) }},
		{.65, func() error { return crash(ctx, s) }},
		{.85, func() error { return s.Signal(syscall.SIGHUP) }},
		{1, func() error { return nil }},
	} {
		at := time.NewTimer(time.Until(s.Started.Add(time.Duration(act.at * float64(length)))))
		select {
		case <-at.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := act.do(); err != nil {
			return err
		}
	}
	script, err := livepage.Script(ctx, "test/livepage", "shots.mjs", "ADMIN=http://"+admin, "OUT="+out)
	if err != nil {
		return err
	}
	script.Stdout, script.Stderr = os.Stdout, os.Stderr
	if err := script.Run(); err != nil {
		return err
	}
	for _, name := range []string{"live-light.png", "live-dark.png", "live-phone.png"} {
		if err := shrink(filepath.Join(out, name)); err != nil {
			return err
		}
	}
	return nil
}

// crash kills a worker that is ready.
func crash(ctx context.Context, s *harness.Supervisor) error {
	st, err := s.Status(ctx)
	if err != nil {
		return err
	}
	for _, w := range st.Workers {
		if w.State == "ready" {
			return syscall.Kill(w.PID, syscall.SIGKILL)
		}
	}
	return errors.New("no worker is ready")
}
