package top

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"golang.org/x/sys/unix"
)

// Run shows a supervisor until somebody quits, ctx ends or a signal asks for the end.
// Input and Output are a terminal, see [FullScreen]; it is as it was when Run returns,
// also after a panic, which is an error here and has been written to the standard error.
func Run(ctx context.Context, o Options) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	g := &guarded{Model: New(ctx, o)}
	program := tea.NewProgram(g, tea.WithContext(ctx), tea.WithoutSignalHandler(),
		tea.WithInput(o.Input), tea.WithOutput(o.Output), tea.WithEnvironment(o.Environ))
	g.quit = program.Quit
	defer quitOnSignals(program.Quit)()
	_, err := program.Run()
	if why := g.broke(); why != "" {
		fmt.Fprintln(os.Stderr, why)
		return errors.New("it broke off by a mistake of its own, which is shown above; the supervisor is not touched by it")
	}
	if err == nil || errors.Is(err, context.Canceled) {
		return nil
	}
	return fmt.Errorf("show the full screen: %w", err)
}

// FullScreen says why there is no full screen; nil if there can be one. What is
// piped in would be keys, so the input must be a terminal too.
func FullScreen(input, output any, environ []string) error {
	if !terminal(output) {
		return errors.New("standard output is no terminal")
	}
	if !terminal(input) {
		return errors.New("standard input is no terminal")
	}
	if term := variable(environ, "TERM"); term == "" || term == "dumb" {
		return fmt.Errorf("TERM=%s says that the terminal has no full screen", term)
	}
	return nil
}

func terminal(f any) bool {
	file, ok := f.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(file.Fd()), unix.TCGETS)
	return err == nil
}

// NoColour says whether the environment asks for none, by no-color.org.
func NoColour(environ []string) bool { return variable(environ, "NO_COLOR") != "" }

func variable(environ []string, name string) (value string) {
	for _, kv := range environ {
		if v, ok := strings.CutPrefix(kv, name+"="); ok {
			value = v
		}
	}
	return value
}

// Once gives a plain table of what there is, with the rates of one interval.
func Once(ctx context.Context, source Source, interval time.Duration) (string, error) {
	var h history
	st, err := source.Status(ctx)
	if err != nil {
		return "", err
	}
	h.add(st)
	timer := time.NewTimer(interval)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	if st, err = source.Status(ctx); err != nil {
		return "", err
	}
	h.add(st)
	return h.table(), nil
}

// wide is more than any table takes.
const wide = 1 << 10

// table is all that is known, in lines that are as long as they must be.
func (h *history) table() string {
	m := &Model{history: *h, width: wide, theme: uncoloured, index: -1}
	rows := m.rows()
	var b strings.Builder
	line := func(text string) { b.WriteString(strings.TrimRight(text, " ") + "\n") }
	for _, row := range m.head()[:headRows-1] {
		line(row)
	}
	b.WriteString("\n")
	if len(rows) == 0 {
		line("no workers")
		return b.String()
	}
	t := layOut(rows, &h.all, wide)
	line(t.row("", func(c column) string { return c.name }))
	for _, w := range rows {
		line(t.row("", func(c column) string { return c.cell(w) }))
	}
	line(t.row("Σ", func(c column) string {
		if c.total == nil {
			return ""
		}
		return c.total(rows, &h.all)
	}))
	if requests := oldest(rows); len(requests) > 0 {
		b.WriteString("\nOldest requests in flight\n")
		for _, r := range requests[:min(len(requests), 10)] {
			line(m.draw(span{r.text(leastWidth), plain}))
		}
	}
	return b.String()
}
