package harness

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// Limit bounds one test; it is generous because the machine may be busy.
const Limit = 60 * time.Second

// Within gives a context that ends with the test, or after a minute.
func Within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Limit)
	t.Cleanup(cancel)
	return ctx
}

// Launch starts a supervisor that is closed, with all that is below it, at the
// end of the test, in a directory of the test's own unless c names one. A data
// race that a build with the race detector reports fails the test.
func Launch(t testing.TB, c Config) *Supervisor {
	t.Helper()
	if c.Dir == "" {
		c.Dir = t.TempDir()
	}
	s, err := Start(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if strings.Contains(s.Stderr.String(), "DATA RACE") {
			t.Error("a data race in the programs under test")
		}
		if t.Failed() {
			if warnings := s.Stderr.Warnings(60); warnings != "" {
				t.Logf("supervisor's stderr has the warnings and errors:\n%s", warnings)
			}
			t.Logf("supervisor's stderr ends:\n%s", s.Stderr.Tail(40))
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Serve launches a supervisor and waits until its n workers are ready.
func Serve(ctx context.Context, t testing.TB, n int, c Config) (*Supervisor, Status) {
	t.Helper()
	s := Launch(t, c)
	st, err := s.Ready(ctx, n)
	if err != nil {
		t.Fatal(err)
	}
	return s, st
}

// Needs skips the test where a program of a Debian package is missing: where check,
// a command line, fails. In CI (the variable CI is set) the test fails.
func Needs(t testing.TB, pkg string, check ...string) {
	t.Helper()
	if exec.Command(check[0], check[1:]...).Run() == nil {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is not installed: .ci/run should have done that", pkg)
	}
	t.Skipf("%s is not installed (apt-get install %s)", pkg, pkg)
}
