package e2e

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/tandem-go/tandem/test/harness"
)

// openTop shows s on a terminal.
func openTop(t *testing.T, s *harness.Supervisor, columns, rows int) *harness.Terminal {
	t.Helper()
	top, err := harness.OpenTerminal(columns, rows, []string{"TERM=xterm-256color", "PATH=" + os.Getenv("PATH")},
		filepath.Join(bin, "supervisor"), "top", "--control", s.Control, "--interval", "200ms")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := top.Close(); err != nil {
			t.Error(err)
		}
	})
	return top
}

func shows(ctx context.Context, t *testing.T, top *harness.Terminal, what string) {
	t.Helper()
	pattern := regexp.MustCompile("(?m)" + what)
	if err := top.Await(ctx, what, pattern.MatchString); err != nil {
		t.Fatal(err)
	}
}

func types(t *testing.T, top *harness.Terminal, keys string) {
	t.Helper()
	if err := top.Type(keys); err != nil {
		t.Fatal(err)
	}
}

func leaves(ctx context.Context, t *testing.T, top *harness.Terminal) {
	t.Helper()
	code, err := top.Wait(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if code != 0 {
		t.Errorf("exit %d\n%s", code, top.Screen())
	}
	if err := top.Restored(ctx); err != nil {
		t.Error(err)
	}
}

// In a terminal of 80x24, against a real service: what is shown, what is asked
// before it is done, and what is left behind.
func TestTop(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	s, st := serve(ctx, t, 2, harness.Config{})
	for range 3 {
		ask(ctx, t, s, "/modern/")
	}
	top := openTop(t, s, 80, 24)
	row := func(id int, state string) string { return `^[> ] +` + strconv.Itoa(id) + ` +[0-9]+ +` + state + ` ` }
	for _, w := range st.Workers {
		shows(ctx, t, top, row(int(w.ID), "ready")+`+1 .* [0-9.]+M`)
	}

	types(t, top, "r")
	shows(ctx, t, top, `start a new generation of workers\? y/n`)
	types(t, top, "n")
	shows(ctx, t, top, `^nothing is changed`)
	if now := ready(ctx, t, s, 2); now.Generation != 1 {
		t.Fatalf("generation %d after a no", now.Generation)
	}
	types(t, top, "r")
	shows(ctx, t, top, `y/n`)
	types(t, top, "y")
	shows(ctx, t, top, `^reloaded: generation 2 serves`)
	shows(ctx, t, top, `generation 2 .*up`)

	types(t, top, "+")
	shows(ctx, t, top, `scale from 2 to 3 workers\? y/n`)
	types(t, top, "y")
	shows(ctx, t, top, `3 workers wanted`)
	ready(ctx, t, s, 3)

	types(t, top, "l")
	shows(ctx, t, top, `^log of worker [0-9]+ .*follows`)
	types(t, top, "\x1b")
	shows(ctx, t, top, `^Events`)

	if err := top.Resize(60, 20); err != nil {
		t.Fatal(err)
	}
	shows(ctx, t, top, `60x20 is too small: 80x24 are needed`)
	if err := top.Resize(120, 40); err != nil {
		t.Fatal(err)
	}
	shows(ctx, t, top, `BLOCKING +CPU`)
	types(t, top, "q")
	leaves(ctx, t, top)
}

// The death of a worker, an upgrade in place and the end of the supervisor: top
// stays, and says so.
func TestTopGoesOn(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	s, st := serve(ctx, t, 1, harness.Config{})
	top := openTop(t, s, 100, 30)
	shows(ctx, t, top, ` ready `)
	kill(t, st.Workers[0].PID, syscall.SIGKILL)
	shows(ctx, t, top, `^[> ] +2 +[0-9]+ +ready `)
	types(t, top, "w")
	shows(ctx, t, top, `^cause .*SIGKILL`)
	types(t, top, "q") // leaves the pane alone
	shows(ctx, t, top, `^Oldest requests in flight`)
	must(ctx, t, s, "upgrade")
	must(ctx, t, s, "scale", "2")
	shows(ctx, t, top, `2 workers wanted`)
	signal(t, s, syscall.SIGTERM)
	shows(ctx, t, top, `^no answer, asking again: .*no supervisor answers`)
	types(t, top, "\x03")
	leaves(ctx, t, top)
	exits(ctx, t, s, 0)
}

// Where there is no terminal it prints once, and says so.
func TestTopWithoutATerminal(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	s, _ := serve(ctx, t, 1, harness.Config{})
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for range 3 {
		res, err := client.Get("http://" + s.Addr + "/modern/")
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
	}
	res := must(ctx, t, s, "top", "--interval", "100ms")
	if !strings.Contains(res.Stderr, "no terminal") || strings.Contains(res.Stdout, "\x1b") {
		t.Errorf("stdout %q, stderr %q", res.Stdout, res.Stderr)
	}
	if !regexp.MustCompile(`(?m)^ +1 +[0-9]+ ready +1 `).MatchString(res.Stdout) {
		t.Errorf("no row of a worker:\n%s", res.Stdout)
	}
}
