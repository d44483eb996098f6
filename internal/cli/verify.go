package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tandem-go/tandem/internal/config"
	"github.com/tandem-go/tandem/internal/control"
	"github.com/tandem-go/tandem/internal/printable"
	"github.com/tandem-go/tandem/internal/verify"
)

// What verify-reload may be asked for at most.
const (
	maxReloads = 100
	maxClients = 500
	maxRate    = 1000
	maxPaths   = 20
	maxWithin  = 30 * time.Minute
)

// shownEvents are those of a report that people get to see.
const shownEvents = 5

// verifyArgs are the arguments of verify-reload.
type verifyArgs struct {
	control, url        string
	paths               []string
	expect              []int
	reloads, kept, rate int
	short               int
	timeout, within     config.Duration
	insecure, yes, json bool
}

func readVerifyArgs(args []string) (verifyArgs, error) {
	a := verifyArgs{reloads: 3, kept: 8, short: 4, rate: 100, timeout: config.Duration(30 * time.Second), within: config.Duration(5 * time.Minute)}
	_, err := arguments(args, nil, []config.Flag{
		{Name: "control", Arg: "PATH", Set: notEmpty("control", &a.control)},
		{Name: "url", Arg: "URL", Set: func(text string) error {
			if a.url = text; text == "" {
				return usage("--url: give http://HOST[:PORT] or https://HOST[:PORT]")
			}
			return nil
		}},
		{Name: "path", Arg: "PATH", Set: func(text string) error {
			if err := verify.CheckPath(text); err != nil {
				return usage("--path: %v", err)
			}
			if a.paths = append(a.paths, text); len(a.paths) > maxPaths {
				return usage("--path: at most %d of them", maxPaths)
			}
			return nil
		}},
		{Name: "expect", Arg: "STATUS", Set: func(text string) error {
			var status int
			if err := number("expect", 200, 599, &status)(text); err != nil {
				return err
			}
			if !slices.Contains(a.expect, status) {
				a.expect = append(a.expect, status)
			}
			return nil
		}},
		{Name: "reloads", Arg: "N", Set: number("reloads", 1, maxReloads, &a.reloads)},
		{Name: "clients", Arg: "N", Set: number("clients", 1, maxClients, &a.kept)},
		{Name: "short", Arg: "N", Set: number("short", 0, maxClients, &a.short)},
		{Name: "rate", Arg: "N", Set: number("rate", 1, maxRate, &a.rate)},
		{Name: "timeout", Arg: "TIME", Set: span("timeout", time.Minute*5, &a.timeout)},
		{Name: "within", Arg: "TIME", Set: span("within", maxWithin, &a.within)},
		{Name: "insecure", Set: switched("insecure", &a.insecure)},
		{Name: "yes", Set: switched("yes", &a.yes)},
		{Name: "json", Set: switched("json", &a.json)},
	})
	if err == nil && a.insecure && a.url == "" {
		err = usage("--insecure is for a --url of https")
	}
	if len(a.paths) == 0 {
		a.paths = []string{"/"}
	}
	return a, err
}

// number reads a whole number between two bounds.
func number(name string, least, most int, into *int) func(string) error {
	return func(text string) (err error) {
		if *into, err = strconv.Atoi(text); err != nil || *into < least || *into > most {
			return usage("--%s: %q is not a number from %d to %d", name, text, least, most)
		}
		return nil
	}
}

// span reads a time above zero and not above a bound.
func span(name string, most time.Duration, into *config.Duration) func(string) error {
	return func(text string) error {
		if err := into.Set(text); err != nil {
			return usage("--%s: %q %v", name, text, err)
		}
		if d := time.Duration(*into); d <= 0 || d > most {
			return usage("--%s: %q is not a time above 0 and up to %s", name, text, config.Duration(most))
		}
		return nil
	}
}

// verifyReload reloads the service that runs, under load, and says what that cost.
func (p *program) verifyReload(args []string) (int, error) {
	a, err := readVerifyArgs(args)
	if err != nil {
		return 0, err
	}
	if a.control, err = config.ControlPath(a.control, p.environ); err != nil {
		return 0, err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	say := func(text string) { fmt.Fprintf(p.stderr, "supervisor: verify-reload: %s\n", printable.Line(text)) }
	defer context.AfterFunc(ctx, func() {
		stop() // the second one ends the program at once
		say(fmt.Sprintf("interrupted: waits for the requests under way, up to %s, and reports; once more ends it at once", a.timeout))
	})()
	client := control.NewClient(a.control)
	target, err := verifyTarget(ctx, client, a)
	if err != nil {
		return 0, err
	}
	say(fmt.Sprintf("sends up to %d real GET requests a second to %s (%s), and reloads that service %s",
		a.rate, target.Name, strings.Join(a.paths, " "), plural(a.reloads, "time")))
	c := verify.Config{
		Supervisor: client, Target: target, Paths: a.paths, Reloads: a.reloads, Kept: a.kept, Short: a.short, Rate: float64(a.rate),
		Timeout: time.Duration(a.timeout), Within: time.Duration(a.within), Progress: say, Expect: a.expect,
	}
	if a.short == 0 {
		c.Short = -1
	}
	report, err := verify.Run(ctx, c)
	if err != nil {
		return 0, err
	}
	code := exitFailure
	switch report.Result {
	case verify.ResultOK:
		code = exitOK
	case verify.ResultUnjudged:
		code = exitUnjudged
	}
	if a.json {
		if failed, err := p.printJSON(report); failed != exitOK || err != nil {
			return failed, err
		}
		return code, nil
	}
	if failed := p.print(verifyText(report)); failed != exitOK {
		return failed, nil
	}
	return code, nil
}

// verifyTarget says where the load goes: to the first listener, or to the URL.
func verifyTarget(ctx context.Context, client *control.Client, a verifyArgs) (verify.Target, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	if a.url == "" {
		st, err := client.Status(ctx)
		if err != nil {
			return verify.Target{}, err
		}
		return verify.FromListeners(st.Listeners)
	}
	target, err := verify.FromURL(ctx, a.url, a.insecure)
	if wrong, ok := errors.AsType[*verify.TargetError](err); ok {
		return target, usage("--url: %v", wrong)
	}
	if err == nil && target.Foreign && !a.yes {
		return target, usage("--url: %s is neither loopback nor an address of this machine; add --yes to send requests there nevertheless", a.url)
	}
	return target, err
}

// verifyText is the report for people.
func verifyText(r verify.Report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s in %.1fs, over %s\n\n", r.Target, plural(r.Requests, "request"), r.Seconds, plural(len(r.Reloads), "reload"))
	rows := [][]string{
		{"lost", strconv.Itoa(r.Lost), "refused, reset, cut off, or without an answer"},
		{"wrong", strconv.Itoa(r.Wrong), "another status than before the first reload"},
		{"late", strconv.Itoa(r.Late), "above the bound of its path"},
		{"closed", strconv.Itoa(r.Closed.Announced + r.Closed.Unannounced), fmt.Sprintf("kept connections: %d with Connection: close, %d without a word", r.Closed.Announced, r.Closed.Unannounced)},
	}
	if r.Unsent > 0 {
		rows = append(rows, []string{"unsent", strconv.Itoa(r.Unsent), "not sent in time: their clients waited for an answer still"})
	}
	if r.Faults > 0 {
		rows = append(rows, []string{"faults", strconv.Itoa(r.Faults), "of this client: they say nothing of the service"})
	}
	b.WriteString(columns(rows, "lr"))
	paths := [][]string{{"PATH", "STATUS", "LATE ABOVE"}}
	for _, path := range r.Paths {
		bound := "-"
		if path.LateAfterMs != nil {
			bound = millis(*path.LateAfterMs)
		}
		status := strconv.Itoa(path.Status)
		for _, also := range path.Also {
			status += " " + strconv.Itoa(also)
		}
		paths = append(paths, []string{printable.Line(path.Path), status, bound})
	}
	b.WriteString("\n" + columns(paths, "lrr"))
	b.WriteString("\n" + columns([][]string{
		{"LATENCY", "ANSWERS", "P50", "P99", "SLOWEST"},
		latencyRow("before", r.Latency.Before),
		latencyRow("during", r.Latency.During),
	}, "lrrrr"))
	if s := r.Slowest; s != nil {
		fmt.Fprintf(&b, "slowest: GET %s, %s, %s\n", printable.Line(s.Path), millis(s.TookMs), s.When)
	}
	rows = [][]string{{"RELOAD", "GENERATION", "RESULT", "TOOK"}}
	for i, l := range r.Reloads {
		generation := "-"
		if l.Generation > 0 {
			generation = strconv.Itoa(l.Generation)
		}
		rows = append(rows, []string{strconv.Itoa(i + 1), generation, l.Result, fmt.Sprintf("%.1fs", l.Seconds)})
	}
	b.WriteString("\n" + columns(rows, "rrlr"))
	for _, l := range r.Reloads {
		if len(l.LastWords) > 0 {
			b.WriteString(lastWords(l.LastWords))
		}
	}
	b.WriteString(causesText(r))
	b.WriteString("\n" + verdict(r) + "\n")
	return b.String()
}

func causesText(r verify.Report) string {
	var b strings.Builder
	for i, c := range r.Causes {
		if i == 0 {
			b.WriteString("\ncauses\n")
		}
		count := fmt.Sprintf("%d %s", c.Count, c.Symptom)
		if c.Symptom == verify.SymptomReload || c.Symptom == verify.SymptomNote {
			count = c.Symptom
		}
		fmt.Fprintf(&b, "  %s: %s\n", count, c.Code)
		b.WriteString(config.Wrap("    "+printable.Line(c.Text), 100, "    "))
		b.WriteString(config.Wrap("    what to do: "+printable.Line(c.Remedy), 100, "    "))
	}
	for i, e := range r.Events {
		if i == 0 {
			b.WriteString("\nthe first of what was lost or wrong\n")
		}
		if i == shownEvents {
			b.WriteString("  --json has more\n")
			break
		}
		fmt.Fprintf(&b, "  GET %s: %s, after %s, %s\n", printable.Line(e.Path), printable.Line(e.How), millis(e.Took), e.When)
	}
	return b.String()
}

func verdict(r verify.Report) string {
	text := "nothing was lost, and a reload failed"
	switch {
	case r.Result == verify.ResultUnjudged:
		return "not verified: " + printable.Line(r.Problem)
	case r.OK():
		return "nothing was lost"
	case r.Lost+r.Wrong > 0:
		text = "requests were lost or answered otherwise"
	}
	if r.Problem != "" {
		text += "; and not all was seen: " + printable.Line(r.Problem)
	}
	return text
}

func latencyRow(name string, q verify.Quantiles) []string {
	return []string{name, strconv.FormatUint(q.Answers, 10), millis(q.P50), millis(q.P99), millis(q.Max)}
}

// millis shows milliseconds.
func millis(ms float64) string {
	if ms >= 1000 {
		return fmt.Sprintf("%.2fs", ms/1000)
	}
	return strconv.FormatFloat(ms, 'f', 1, 64) + "ms"
}
