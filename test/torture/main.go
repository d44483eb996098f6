// Command torture does to a running service whatever can be done to it, one
// fault after the other, while clients of every kind use it and retry nothing.
// Its invariant: each request that was accepted is accounted for, as answered
// well, late, doubled or lost, and a loss is excused only when the connection was
// held by a process that the fault itself killed.
//
//	make torture                            # everything, some minutes; writes docs/torture.md
//	make torture-minute                     # the minute of it that make check runs
//	go run ./test/torture -run 'upgrade'    # some faults
//
// It needs bin/supervisor (or -bin). The workers are this very program. The exit
// status is 1 when a request was lost without excuse, answered twice or answered
// wrongly, when a connection was refused before the stop, and when a fault could
// not be brought about. To be late depends on the machine and fails nothing.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

func main() {
	if os.Getenv(ledgerVariable) != "" {
		os.Exit(work())
	}
	os.Exit(run(os.Args[1:]))
}

func run(args []string) int {
	flags := flag.NewFlagSet("torture", flag.ContinueOnError)
	pattern := flags.String("run", "", "only the faults that match this `regexp`")
	seconds := flags.Float64("seconds", 15, "length of each fault's turn in `seconds`; one lasts until its fault has happened, too")
	bin := flags.String("bin", "bin", "`directory` of the supervisor")
	verbose := flags.Bool("v", false, "tell every loss, also those with an excuse")
	out := flags.String("o", "", "write the report to this `file` too")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	wanted, err := regexp.Compile(*pattern)
	if err != nil || flags.NArg() > 0 || *seconds <= 0 {
		fmt.Fprintf(os.Stderr, "torture: -run takes a regular expression, -seconds is above 0, and there are no arguments (%v)\n", err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	rep := report{command: strings.Join(append([]string{"go run ./test/torture"}, args...), " "), started: time.Now()}
	err = torture(ctx, &rep, wanted, *bin, time.Duration(*seconds*float64(time.Second)), *verbose)
	text := rep.markdown()
	fmt.Print(text)
	if err == nil && *out != "" {
		err = os.WriteFile(*out, []byte(text), 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "torture:", err)
		return 1
	}
	return 0
}

// torture takes one fault after the other. A fault that fails does not keep the
// others from their turn.
func torture(ctx context.Context, rep *report, wanted *regexp.Regexp, bin string, length time.Duration, verbose bool) error {
	bin, err := filepath.Abs(bin)
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(bin, "supervisor")); err != nil {
		return fmt.Errorf("%w; run `make build`, or say -bin", err)
	}
	var failed []error
	for _, f := range faults {
		if !wanted.MatchString(f.name) || ctx.Err() != nil {
			continue
		}
		fmt.Fprintf(os.Stderr, "%-28s ", f.name)
		turn, err := takeTurn(ctx, f, bin, length)
		if err == nil {
			err = turn.verdict()
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "FAILED\n%v\n", err)
			if turn != nil {
				fmt.Fprintf(os.Stderr, "the supervisor's stderr ends:\n%s\n", turn.said)
			}
			failed = append(failed, fmt.Errorf("%s: %w", f.name, err))
		} else {
			fmt.Fprintln(os.Stderr, turn.summary())
		}
		if turn != nil && verbose {
			for _, k := range kinds {
				for _, lost := range turn.tally[k].losses {
					fmt.Fprintln(os.Stderr, " ", k, "lost:", lost.how)
				}
			}
		}
		if turn != nil {
			rep.turns = append(rep.turns, turn)
		}
	}
	if err := errors.Join(append(failed, ctx.Err())...); err != nil {
		return err
	}
	if len(rep.turns) == 0 {
		return errors.New("no fault matches -run")
	}
	return nil
}
