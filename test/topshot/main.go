// Topshot makes a picture of supervisor top, as a person sees it on a terminal with a dark background: of a supervisor
// with four workers under load, after a reload and a crash.
//
//	go run ./test/topshot -o docs/images/top.svg
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/tandem-go/tandem/test/harness"
)

// The terminal's size.
const columns, rows = 120, 30

func main() {
	bin := flag.String("bin", "bin", "the `directory` of supervisor and app")
	out := flag.String("o", "docs/images/top.svg", "the `file` to write")
	length := flag.Duration("for", time.Minute, "how `long` the load lasts before the picture")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := shoot(ctx, *bin, *out, *length); err != nil {
		fmt.Fprintln(os.Stderr, "topshot:", err)
		os.Exit(1)
	}
}

func shoot(ctx context.Context, bin, out string, length time.Duration) (err error) {
	s, err := harness.Start(harness.Config{Bin: bin, Args: []string{"--workers", "4"}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	ready, err := s.Ready(ctx, 4)
	if err != nil {
		return err
	}
	loaded, end := context.WithCancel(ctx)
	var clients sync.WaitGroup
	defer func() { end(); clients.Wait() }()
	for i := range 12 {
		clients.Go(func() { load(loaded, "http://"+s.Addr, i) })
	}
	program, err := filepath.Abs(filepath.Join(bin, "supervisor"))
	if err != nil {
		return err
	}
	top, err := harness.OpenTerminal(columns, rows, []string{"TERM=xterm-256color", "COLORFGBG=15;0", "PATH=" + os.Getenv("PATH")},
		program, "top", "--control", s.Control)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, top.Close()) }()
	for _, act := range []struct {
		at float64 // of the length
		do func() error
	}{
		{.3, func() error { return syscall.Kill(ready.Workers[1].PID, syscall.SIGKILL) }},
		{.5, func() error { return s.Signal(syscall.SIGHUP) }},
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
	if !strings.Contains(top.Screen(), "REQ/S") {
		return fmt.Errorf("top does not show its workers:\n%s", top.Screen())
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return err
	}
	return os.WriteFile(out, []byte(picture(top)), 0o644)
}

// load asks for this and that until ctx ends. Of what a crash loses nobody is told here.
func load(ctx context.Context, url string, n int) {
	paths := []string{"/modern/", "/classic/", "/posts/", "/hello/", "/busy/?ms=5", "/modern/"}
	tick := time.NewTicker(80 * time.Millisecond)
	defer tick.Stop()
	for i := n; ; i++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+paths[i%len(paths)], nil)
		if err != nil {
			return
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			continue
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
}
