package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// The scripts are modules of users, outside of this one, that require it. The
// command is the real one: go vet runs it again, by its path. No network is used.
func TestScripts(t *testing.T) {
	repository, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("build tandemvet: %v\n%s", err, out)
	}
	places := strings.Fields(output(t, "go", "env", "GOCACHE", "GOMODCACHE", "GOROOT"))
	if len(places) != 3 {
		t.Fatalf("go env says %q", places)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", bin+string(filepath.ListSeparator)+filepath.Join(places[2], "bin")+string(filepath.ListSeparator)+e.Getenv("PATH"))
			e.Setenv("VETTOOL", filepath.Join(bin, "tandemvet"))
			e.Setenv("GOCACHE", places[0])
			e.Setenv("GOMODCACHE", places[1])
			e.Setenv("GOPROXY", "off")
			e.Setenv("GOSUMDB", "off")
			e.Setenv("GOWORK", "off")
			e.Setenv("GOFLAGS", "-mod=mod -buildvcs=false")
			return userModule(e.WorkDir, repository)
		},
	})
}

func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).Output()
	if err != nil {
		t.Fatalf("%s %q: %v", name, args, err)
	}
	return string(out)
}

// userModule makes dir a module that uses the repository.
func userModule(dir, repository string) error {
	sums, err := os.ReadFile(filepath.Join(repository, "go.sum"))
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "go.sum"), sums, 0o600); err != nil {
		return err
	}
	mod := fmt.Sprintf("module example.com/site\n\ngo 1.26.0\n\nrequire github.com/tandem-go/tandem v0.0.0\n\nreplace github.com/tandem-go/tandem => %s\n", repository)
	return os.WriteFile(filepath.Join(dir, "go.mod"), []byte(mod), 0o600)
}
