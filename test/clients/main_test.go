// Package clients asks a worker with the programs that its users have: curl, Python's
// httpx and websockets, Chromium. What they make of an answer counts, not what it looks
// like on the wire; that is the business of protocols and sockets beside it.
package clients

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/tandem-go/tandem/test/served"
)

func TestMain(m *testing.M) { served.Main(m) }

// patience bounds what one program may take.
const patience = 2 * time.Minute

// missing skips the test, but in CI, where what it needs has to be there.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is not installed; .ci/run installs it", what)
	}
	t.Skipf("%s is not installed", what)
}

// url is where a path of the server is.
func url(s *served.Server, path string) string {
	switch s.Mode {
	case served.TLS:
		return "https://localhost" + s.Addr[strings.LastIndex(s.Addr, ":"):] + path
	case served.Unix:
		return "http://localhost" + path
	default:
		return "http://" + s.Addr + path
	}
}

// run runs a program to its end, which has to be a good one, and has what it printed.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := try(t.Context(), name, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// try is run for who is not the test's goroutine.
func try(ctx context.Context, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %q: %w\n%s%s", name, args, err, tail(stdout.String()), tail(stderr.String()))
	}
	return stdout.String(), nil
}

func tail(s string) string { return s[max(0, len(s)-4000):] }
