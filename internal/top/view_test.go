package top

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tandem-go/tandem/internal/control"
	"github.com/tandem-go/tandem/internal/printable"
	"github.com/tandem-go/tandem/internal/timeline"
)

var update = flag.Bool("update", false, "write what is drawn into testdata")

// golden compares a screen with a file, line by line without the spaces at their
// ends.
func golden(t *testing.T, name, got string) {
	t.Helper()
	lines := strings.Split(got, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	got = strings.Join(lines, "\n") + "\n"
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not as in %s (go test -update writes it):\n%s", name, path, got)
	}
}

// busy is a service of n workers in the midst of work, at its i-th answer.
func busy(n, i int) control.Status {
	st := at(3723 + float64(i))
	st.PID, st.Version, st.Generation, st.Wanted = 4242, "v1.4.0", 3, n
	st.Listeners = []string{"tcp://127.0.0.1:8000", "unix:///run/app.sock"}
	st.LastReload = &control.LastReload{Generation: 3, Result: control.ResultOK}
	for id := range uint64(n) {
		w := control.WorkerStatus{
			ID: id + 7, PID: 4250 + int(id), Generation: 3, State: "ready", AgeSeconds: float64(75 * (id + 1)), Liveness: "ok",
			Requests: ptr(1000 + uint64(i*i)*(id+1)*10), InFlight: ptr(int64(id)), Connections: ptr(int64(9 + id)), RSSBytes: ptr(int64(14680064 + id<<20)),
			Permits: []control.PermitStatus{
				{Limiter: "blocking", Limit: 40, InUse: int64(id), Queue: 0},
				{Limiter: "cpu", Limit: 1, InUse: int64(id % 2), Queue: int64(id)},
			},
			Latency: &control.LatencyStatus{Counts: counts(map[float64]uint64{.001: 10 * uint64(i) * (id + 1), .25: uint64(i)})},
		}
		switch id {
		case 1:
			w.State, w.Generation = "draining", 2
			w.OldestRequests = []control.RequestStatus{
				{Method: "GET", Route: "GET /stream/", RequestID: "4bf92f3577b34da6a3ce929d0e0e4736", AgeSeconds: 12.5},
				{Method: "POST", Route: "/posts/\x1b[2J世界/", RequestID: "abc", AgeSeconds: .25},
			}
		case 2: // a program that knows nothing of us
			w.Requests, w.InFlight, w.Connections, w.Permits, w.Latency, w.Liveness = nil, nil, nil, nil, nil, "none"
		}
		st.Workers = append(st.Workers, w)
	}
	return st
}

// shown is a model with some answers, without colours.
func shown(columns, rows, workers int) *Model {
	m := New(context.Background(), Options{Plain: true, Interval: time.Second})
	m.width, m.height = columns, rows
	for i := range 12 {
		m.history.add(busy(workers, i))
	}
	m.settle()
	m.events = []timeline.Event{
		{Seq: 1, Time: time.Date(2026, 11, 29, 11, 2, 3, 0, time.Local), Text: "reload asked for by signal HUP"},
		{Seq: 2, Time: time.Date(2026, 11, 29, 11, 2, 9, 0, time.Local), Text: "worker 6 killed by SIGSEGV\x07\nand more", Kind: timeline.WorkerExited},
	}
	return m
}

func TestScreens(t *testing.T) {
	for name, m := range map[string]*Model{
		"80x24":        shown(80, 24, 4),
		"120x40":       shown(120, 40, 4),
		"200x50":       shown(200, 50, 4),
		"too-small":    shown(79, 24, 4),
		"many-workers": shown(80, 24, 30),
		"no-workers":   shown(80, 24, 0),
		"no-answer":    {theme: uncoloured, width: 80, height: 24, lost: "no supervisor answers at /run/s: there is no such socket"},
	} {
		golden(t, name, m.screen())
	}
	m := shown(80, 24, 30)
	m.chosen = 30
	m.settle()
	m.paused = true
	m.question = &question{text: "start a new generation of workers?"}
	m.history.latest().LastReload = &control.LastReload{Generation: 4, Result: control.ResultFailed, Error: "worker 9 exited with 1\nbefore it was \x1b[31mready"}
	golden(t, "asked", m.screen())
	m = shown(80, 24, 4)
	m.open("help", helpText)
	golden(t, "help", m.screen())
	m.pane = &pane{title: "log of worker 7", worker: 7}
	for i := range 30 {
		m.pane.add(fmt.Sprintf("line %d\tof a program \x1b]0;title\x07 that writes long lines, longer than this terminal is wide, so that they are broken", i))
	}
	golden(t, "log", m.screen())
	golden(t, "once", shown(80, 24, 4).history.table())
}

// Whatever the size and whatever is shown, a screen has no more lines than the
// terminal, none wider than it, and nothing that is not printable.
func TestNothingIsTooLarge(t *testing.T) {
	for _, workers := range []int{0, 3, 40} {
		m := shown(leastWidth, leastHeight, workers)
		for columns := 1; columns < 210; columns += 13 {
			for _, rows := range []int{1, 24, 27, 50} {
				m.width, m.height = columns, rows
				for _, p := range []*pane{nil, {title: "x", lines: []string{"世界\x00", strings.Repeat("世", 200)}}} {
					m.pane = p
					screen := m.screen()
					lines := strings.Split(screen, "\n")
					if len(lines) > rows {
						t.Fatalf("%dx%d: %d lines", columns, rows, len(lines))
					}
					for _, l := range lines {
						if width(l) > columns || l != printable.Line(l) {
							t.Fatalf("%dx%d: %d cells: %q", columns, rows, width(l), l)
						}
					}
				}
			}
		}
	}
}

// A theme adds escapes around text, and nothing else.
func TestThemes(t *testing.T) {
	for name, th := range map[string]theme{"cautious": cautious, "dark": dark, "light": light} {
		m := shown(120, 40, 4)
		plain := m.screen()
		m.theme = th
		coloured := m.screen()
		if coloured == plain || !strings.Contains(coloured, "\x1b[7m") {
			t.Errorf("%s looks like no theme", name)
		}
		var b strings.Builder
		for i, part := range strings.Split(coloured, "\x1b[") {
			if i > 0 {
				_, part, _ = strings.Cut(part, "m")
			}
			b.WriteString(part)
		}
		if b.String() != plain {
			t.Errorf("%s changes the text:\n%s", name, b.String())
		}
	}
}

func TestFillAndWrap(t *testing.T) {
	for _, c := range []struct {
		text  string
		n     int
		right bool
		want  string
	}{
		{"ab", 4, false, "ab  "},
		{"ab", 4, true, "  ab"},
		{"abcdef", 4, false, "abc…"},
		{"世界世界", 5, false, "世界…"},
		{"世界世界", 4, false, "世… "},
		{"x", 0, false, ""},
	} {
		if got := fill(c.text, c.n, c.right); got != c.want {
			t.Errorf("%q in %d is %q, want %q", c.text, c.n, got, c.want)
		}
	}
	for text, want := range map[string]string{"abcdefgh": "abc|def|gh", "": "", "世界世": "世|界|世", "abc": "abc", "ab世": "ab|世"} {
		if got := strings.Join(wrap(text, 3), "|"); got != want {
			t.Errorf("%q is broken into %q, want %q", text, got, want)
		}
	}
}
