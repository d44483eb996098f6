package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/tandem-go/tandem/test/harness"
	"github.com/tandem-go/tandem/worker"
)

// helperStart is how the Tandem helper's database starts: "refused", "hangs", "panics".
const helperStart = "E2E_START"

var helpersDatabase = worker.Lifespan("database", func(ctx context.Context) (worker.StopFunc, error) {
	switch os.Getenv(helperStart) {
	case "refused":
		return nil, errors.New("connection refused")
	case "hangs":
		<-ctx.Done()
		return nil, ctx.Err()
	case "panics":
		panic("no such table")
	}
	return func(context.Context) error {
		_, err := fmt.Println("the database is closed")
		return err
	}, nil
})

var badStarts = map[string]string{
	"refused": "worker: start database: connection refused",
	"hangs":   "worker: start database: not done within",
	"panics":  "worker: start database: panic: no such table",
}

// TestAWorkerThatDoesNotStartIsNeverReady: the supervisor gives up, and the reason is in what it said.
func TestAWorkerThatDoesNotStartIsNeverReady(t *testing.T) {
	t.Parallel()
	for how, reason := range badStarts {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			ctx := within(t)
			c := foreign(harness.Config{Args: []string{"--workers", "1", "--boot-timeout", "12s"}}, "tandem")
			c.Env = append(c.Env, helperStart+"="+how)
			s := launch(t, c)
			exits(ctx, t, s, 3)
			if n := strings.Count(s.Stderr.String(), reason); n != 3 {
				t.Errorf("%q is there %d times in:\n%s", reason, n, s.Stderr)
			}
		})
	}
}

// TestAReloadWhoseWorkersDoNotStartIsUndone, with the reason wherever one looks
// for it. What did start is stopped when the service is.
func TestAReloadWhoseWorkersDoNotStartIsUndone(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	env := writeFile(t, filepath.Join(t.TempDir(), "env"), helperMode+"=tandem\n", 0o600)
	s, before := serve(ctx, t, 2, harness.Config{Command: []string{self}, Args: []string{"--env-file", env, "--boot-timeout", "6s"}})
	failed := 0
	for how, reason := range badStarts {
		failed++
		writeFile(t, env, helperMode+"=tandem\n"+helperStart+"="+how+"\n", 0o600)
		if res := command(ctx, t, s, "reload", "--wait"); res.Code != 1 || !strings.Contains(res.Stdout+res.Stderr, reason) {
			t.Errorf("reload --wait: exit %d:\n%s%s", res.Code, res.Stdout, res.Stderr)
		}
		newest := why(ctx, t, s, failed).Records[0].ID
		for _, args := range [][]string{{"status"}, {"why", newest}} {
			if res := must(ctx, t, s, args...); !strings.Contains(res.Stdout, reason) {
				t.Errorf("%s does not say %q:\n%s", args, reason, res.Stdout)
			}
		}
		if st := ready(ctx, t, s, 2); !slices.Equal(harness.PIDs(before.Workers), harness.PIDs(st.Workers)) {
			t.Errorf("workers were %v and are %v", harness.PIDs(before.Workers), harness.PIDs(st.Workers))
		}
	}
	signal(t, s, syscall.SIGTERM)
	exits(ctx, t, s, 0)
	if n := strings.Count(s.Stdout.String(), "the database is closed"); n != 2 {
		t.Errorf("%d workers have closed their database:\n%s", n, s.Stdout)
	}
}
