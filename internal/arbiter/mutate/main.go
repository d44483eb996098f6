// Command mutate breaks the arbiter in many small ways, one at a time, and runs
// its tests against each: a mutant that they do not kill shows that something is
// not tested.
//
//	go run ./internal/arbiter/mutate            # all of them: ten minutes of two idle cores
//	go run ./internal/arbiter/mutate -only fill # those whose name contains fill
//
// There are two sorts. Systematic mutants come of the syntax tree: a condition
// negated, a comparison moved by one, a statement dropped, a number changed.
// Meant ones are written by hand, in meant.go, each against one invariant of the
// simulation, which must be the one that breaks. The run fails when a meant
// mutant does not break its invariant, when an invariant kills nothing, when a
// mutant survives that is not in equivalent.txt (with the reason why nothing can
// tell it from the original), and when one that is in there does not survive.
//
// No file of the package is touched: the compiler is given mutants as overlays, in
// a temporary directory. Most are built together and switched at run time.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"time"
)

func main() {
	dir := flag.String("dir", "internal/arbiter", "the package")
	only := flag.String("only", "", "run only mutants whose name matches this expression; nothing is said of the rest then")
	jobs := flag.Int("jobs", runtime.GOMAXPROCS(0), "how many at the same time")
	limit := flag.Duration("limit", time.Hour, "bound on the whole run; one that is not finished by then fails")
	verbose := flag.Bool("v", false, "print each mutant")
	list := flag.Bool("list", false, "only list the mutants")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, *limit)
	defer cancel()
	if *list {
		all, _, err := mutants(*dir)
		for _, m := range all {
			fmt.Println(m.name)
		}
		exit(len(all) > 0, err)
	}
	ok, err := run(ctx, *dir, *only, *jobs, *verbose)
	exit(ok, err)
}

func exit(ok bool, err error) {
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "mutate:", err)
		os.Exit(2)
	case !ok:
		os.Exit(1)
	}
	os.Exit(0)
}

func run(ctx context.Context, dir, only string, jobs int, verbose bool) (ok bool, err error) {
	dir, err = filepath.Abs(dir)
	if err != nil {
		return false, err
	}
	filter, err := regexp.Compile(only)
	if err != nil {
		return false, fmt.Errorf("-only: %w", err)
	}
	reasons, err := equivalents(filepath.Join(dir, "mutate", "equivalent.txt"))
	if err != nil {
		return false, err
	}
	all, switched, err := mutants(dir)
	if err != nil {
		return false, err
	}
	temp, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(temp)
	bench := bench{dir: dir, temp: temp}
	if err := bench.prepare(ctx, switched); err != nil {
		return false, err
	}
	if how, err := bench.try(ctx, nil); err != nil || how.killed() {
		return false, fmt.Errorf("the tests fail without a mutation: %v %v", how, err)
	}
	began := time.Now()
	var chosen []*mutant
	for _, m := range all {
		if filter.MatchString(m.name) {
			chosen = append(chosen, m)
		}
	}
	work := make(chan *mutant)
	var group sync.WaitGroup
	var mu sync.Mutex
	done := 0
	for range max(jobs, 1) {
		group.Go(func() {
			for m := range work {
				how, err := bench.try(ctx, m)
				mu.Lock()
				m.fate, m.err = how, err
				if m.tried = err == nil; m.tried {
					done++
				}
				if verbose && m.tried {
					fmt.Printf("%-10v %s\n", how, m.name)
				} else if done%50 == 0 {
					fmt.Fprintf(os.Stderr, "%d of %d after %v\n", done, len(chosen), time.Since(began).Round(time.Second))
				}
				mu.Unlock()
			}
		})
	}
	for _, m := range chosen {
		if ctx.Err() != nil {
			break
		}
		work <- m
	}
	close(work)
	group.Wait()
	if ctx.Err() != nil {
		unfinished(chosen)
		return false, fmt.Errorf("not finished: %d of %d mutants after %v", done, len(chosen), time.Since(began).Round(time.Second))
	}
	for _, m := range chosen {
		if m.err != nil {
			return false, fmt.Errorf("%s: %w", m.name, m.err)
		}
	}
	ok = report(chosen, reasons, only != "")
	fmt.Printf("\n%d mutants in %v\n", len(chosen), time.Since(began).Round(time.Second))
	return ok, nil
}

// equivalents reads the mutants that cannot be told from the original: a line
// with the name of each, and indented below it the reason.
func equivalents(path string) (map[string]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	reasons := map[string]string{}
	name := ""
	for line := range strings.Lines(string(text)) {
		trimmed := strings.TrimSpace(line)
		switch {
		case trimmed == "" || strings.HasPrefix(trimmed, "#"):
		case line[0] != ' ' && line[0] != '\t':
			if name != "" && reasons[name] == "" {
				return nil, fmt.Errorf("%s: no reason is given for %q", path, name)
			}
			name = trimmed
			if _, twice := reasons[name]; twice {
				return nil, fmt.Errorf("%s: %q is there twice", path, name)
			}
			reasons[name] = ""
		default:
			reasons[name] += trimmed + " "
		}
	}
	if name != "" && reasons[name] == "" {
		return nil, fmt.Errorf("%s: no reason is given for %q", path, name)
	}
	return reasons, nil
}
