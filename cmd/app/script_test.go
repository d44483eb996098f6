package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts runs the commands as a person would type them: without a database, and on one of each kind.
func TestScripts(t *testing.T) {
	runScripts(t, "testdata/script", nil)
	onEach(t, func(t *testing.T, u databaseURL) {
		dialect := "sqlite"
		if u.file() == "" {
			dialect = "postgres"
		}
		runScripts(t, "testdata/script/database", map[string]string{"APP_DATABASE_URL": string(u), "DIALECT": dialect})
	})
}

func runScripts(t *testing.T, dir string, vars map[string]string) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.Symlink(self, filepath.Join(bin, "app")); err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", bin+string(filepath.ListSeparator)+e.Getenv("PATH"))
			e.Setenv(runAsApp, "1")
			e.Setenv("GORACE", "atexit_sleep_ms=0") // the detector's exit takes a second otherwise
			for name, value := range vars {
				e.Setenv(name, value)
			}
			return nil
		},
	})
}
