package main

import (
	"errors"
	"os/exec"
	"testing"

	"github.com/tandem-go/tandem/internal/pgtest"
)

// TestTheCommandHasADatabase, and its exit code is what comes back.
func TestTheCommandHasADatabase(t *testing.T) {
	pgtest.URL(t) // skips where there is none
	const variable = "WITH_TEST_URL"
	if err := run(variable, []string{"sh", "-c", `test "${WITH_TEST_URL#postgres://}" != "$WITH_TEST_URL"`}); err != nil {
		t.Error(err)
	}
	err := run(variable, []string{"sh", "-c", "exit 3"})
	if ended, ok := errors.AsType[*exec.ExitError](err); !ok || ended.ExitCode() != 3 {
		t.Error(err)
	}
	if err := run(variable, []string{"./no-such-command"}); err == nil {
		t.Error("a command that is not there was run")
	}
}
