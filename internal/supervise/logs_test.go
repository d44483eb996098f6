package supervise

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"

	"github.com/tandem-go/tandem/internal/control"
)

// Who follows sees the lines of before, those of replacements and of a new
// generation, and the end.
func TestLogsAreFollowedThroughReplacements(t *testing.T) {
	r := start(t, "on", "--workers", "1", "--ready", "log:it is on")
	first := r.until(t, "the start", ready(1, 1)).Workers[0]
	// That a worker is ready is known as soon as its line was read, which is before the line can be asked for.
	var once strings.Builder
	r.until(t, "its line", func(control.Status) bool {
		once.Reset()
		err := r.Logs(t.Context(), control.LogQuery{}, &once)
		return err != nil || strings.Contains(once.String(), "err | it is on\n")
	})
	if !strings.Contains(once.String(), "err | it is on\n") || !strings.Contains(once.String(), "| worker ready ") {
		t.Errorf("the tail:\n%s", once.String())
	}
	if err := r.Logs(t.Context(), control.LogQuery{Worker: 99}, io.Discard); !errors.Is(err, control.ErrNoWorker) {
		t.Errorf("no such worker: %v", err)
	}

	all, end := follow(t, r, control.LogQuery{})
	one, oneEnd := follow(t, r, control.LogQuery{Worker: first.ID, JSON: true})
	if err := syscall.Kill(first.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := <-oneEnd; err != nil {
		t.Errorf("the worker's own: %v", err)
	}
	if lines := <-one; len(lines) != 1 || !strings.Contains(lines[0], `"worker":1,`) || !strings.Contains(lines[0], `"msg":"it is on"`) {
		t.Errorf("of worker 1: %q", lines)
	}
	r.until(t, "a replacement", func(st control.Status) bool { return ready(1, 1)(st) && st.Workers[0].ID != first.ID })
	if res, err := r.Reload(t.Context(), true); err != nil || res.Result != control.ResultOK {
		t.Fatalf("%+v, %v", res, err)
	}
	r.Signal(syscall.SIGTERM)
	if err := <-end; err != nil {
		t.Errorf("at the stop: %v", err)
	}
	seen := map[string]int{}
	for _, line := range <-all {
		if strings.HasSuffix(line, " err | it is on") {
			seen[strings.Fields(line)[1]]++
		}
	}
	if len(seen) != 3 || seen["w1"] != 1 || seen["w2"] != 1 || seen["w3"] != 1 {
		t.Errorf("lines of %v", seen)
	}
}

// follow gives what was written when it has ended.
func follow(t *testing.T, r *rig, q control.LogQuery) (<-chan []string, <-chan error) {
	t.Helper()
	pr, pw := io.Pipe()
	all, end, begun := make(chan []string, 1), make(chan error, 1), make(chan struct{})
	q.Follow = true
	go func() {
		err := r.Logs(context.WithoutCancel(t.Context()), q, pw)
		pw.Close()
		end <- err
	}()
	go func() {
		var lines []string
		for s := bufio.NewScanner(pr); s.Scan(); {
			if lines = append(lines, s.Text()); len(lines) == 1 {
				close(begun)
			}
		}
		all <- lines
	}()
	<-begun
	return all, end
}
