package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tandem-go/tandem/internal/strict"
)

// connections is how many the throughput is measured with.
const connections = 64

// startAll starts servers to be compared. What is not installed is said in the
// report.
func startAll(o options, r *report, starts ...func() (*service, error)) (all []*service, stop func(), err error) {
	stop = func() {
		for _, s := range all {
			if err := s.close(); err != nil {
				fmt.Fprintf(o.log, "ending %s: %v\n", s.name, err)
			}
		}
	}
	for _, start := range starts {
		s, err := start()
		if missing, ok := errors.AsType[*notInstalled](err); ok {
			r.text("%v.", missing)
			continue
		}
		if err != nil {
			stop()
			return nil, nil, err
		}
		all = append(all, s)
	}
	return all, stop, nil
}

// throughput is how many requests a second a trivial view answers.
func throughput(ctx context.Context, o options, r *report) error {
	all, stop, err := startAll(
		o, r,
		func() (*service, error) { return twin(ctx, "nethttp", "net/http, one process") },
		func() (*service, error) { return twin(ctx, "prefork", fmt.Sprintf("net/http, %d processes", workers)) },
		func() (*service, error) { _, s, err := tandem(ctx, o, workers); return s, err },
		func() (*service, error) {
			_, s, err := tandem(ctx, o, workers, "--timer-slack", "50us")
			if err == nil {
				s.name += ", timer slack 50 µs"
			}
			return s, err
		},
		func() (*service, error) { return bareASGI(ctx, o) },
		func() (*service, error) { return fiber(ctx, o) },
		func() (*service, error) { return nginx(ctx, o) },
	)
	if err != nil {
		return err
	}
	defer stop()
	return rates(ctx, o, r, all, "/modern/", "net/http")
}

// rates compares how many requests for one target servers answer, in turns; the
// first is the one that the others are set against.
func rates(ctx context.Context, o options, r *report, all []*service, target, first string) error {
	load, tool := loader()
	r.text("`GET %s`, %d kept connections, %s each %d times, by %s.", target, connections, o.each, o.reps, tool)
	rps, p50, p99 := make([]sample, len(all)), make([]sample, len(all)), make([]sample, len(all))
	for rep := range o.reps + 1 {
		for i, s := range all {
			got, err := load(ctx, s.addr, target, o.each)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			if rep == 0 {
				continue // warm-up
			}
			rps[i] = append(rps[i], got.perSecond)
			p50[i] = append(p50[i], ms(got.p50))
			p99[i] = append(p99[i], ms(got.p99))
		}
	}
	rows := [][]string{{"server", "requests/s", "of " + first, "Tandem's part of it", "p50 ms", "p99 ms"}}
	ours := slices.IndexFunc(all, func(s *service) bool { return strings.HasPrefix(s.name, "Tandem") })
	for i, s := range all {
		part := "–"
		if ours >= 0 && i != ours {
			part = ratio(rps[ours], rps[i])
		}
		rows = append(rows, []string{s.name, rps[i].show("%.0f"), ratio(rps[i], rps[0]), part, p50[i].show("%.2f"), p99[i].show("%.2f")})
	}
	r.table(rows)
	return nil
}

// steadyRate is how many requests a second come at times fixed beforehand.
const steadyRate = 1000

// steady is how late answers are under a load that does not wait for them.
func steady(ctx context.Context, o options, r *report) error {
	all, stop, err := startAll(
		o, r,
		func() (*service, error) { return twin(ctx, "nethttp", "net/http, one process") },
		func() (*service, error) { _, s, err := tandem(ctx, o, 1); return s, err },
		func() (*service, error) { _, s, err := tandem(ctx, o, workers); return s, err },
	)
	if err != nil {
		return err
	}
	defer stop()
	r.text("`GET /modern/`, %d a second at times fixed beforehand on %d kept connections, latency from the intended time, %s each %d times.", steadyRate, connections, o.each, o.reps)
	p50, p99, p999 := make([]sample, len(all)), make([]sample, len(all)), make([]sample, len(all))
	for rep := range o.reps + 1 {
		for i, s := range all {
			got, err := at(ctx, s.addr, o.each, steadyRate)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			if rep == 0 {
				continue // warm-up
			}
			p50[i] = append(p50[i], ms(got.Quantile(.5)))
			p99[i] = append(p99[i], ms(got.Quantile(.99)))
			p999[i] = append(p999[i], ms(got.Quantile(.999)))
		}
	}
	rows := [][]string{{"server", "p50 ms", "of net/http", "p99 ms", "of net/http", "p99.9 ms"}}
	for i, s := range all {
		rows = append(rows, []string{s.name, p50[i].show("%.2f"), ratio(p50[i], p50[0]), p99[i].show("%.2f"), ratio(p99[i], p99[0]), p999[i].show("%.2f")})
	}
	r.table(rows)
	return nil
}

// loader is what sends requests as fast as they are answered, and its name.
func loader() (func(ctx context.Context, addr, target string, d time.Duration) (rate, error), string) {
	if path, ok := installed("wrk"); ok {
		return func(ctx context.Context, addr, target string, d time.Duration) (rate, error) {
			return wrk(ctx, path, addr, target, d)
		}, "wrk -t1"
	}
	return ownLoad, "the strict client of internal/strict (wrk is not installed; Debian: wrk)"
}

type rate struct {
	perSecond float64
	p50, p99  time.Duration
}

// ownLoad is the load where wrk is missing. It is slower, so the ratios say
// less.
func ownLoad(ctx context.Context, addr, target string, d time.Duration) (rate, error) {
	rep := strict.Start(ctx, strict.Load{
		Addr: addr, Duration: d,
		Groups: []strict.Group{{Mode: strict.Kept, Clients: connections, Target: target}},
	}).Wait()
	return rate{float64(rep.Counts[strict.OK]) / rep.Elapsed.Seconds(), rep.Latency.Quantile(.5), rep.Latency.Quantile(.99)}, rep.Err()
}

var (
	wrkRate  = regexp.MustCompile(`(?m)^Requests/sec:\s+([0-9.]+)`)
	wrkP50   = regexp.MustCompile(`(?m)^\s+50%\s+(\S+)`)
	wrkP99   = regexp.MustCompile(`(?m)^\s+99%\s+(\S+)`)
	wrkFault = regexp.MustCompile(`(?m)^\s+(Socket errors:.*|Non-2xx.*)$`)
)

func wrk(ctx context.Context, path, addr, target string, d time.Duration) (rate, error) {
	seconds := max(1, int(d.Round(time.Second)/time.Second))
	cmd := exec.CommandContext(ctx, path, "-t1", "-c", strconv.Itoa(connections), "-d", fmt.Sprintf("%ds", seconds), "--latency", "http://"+addr+target)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return rate{}, fmt.Errorf("wrk: %w: %s", err, out)
	}
	if fault := wrkFault.FindString(string(out)); fault != "" {
		return rate{}, fmt.Errorf("wrk: %s", strings.TrimSpace(fault))
	}
	find := func(re *regexp.Regexp) string {
		if m := re.FindSubmatch(out); m != nil {
			return string(m[1])
		}
		return ""
	}
	var got rate
	var err2, err3 error
	got.perSecond, err = strconv.ParseFloat(find(wrkRate), 64)
	got.p50, err2 = time.ParseDuration(find(wrkP50))
	got.p99, err3 = time.ParseDuration(find(wrkP99))
	if err := errors.Join(err, err2, err3); err != nil {
		return rate{}, fmt.Errorf("wrk said something else than expected: %w: %s", err, out)
	}
	return got, nil
}
