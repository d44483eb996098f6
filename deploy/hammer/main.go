// Command hammer keeps a steady, bounded load on one URL until it is told to
// stop, and reports every request that was not answered as it should be. The
// deployment tests run it across reloads and restarts:
//
//	hammer -fresh 4 -kept 4 http://127.0.0.1:8000/echo/ & ...; kill -TERM $!; wait $!
//
// Invariant: no failure is hidden. Requests are POSTs whose body cannot be
// replayed, because net/http silently repeats a GET that died on a kept
// connection. The last line is "requests=N failed=M"; the exit code is 0 only
// when something was asked and nothing failed.
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
	"strings"
	"sync"
	"syscall"
	"time"
)

// shown bounds the failures that are printed; all of them are counted.
const shown = 10

type tally struct {
	mu               sync.Mutex
	requests, failed int
}

func (t *tally) add(kind string, took time.Duration, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.requests++
	if err == nil {
		return
	}
	t.failed++
	if t.failed <= shown {
		fmt.Printf("%s %s connection, after %s: %v\n",
			time.Now().Format("15:04:05.000"), kind, took.Round(time.Millisecond), err)
	}
}

// ask sends one request and reads the whole answer.
func ask(client *http.Client, url string) error {
	// The context of the caller is left out on purpose: a request under way
	// when the load is to end must still be seen to its end.
	request, err := http.NewRequestWithContext(context.Background(), http.MethodPost, url, strings.NewReader("hammer"))
	if err != nil {
		return err
	}
	request.GetBody = nil // not replayable, so net/http cannot retry behind our back
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, response.Body)
	err = errors.Join(err, response.Body.Close())
	if response.StatusCode != http.StatusOK {
		err = errors.Join(err, fmt.Errorf("status %s", response.Status))
	}
	return err
}

func run(ctx context.Context, url string, fresh, kept int, pause, timeout time.Duration) *tally {
	var (
		result tally
		group  sync.WaitGroup
	)
	start := func(kind string, n int, keep bool) {
		for range n {
			group.Go(func() {
				client := &http.Client{Timeout: timeout, Transport: &http.Transport{DisableKeepAlives: !keep}}
				tick := time.NewTicker(pause)
				defer tick.Stop()
				for ctx.Err() == nil {
					began := time.Now()
					err := ask(client, url)
					result.add(kind, time.Since(began), err)
					select {
					case <-tick.C:
					case <-ctx.Done():
					}
				}
			})
		}
	}
	start("fresh", fresh, false)
	start("kept", kept, true)
	group.Wait()
	return &result
}

func main() {
	fresh := flag.Int("fresh", 4, "clients that open a connection for each request")
	kept := flag.Int("kept", 4, "clients that keep their connection")
	pause := flag.Duration("pause", 5*time.Millisecond, "at most one request per client in so long")
	timeout := flag.Duration("timeout", 20*time.Second, "an answer later than this is a failure")
	limit := flag.Duration("limit", 5*time.Minute, "stop by itself after so long")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: hammer [flags] URL")
		flag.PrintDefaults()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, *limit)
	defer cancel()

	result := run(ctx, flag.Arg(0), *fresh, *kept, *pause, *timeout)
	fmt.Printf("requests=%d failed=%d\n", result.requests, result.failed)
	if result.failed > 0 || result.requests == 0 {
		os.Exit(1)
	}
}
