// Command bench measures Tandem side by side with its rivals in one run, on
// one machine, and prints a table in Markdown. Its invariant: a figure is
// printed only beside the figures it is to be compared with, taken in turns in
// the same run, with the spread of the repetitions; and all that it starts is
// ended.
//
//	make bench                                  # everything, some minutes
//	go run ./bench -run 'isolation|loss'        # some of it
//	go run ./bench -o docs/benchmarks.md        # write the table there too
//
// It needs bin/supervisor and bin/app. Rivals and tools that are not installed
// are named as such: wrk, nginx, gunicorn with python3-uvicorn, python3-django
// with python3-psycopg2, PostgreSQL, s6, perf (linux-perf) and strace. Fiber is
// built from bench/fiber, a module of its own.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// options are the flags, and what the measurements share.
type options struct {
	bin     string        // directory of the binaries
	each    time.Duration // length of one repetition
	reps    int
	tempDir string
	log     io.Writer // progress
}

// A measurement adds its tables to a report.
type measurement struct {
	name, title string
	run         func(ctx context.Context, o options, r *report) error
}

var measurements = []measurement{
	{"throughput", "A trivial view", throughput},
	{"steady", "A thousand requests a second", steady},
	{"anatomy", "Where the time of a request goes", anatomy},
	{"handshake", "A TLS session that is resumed", handshake},
	{"crossing", "Crossings between sync and async", crossing},
	{"asgiref", "Crossings in asgiref", asgiref},
	{"isolation", "Light requests beside CPU-bound ones", isolation},
	{"blocked", "Health beside blocked views", blocked},
	{"waiting", "Ten thousand requests that wait", waiting},
	{"streams", "Light requests beside ten thousand event streams", streams},
	{"profiles", "Mixed and sync-only", profiles},
	{"posts", "A list out of a database, beside Django's", posts},
	{"overhead", "The ORM over bun", overhead},
	{"iterate", "Iterating over a million rows", iterate},
	{"cancel", "Cancelling a query", cancelling},
	{"processes", "Starting and replacing workers", processes},
	{"changes", "Reload and upgrade", changes},
	{"dashboard", "Three calls at once", dashboard},
	{"logs", "Log fan-in", logs},
	{"dump", "A dump of ten thousand goroutines", dump},
	{"loss", "Requests lost in ten reloads", loss},
	{"spread", "Where kept connections are", spread},
}

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	if len(args) > 0 && args[0] == rivalCommand {
		if err := rival(args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			return 1
		}
		return 0
	}
	var pattern, out string
	var seconds float64
	o := options{log: os.Stderr}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.StringVar(&pattern, "run", "", "measure only what matches this `regexp`: "+names())
	f.Float64Var(&seconds, "seconds", 3, "length of one repetition in `seconds`")
	f.IntVar(&o.reps, "reps", 5, "`number` of repetitions, taken in turns")
	f.StringVar(&o.bin, "bin", "bin", "`directory` of supervisor and app")
	f.StringVar(&out, "o", "", "write the report to this `file` too")
	if err := f.Parse(args); err != nil {
		return 2
	}
	wanted, err := regexp.Compile(pattern)
	if err != nil || f.NArg() > 0 || seconds <= 0 || o.reps < 1 {
		fmt.Fprintf(os.Stderr, "bench: -run takes a regular expression, -seconds and -reps are above 0, and there are no arguments (%v)\n", err)
		return 2
	}
	o.each = time.Duration(seconds * float64(time.Second))
	if err := measure(o, wanted, strings.Join(append([]string{"go run ./bench"}, args...), " "), out); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	return 0
}

func names() string {
	var n []string
	for _, m := range measurements {
		n = append(n, m.name)
	}
	return strings.Join(n, ", ")
}

// measure runs what is wanted and prints the report as far as it came: one
// measurement that fails does not take the others with it.
func measure(o options, wanted *regexp.Regexp, command, out string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	var err error
	if o.bin, err = filepath.Abs(o.bin); err != nil {
		return err
	}
	for _, name := range []string{"supervisor", "app"} {
		if _, err := os.Stat(filepath.Join(o.bin, name)); err != nil {
			return fmt.Errorf("%w; run `make build` or say -bin", err)
		}
	}
	if o.tempDir, err = os.MkdirTemp("", "tandem-bench"); err != nil {
		return err
	}
	defer os.RemoveAll(o.tempDir)

	r := newReport(command)
	var failed []string
	for _, m := range measurements {
		if !wanted.MatchString(m.name) || ctx.Err() != nil {
			continue
		}
		fmt.Fprintf(o.log, "%s …\n", m.name)
		r.section(m.title, m.name)
		if err := m.run(ctx, o, r); err != nil {
			fmt.Fprintf(o.log, "%s: %v\n", m.name, err)
			r.text("This measurement failed: %v", err)
			failed = append(failed, m.name)
		}
	}
	var b bytes.Buffer
	r.write(&b)
	if _, err := os.Stdout.Write(b.Bytes()); err != nil {
		return err
	}
	if out != "" {
		if err := os.WriteFile(out, b.Bytes(), 0o644); err != nil {
			return err
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("failed: %s", strings.Join(failed, ", "))
	}
	return ctx.Err()
}
