// Command screenshot runs a supervisor with a load, a reload and a crash, shows it
// with supervisor top on a terminal of its own, and writes what is to be seen then
// as an SVG.
//
//	go run ./test/screenshot -bin bin -o docs/top.svg
//
// What is on the picture has happened. See scripts/screenshot-top.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/tandem-go/tandem/test/harness"
)

func main() {
	bin := flag.String("bin", "bin", "directory of the two programs")
	out := flag.String("o", "top.svg", "file to write")
	columns, rows := flag.Int("columns", 128, "of the terminal"), flag.Int("rows", 30, "of the terminal")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	picture, err := take(ctx, *bin, *columns, *rows)
	if err == nil {
		err = os.WriteFile(*out, []byte(picture), 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "screenshot:", err)
		os.Exit(1)
	}
}

func take(ctx context.Context, bin string, columns, rows int) (picture string, err error) {
	s, err := harness.Start(harness.Config{Bin: bin, Args: []string{"--workers", "4", "--bake", "500ms"}})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if _, err := s.Ready(ctx, 4); err != nil {
		return "", err
	}
	defer load(ctx, s.Addr)()
	program, err := filepath.Abs(filepath.Join(bin, "supervisor"))
	if err != nil {
		return "", err
	}
	top, err := harness.OpenTerminal(columns, rows, []string{"TERM=xterm-256color", "TZ=UTC"},
		program, "top", "--control", s.Control, "--interval", "500ms")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, top.Close()) }()

	see := func(what string) error {
		return top.Await(ctx, what, func(screen string) bool { return strings.Contains(screen, what) })
	}
	if err := see("is ready"); err != nil {
		return "", err
	}
	for _, step := range []struct{ keys, then string }{{"r", "y/n"}, {"y", "reloaded: generation 2 serves"}, {"j", "> "}} {
		if err := top.Type(step.keys); err != nil {
			return "", err
		}
		if err := see(step.then); err != nil {
			return "", err
		}
	}
	st, err := s.Await(ctx, "four workers of generation 2", func(st harness.Status) bool {
		return len(st.Workers) == 4 && len(st.Ready()) == 4 && st.Generation == 2
	})
	if err != nil {
		return "", err
	}
	killed := st.Workers[1].PID
	if err := harness.Kill(killed, syscall.SIGKILL); err != nil {
		return "", err
	}
	st, err = s.Await(ctx, "its replacement", func(st harness.Status) bool {
		return len(st.Ready()) == 4 && !slices.Contains(harness.PIDs(st.Workers), killed)
	})
	if err != nil {
		return "", err
	}
	if err := see(fmt.Sprintf("worker %d is ready", st.Workers[3].ID)); err != nil {
		return "", err
	}
	// Until it has been replaced, and all have a past.
	err = top.Await(ctx, "four workers with a past", func(screen string) bool {
		return strings.Count(screen, " ready ") == 4 && !strings.Contains(screen, "draining") && pastOf(screen) > 40
	})
	if err != nil {
		return "", err
	}
	return svg(top, columns, rows), nil
}

// pastOf is how many bars the sparklines of the last row of the table have.
func pastOf(screen string) (bars int) {
	for line := range strings.Lines(screen) {
		if strings.HasPrefix(line, "Σ") {
			for _, r := range line {
				if '▁' <= r && r <= '█' {
					bars++
				}
			}
		}
	}
	return bars
}

// load asks for several things until what it gives is called.
func load(ctx context.Context, addr string) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var clients sync.WaitGroup
	ask := func(path string, every time.Duration) {
		clients.Go(func() {
			tick := time.NewTicker(every)
			defer tick.Stop()
			for ctx.Err() == nil {
				get(ctx, "http://"+addr+path)
				select {
				case <-tick.C:
				case <-ctx.Done():
				}
			}
		})
	}
	for range 3 {
		ask("/posts/", 15*time.Millisecond)
		ask("/classic/", 20*time.Millisecond)
		ask("/hello/", 25*time.Millisecond)
	}
	ask("/busy/?ms=20", 60*time.Millisecond)
	ask("/dashboard/", 100*time.Millisecond)
	ask("/stream/?n=100&ms=100", time.Second)
	return func() {
		cancel()
		clients.Wait()
	}
}

// get reads an answer to its end; that a killed worker does not answer is part of
// the picture.
func get(ctx context.Context, url string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, res.Body)
	res.Body.Close()
}
