package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tandem-go/tandem/test/harness"
)

// part is what a share of a worker's time goes to: symbols of perf by their beginning. The first that fits
// has it; kernel is by perf's own mark.
type part struct {
	name, kernel string
	prefixes     []string
}

var parts = []part{
	{name: "the kernel: sockets, wake-ups, its scheduler", kernel: "[k]"},
	{name: "Go's runtime: garbage", prefixes: []string{"runtime.gc", "runtime.scan", "runtime.grey", "runtime.mark", "runtime.sweep", "runtime.(*mspan)", "runtime.(*sweepLocked)", "runtime.bgsweep", "runtime.findObject", "runtime.wb", "runtime.(*gc", "internal/runtime/gc", "runtime.tryDefer", "runtime.(*spanInlineMarkBits)", "runtime.spanOf", "runtime.typePointers"}},
	{name: "Go's runtime: memory", prefixes: []string{"runtime.malloc", "runtime.newobject", "runtime.makeslice", "runtime.growslice", "runtime.memclr", "runtime.memmove", "runtime.nextFree", "runtime.(*mcache)", "runtime.(*mcentral)", "runtime.(*mheap)", "runtime.publicationBarrier", "runtime.deductAssist", "runtime.(*spanSet)"}},
	{name: "Go's runtime: goroutines, timers, the poller, the rest", prefixes: []string{"runtime.", "internal/runtime/", "aeshashbody", "memeqbody", "indexbytebody", "__vdso", "gogo", "gosave", "sync.", "sync/atomic.", "internal/sync."}},
	{name: "net and system calls, Go's side", prefixes: []string{"internal/poll.", "net.(", "net.", "syscall.", "golang.org/x/sys"}},
	{name: "net/http", prefixes: []string{"net/http.", "net/textproto.", "net/url.", "bufio.", "path.", "vendor/golang.org/x/net"}},
	{name: "the worker: guard, connection, scoreboard", prefixes: []string{"github.com/tandem-go/tandem/worker", "github.com/tandem-go/tandem/internal/http1", "github.com/tandem-go/tandem/internal/scoreboard", "github.com/tandem-go/tandem/internal/requestid"}},
	{name: "view, bridge and the app's middleware", prefixes: []string{"github.com/tandem-go/tandem/", "main."}},
	{name: "the rest of the standard library: JSON, context, time, strconv", prefixes: []string{""}},
}

// anatomy asks where the time of a trivial request goes in the workers: by samples of
// perf, and by a count of system calls.
func anatomy(ctx context.Context, o options, r *report) (err error) {
	for _, tool := range []string{"perf", "strace", "wrk"} {
		if _, ok := installed(tool); !ok {
			return &notInstalled{tool, map[string]string{"perf": "linux-perf", "strace": "strace", "wrk": "wrk"}[tool]}
		}
	}
	s, service, err := tandem(ctx, o, workers)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, service.close()) }()
	status, err := s.Status(ctx)
	if err != nil {
		return err
	}
	var pids []string
	for _, pid := range harness.PIDs(status.Workers) {
		pids = append(pids, strconv.Itoa(pid))
	}
	load, tool := loader()
	whole := 3 * o.each
	r.text("`GET /modern/`, %d kept connections, by %s, %d workers; samples of all that the workers did, for %s.", connections, tool, workers, o.each)
	data := filepath.Join(o.tempDir, "perf.data")
	rate, err := during(ctx, load, s.Addr, whole, func() error {
		out, err := exec.CommandContext(ctx, "perf", "record", "-F", "999", "-o", data, "-p", strings.Join(pids, ","), "--", "sleep", fmt.Sprint(o.each.Seconds())).CombinedOutput()
		if err != nil {
			return fmt.Errorf("perf: %w: %s", err, out)
		}
		return nil
	})
	if err != nil {
		return err
	}
	shares, total, err := samples(ctx, data)
	if err != nil {
		return err
	}
	rows := [][]string{{"where", "of the workers' time"}}
	for i, p := range parts {
		rows = append(rows, []string{p.name, fmt.Sprintf("%.1f %%", 100*shares[i]/total)})
	}
	r.table(rows)
	http := 100 * shares[5] / total
	r.text("At %.0f requests a second. An engine of our own in place of net/http, on the same sockets, could save at most its %.0f %% of that and what it causes of the three lines of the runtime: allocations, a goroutine that is woken for each request, four deadlines for each.", rate.perSecond, http)

	counts, requests, err := calls(ctx, load, s.Addr, pids, o)
	if err != nil {
		return err
	}
	rows = [][]string{{"system call", "for each request"}}
	for _, name := range slices.SortedFunc(maps.Keys(counts), func(a, b string) int { return counts[b] - counts[a] }) {
		if each := float64(counts[name]) / requests; each >= .005 {
			rows = append(rows, []string{"`" + name + "`", fmt.Sprintf("%.2f", each)})
		}
	}
	r.table(rows)
	r.text("Counted by strace, which slows the workers down: then they wait more often, as under a light load.")
	return nil
}

// during runs measure in the middle of a load.
func during(ctx context.Context, load func(context.Context, string, string, time.Duration) (rate, error), addr string, d time.Duration, measure func() error) (rate, error) {
	type result struct {
		rate
		err error
	}
	ended := make(chan result, 1)
	go func() {
		got, err := load(ctx, addr, "/modern/", d)
		ended <- result{got, err}
	}()
	err := measure()
	got := <-ended
	return got.rate, errors.Join(err, got.err)
}

var perfLine = regexp.MustCompile(`^\s+([0-9]+)\s+\[([k.])\]\s+(\S+)`)

// samples are how many perf has taken of each part.
func samples(ctx context.Context, data string) (shares []float64, total float64, err error) {
	out, err := exec.CommandContext(ctx, "perf", "report", "-i", data, "--no-children", "-g", "none", "--sort", "symbol", "-F", "sample,symbol").Output()
	if err != nil {
		return nil, 0, fmt.Errorf("perf report: %w", err)
	}
	shares = make([]float64, len(parts))
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		m := perfLine.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		n, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			return nil, 0, err
		}
		at := slices.IndexFunc(parts, func(p part) bool {
			if m[2] == "k" || p.kernel != "" {
				return m[2] == "k" && p.kernel != ""
			}
			return slices.ContainsFunc(p.prefixes, func(prefix string) bool { return strings.HasPrefix(m[3], prefix) })
		})
		shares[at] += n
		total += n
	}
	if total == 0 {
		return nil, 0, fmt.Errorf("perf report says something else than expected: %.500s", out)
	}
	return shares, total, nil
}

var straceLine = regexp.MustCompile(`(?m)^\s*[0-9.]+\s+[0-9.]+\s+[0-9]+\s+([0-9]+)\s+(?:[0-9]+\s+)?([a-z0-9_]+)$`)

// calls counts the system calls of the workers, and the requests meanwhile.
func calls(ctx context.Context, load func(context.Context, string, string, time.Duration) (rate, error), addr string, pids []string, o options) (map[string]int, float64, error) {
	args := []string{"-c", "-f"}
	for _, pid := range pids {
		args = append(args, "-p", pid)
	}
	cmd := exec.CommandContext(ctx, "strace", args...)
	var out bytes.Buffer
	cmd.Stderr = &out
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		return nil, 0, fmt.Errorf("strace: %w", err)
	}
	got, err := load(ctx, addr, "/modern/", o.each)
	_ = cmd.Process.Signal(syscall.SIGINT) // it sums up, and ends as by the signal
	_ = cmd.Wait()
	if err != nil {
		return nil, 0, err
	}
	counts := map[string]int{}
	for _, m := range straceLine.FindAllStringSubmatch(out.String(), -1) {
		if m[2] == "total" {
			continue
		}
		n, err := strconv.Atoi(m[1])
		if err != nil {
			return nil, 0, err
		}
		counts[m[2]] = n
	}
	requests := got.perSecond * max(1, o.each.Round(time.Second).Seconds()) // as wrk takes it
	if len(counts) == 0 || requests == 0 {
		return nil, 0, fmt.Errorf("strace said something else than expected: %.500s", out.String())
	}
	return counts, requests, nil
}
