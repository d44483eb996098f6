package main

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
)

var benchLine = regexp.MustCompile(`(?m)^(Benchmark\S+?)(?:-\d+)?\s+\d+\s+([0-9.]+) ns/op(?:\s+([0-9.]+) B/op\s+([0-9]+) allocs/op)?`)

// crossing runs the bridge package's own benchmarks.
func crossing(ctx context.Context, o options, r *report) error {
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", ".", "-benchmem",
		"-benchtime", fmt.Sprintf("%dms", o.each.Milliseconds()/5), "-count", strconv.Itoa(o.reps), "github.com/tandem-go/tandem/bridge")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("go test -bench: %w: %s", err, out)
	}
	var names []string
	ns, allocs := map[string]sample{}, map[string]string{}
	for _, m := range benchLine.FindAllStringSubmatch(string(out), -1) {
		if ns[m[1]] == nil {
			names = append(names, m[1])
		}
		v, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			return fmt.Errorf("%q: %w", m[0], err)
		}
		ns[m[1]] = append(ns[m[1]], v)
		allocs[m[1]] = m[4]
	}
	if len(names) == 0 {
		return fmt.Errorf("no benchmark in the output: %s", out)
	}
	rows := [][]string{{"benchmark of bridge", "ns", "allocations"}}
	for _, n := range names {
		rows = append(rows, []string{n, ns[n].show("%.0f"), allocs[n]})
	}
	r.table(rows)
	return nil
}
