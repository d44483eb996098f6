package main

import (
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
)

// handshakeLine is a result of BenchmarkHandshake in test/e2e; the metrics come in the order of their names.
var handshakeLine = regexp.MustCompile(`(?m)^BenchmarkHandshake/(\S+?)(?:-\d+)?\s+\d+\s+[0-9.]+ ns/op\s+([0-9.]+) another-µs\s+([0-9.]+) another/same\s+([0-9.]+) same-µs`)

// handshake compares handshakes that resume a session at the worker that began it and at
// another one.
func handshake(ctx context.Context, o options, r *report) error {
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^BenchmarkHandshake$",
		"-benchtime", "3000x", "-count", strconv.Itoa(o.reps), "github.com/tandem-go/tandem/test/e2e")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("go test -bench: %w: %s", err, out)
	}
	var names []string
	same, another, ratio := map[string]sample{}, map[string]sample{}, map[string]sample{}
	for _, m := range handshakeLine.FindAllStringSubmatch(string(out), -1) {
		var v [3]float64
		for i := range v {
			if v[i], err = strconv.ParseFloat(m[2+i], 64); err != nil {
				return fmt.Errorf("%q: %w", m[0], err)
			}
		}
		if same[m[1]] == nil {
			names = append(names, m[1])
		}
		another[m[1]], ratio[m[1]], same[m[1]] = append(another[m[1]], v[0]), append(ratio[m[1]], v[1]), append(same[m[1]], v[2])
	}
	if len(names) == 0 {
		return fmt.Errorf("no benchmark in the output: %s", out)
	}
	r.text("Four workers on one socket. Each visit is a new connection, which presents the ticket of the visit before: what it takes to connect and shake hands, the median of some 3,000 visits, by whether the worker is the one that gave the ticket.")
	rows := [][]string{{"version", "same worker, µs", "another worker, µs", "another of same"}}
	for _, n := range names {
		rows = append(rows, []string{n, same[n].show("%.0f"), another[n].show("%.0f"), ratio[n].show("%.2f")})
	}
	r.table(rows)
	return nil
}
