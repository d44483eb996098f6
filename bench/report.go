package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// report gathers tables and writes them as Markdown.
type report struct {
	b strings.Builder
}

func newReport(command string) *report {
	r := new(report)
	fmt.Fprintf(&r.b, "# Benchmarks\n\nMeasured by `%s` on %s.\n\n%s\n\n", command, time.Now().UTC().Format("2006-01-02 15:04 MST"), machine())
	r.text("Load generator and servers share the machine. Figures are medians of repetitions taken in turns, with the least and the greatest in brackets; compare within a table only.")
	return r
}

func (r *report) section(title, name string) {
	fmt.Fprintf(&r.b, "\n## %s\n\n`-run %s`\n\n", title, name)
}

func (r *report) text(format string, args ...any) { fmt.Fprintf(&r.b, format+"\n\n", args...) }

// table writes one table; the first row holds the headings.
func (r *report) table(rows [][]string) {
	for i, row := range rows {
		fmt.Fprintf(&r.b, "| %s |\n", strings.Join(row, " | "))
		if i == 0 {
			r.b.WriteString("|---" + strings.Repeat("|---:", len(row)-1) + "|\n")
		}
	}
	r.b.WriteString("\n")
}

func (r *report) write(w io.Writer) {
	_, _ = io.WriteString(w, strings.TrimRight(r.b.String(), "\n")+"\n")
}

// machine describes where the figures come from.
func machine() string {
	cpu := "unknown CPU"
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(b)) {
			if name, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				cpu = strings.TrimSpace(v)
				break
			}
		}
	}
	kernel := "unknown kernel"
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		kernel = unix.ByteSliceToString(u.Sysname[:]) + " " + unix.ByteSliceToString(u.Release[:])
	}
	load := "unknown"
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		load = strings.Join(strings.Fields(string(b))[:1], " ")
	}
	return fmt.Sprintf("Machine: %s, %d CPUs, %s, %s; load average at the start %s.", cpu, runtime.NumCPU(), kernel, runtime.Version(), load)
}

// sample is the repetitions of one figure.
type sample []float64

func (s sample) median() float64 {
	if len(s) == 0 {
		return 0
	}
	v := slices.Sorted(slices.Values(s))
	if n := len(v); n%2 == 0 {
		return (v[n/2-1] + v[n/2]) / 2
	}
	return v[len(v)/2]
}

// show is the median with the spread, in the given verb.
func (s sample) show(verb string) string {
	if len(s) == 0 {
		return "–"
	}
	return fmt.Sprintf(verb+" ("+verb+"…"+verb+")", s.median(), slices.Min(s), slices.Max(s))
}

// ratio of two medians.
func ratio(a, b sample) string {
	if b.median() == 0 || len(a) == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f", a.median()/b.median())
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// installed finds a program, also where an ordinary user's PATH does not look.
func installed(name string) (string, bool) {
	for _, at := range []string{"/usr/bin/" + name, "/usr/sbin/" + name} {
		if fi, err := os.Stat(at); err == nil && fi.Mode()&0o111 != 0 {
			return at, true
		}
	}
	path, err := exec.LookPath(name)
	return path, err == nil
}
