package cli

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/internal/control"
)

// TestErrorsNameTheNextStep gives each command what it can fail at. An error says what
// was attempted, on what, and what to do now.
func TestErrorsNameTheNextStep(t *testing.T) {
	dir, err := os.MkdirTemp("", "cli") // short enough for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := func(mode string) string {
		path := filepath.Join(dir, mode)
		s, err := control.Listen(path)
		if err != nil {
			t.Fatal(err)
		}
		s.Log = slog.New(slog.DiscardHandler)
		done := make(chan error, 1)
		ctx, cancel := context.WithCancel(context.Background())
		go func() { done <- s.Serve(ctx, &backend{mode: mode}) }()
		t.Cleanup(func() { cancel(); <-done })
		return path
	}
	ok, undone, refuse := socket("ok"), socket("undone"), socket("refuse")
	gone, stale, stranger := filepath.Join(dir, "gone"), filepath.Join(dir, "stale"), filepath.Join(dir, "stranger")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: stale, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	answerAnything(t, stranger)

	for _, tc := range []struct {
		args string
		code int
		next string // the next step
	}{
		{"status --control " + gone, 1, `no supervisor answers at .*/gone: .*; start it, or name its socket with --control`},
		{"reload --control " + gone, 1, `start it, or name its socket with --control`},
		{"scale 2 --control " + gone, 1, `start it, or name its socket with --control`},
		{"stop --control " + gone, 1, `start it, or name its socket with --control`},
		{"upgrade --control " + gone, 1, `start it, or name its socket with --control`},
		{"logs --control " + gone, 1, `start it, or name its socket with --control`},
		{"verify-reload --control " + gone, 1, `start it, or name its socket with --control`},
		{"why --state-dir off --control " + gone, 1, `start it, or name its socket with --control`},
		{"status --control " + stale, 1, `the socket was left by one that is gone; start it, or name its socket with --control`},
		{"status --control " + filepath.Join(dir, strings.Repeat("x", 120)), 1, `the system takes 107; start it, or name its socket with --control`},
		{"status --control " + stranger, 1, `is not a supervisor: .*; name its socket with --control`},
		{"status --control off", 2, `names no socket to talk to`},
		{"logs --worker 8 --control " + ok, 1, `worker 8: there is no such worker, .*; supervisor status lists those that there are, supervisor why those that died`},
		{"logs --worker 9 --control " + ok, 1, `run this again`},
		{"logs --worker x --control " + ok, 2, `supervisor status lists them`},
		{"why 8 --control " + ok, 1, `supervisor why lists what there is`},
		{"reload --wait --control " + undone, 1, `the old workers serve on; supervisor why .*, supervisor logs `},
		{"scale 0 --control " + ok, 2, `from 1 to 4096`},
		{"scale --control " + ok, 2, `supervisor scale N`},
		{"scale 3 --control " + refuse, 1, `a stop is under way`}, // as the supervisor says it
		{"verify-reload --url http://192.0.2.1", 2, `add --yes`},
		{"sttaus", 2, `did you mean status\?`},
		{"serve", 2, `a program to run as the worker comes after --: supervisor -- serve`},
		{"--wokers 3", 2, `did you mean --workers\?`},
		{"--nothing-like-it", 2, `see --help`},
		{"help nothing", 2, `see supervisor help`},
		{"completion tcsh", 2, `bash, zsh, fish`},
		{"check -- ./missing", 2, `worker command "./missing" does not exist`},
		{"check -- missing", 2, `put it on PATH, or give its path`},
		{"check --env-file " + gone, 2, `read env file .*/gone: no such file`},
		{"check --workers many", 2, `is not a number or auto`},
	} {
		var stderr strings.Builder
		code := Main(strings.Fields(tc.args), nil, nil, io.Discard, &stderr, nil)
		if code != tc.code || !regexp.MustCompile(tc.next).MatchString(stderr.String()) {
			t.Errorf("supervisor %s: exit code %d, want %d with %q:\n%s", tc.args, code, tc.code, tc.next, stderr.String())
		}
	}
}

// answerAnything is a server that is no supervisor.
func answerAnything(t *testing.T, path string) {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-done })
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				_, _ = c.Read(make([]byte, 4096))
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
				c.Close()
			}
		}
	}()
}
