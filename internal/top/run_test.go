package top

import (
	"context"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"github.com/tandem-go/tandem/test/harness"
)

func TestFullScreen(t *testing.T) {
	if err := FullScreen(strings.NewReader(""), io.Discard, nil); err == nil {
		t.Error("a writer is a terminal")
	}
	_, terminal, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	piped, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer piped.Close()
	defer w.Close()
	environ := []string{"TERM=xterm"}
	if err := FullScreen(terminal, terminal, environ); err != nil {
		t.Error(err)
	}
	if err := FullScreen(piped, terminal, environ); err == nil || !strings.Contains(err.Error(), "standard input") {
		t.Errorf("what is piped in would be keys: %v", err)
	}
	if !NoColour([]string{"NO_COLOR=1"}) || NoColour([]string{"NO_COLOR="}) || NoColour(nil) {
		t.Error("NO_COLOR is not read as no-color.org says")
	}
}

// onTerminal is a full screen on a terminal of its own, when there is something on it.
func onTerminal(t *testing.T, how, something string) (context.Context, *harness.Terminal) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), harness.Limit)
	t.Cleanup(cancel)
	screen, err := harness.OpenTerminal(100, 60, []string{"TERM=xterm-256color", actor + "=" + how}, os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := screen.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := screen.Await(ctx, something, func(s string) bool { return strings.Contains(s, something) }); err != nil {
		t.Fatal(err)
	}
	return ctx, screen
}

// However it ends, who sat before it has a terminal as before.
func TestASignalRestoresTheTerminal(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT} {
		t.Run(unix.SignalName(sig), func(t *testing.T) {
			t.Parallel()
			ctx, screen := onTerminal(t, "well", "event 3")
			if err := syscall.Kill(screen.PID, sig); err != nil {
				t.Fatal(err)
			}
			if code, err := screen.Wait(ctx); err != nil || code != 0 {
				t.Errorf("exit %d, %v", code, err)
			}
			if err := screen.Restored(ctx); err != nil {
				t.Error(err)
			}
			if s := screen.Screen(); !strings.Contains(s, "Run has returned: <nil>") || strings.Contains(s, "goroutine") {
				t.Errorf("left behind:\n%s", s)
			}
		})
	}
}

// So does a panic, wherever it is, and it is told.
func TestAPanicRestoresTheTerminal(t *testing.T) {
	for how, c := range map[string]struct{ first, key string }{
		"in Update": {}, "in a batch": {}, "in a command": {"event 3", "w"},
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			ctx, screen := onTerminal(t, how, c.first)
			if err := screen.Type(c.key); err != nil {
				t.Fatal(err)
			}
			if code, err := screen.Wait(ctx); err != nil || code != 1 {
				t.Errorf("exit %d, %v", code, err)
			}
			if err := screen.Restored(ctx); err != nil {
				t.Error(err)
			}
			for _, want := range []string{"of the test, " + how, "Run has returned: it broke off"} {
				if s := screen.Screen(); !strings.Contains(s, want) {
					t.Errorf("%q is not said:\n%s", want, s)
				}
			}
		})
	}
}

// A terminal that is closed ends it, too: nothing goes on without anybody before it.
func TestATerminalThatGoesAwayEndsIt(t *testing.T) {
	ctx, screen := onTerminal(t, "well", "event 3")
	if err := screen.Hangup(); err != nil {
		t.Fatal(err)
	}
	if _, err := screen.Wait(ctx); err != nil { // the code depends on what it sees first
		t.Error(err)
	}
}

// What cannot be drawn ends it too.
func TestAPanicInView(t *testing.T) {
	asked := make(chan struct{})
	g := &guarded{quit: func() { close(asked) }} // has no model
	g.View()
	<-asked
	if view := g.View(); !strings.Contains(g.broke(), "nil pointer") || view.Content != "" {
		t.Errorf("broken by %q, and shows %q", g.broke(), view.Content)
	}
}
