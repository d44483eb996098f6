package cli

import (
	"strings"
	"testing"

	"github.com/tandem-go/tandem/internal/control"
)

// Without a terminal a line is written when something else is waited for, and each
// time that it has taken twice as long.
func TestProgressWithoutATerminal(t *testing.T) {
	var b strings.Builder
	l := newProgressLine(&b, "reload")
	show := func(seconds float64, stage, text string) {
		l.show(control.Progress{What: control.ProgressReload, Generation: 3, Stage: stage, Seconds: seconds, Text: text})
	}
	show(1, "booting", "one")
	show(1.9, "booting", "not said")
	show(2.1, "booting", "two")
	show(3, "baking", "three\x1b[2J")
	show(4, "baking", "not said")
	l.clear()
	if got, want := b.String(), "supervisor: reload: one\nsupervisor: reload: two\nsupervisor: reload: three?[2J\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestProgressOnATerminal(t *testing.T) {
	var b strings.Builder
	l := newProgressLine(&b, "stop")
	l.width = 40
	l.show(control.Progress{Text: "short"})
	l.show(control.Progress{Text: strings.Repeat("ä", 60)})
	l.clear()
	if got, want := b.String(), "\r\x1b[Ksupervisor: stop: short\r\x1b[Ksupervisor: stop: "+strings.Repeat("ä", 20)+"…\r\x1b[K"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
