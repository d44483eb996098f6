package docs

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/tandem-go/tandem/test/harness"
)

// built is what programs has made, "" before.
var built string

// programs builds supervisor and app as make build does, once, and gives the directory that has them.
var programs = sync.OnceValues(func() (dir string, err error) {
	if dir, err = os.MkdirTemp("", "docs"); err != nil {
		return "", err
	}
	built = dir
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", dir, "./cmd/supervisor", "./cmd/app")
	build.Dir, build.Env = "../..", append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return dir, fmt.Errorf("%w\n%s", err, out)
	}
	return dir, nil
})

func TestMain(m *testing.M) {
	// The pages' commands wait most of the time, each for a supervisor of its own: for workers to bake, to drain, for clients.
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		_ = f.Value.Set("8")
	}
	code := m.Run()
	_ = os.RemoveAll(built) // which "" makes nothing
	os.Exit(code)
}

// newcomer is the environment of somebody with an empty home, Go's caches, a linker that leaves out what is for debuggers
// alone, as that takes it a third of its time, no network, and ports of their own, which
// stand for 8000 and 9000.
func newcomer(t *testing.T, path string) (env []string, own addresses) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", "GOCACHE", "GOMODCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	caches := strings.Fields(string(out))
	home := t.TempDir()
	own = freeAddresses(t)
	return []string{
		"PATH=" + path + ":" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + os.TempDir(), "XDG_RUNTIME_DIR=" + home,
		"LC_ALL=C.UTF-8", "GOCACHE=" + caches[0], "GOMODCACHE=" + caches[1], "GOFLAGS=-trimpath -ldflags=-w", "GOPROXY=off", "GOSUMDB=off",
		"GOTOOLCHAIN=local", "GOENV=off", "SUPERVISOR_BIND=" + own.service,
		"SUPERVISOR_LOG_FORMAT=text", // as on a terminal
	}, own
}

// TestTutorial does what docs/tutorial.md says, from the second step on.
func TestTutorial(t *testing.T) {
	t.Parallel()
	harness.Needs(t, "curl", "curl", "--version")
	bin, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	repository, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	// In the tutorial it lies in the checkout, and finds the source by itself.
	path := t.TempDir()
	script := fmt.Sprintf("#!/bin/bash\n[ \"$1\" != new ] || set -- \"$@\" --source '%s'\nexec '%s/supervisor' \"$@\"\n", repository, bin)
	if err := os.WriteFile(filepath.Join(path, "supervisor"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	env, own := newcomer(t, path)
	open(t, t.TempDir(), env).follow("docs/tutorial.md", own)
}

// TestReadme does what README.md says in a copy of this checkout.
func TestReadme(t *testing.T) {
	t.Parallel()
	harness.Needs(t, "curl", "curl", "--version")
	env, own := newcomer(t, "/nowhere")
	dir := filepath.Join(t.TempDir(), "tandem")
	copyCheckout(t, dir)
	open(t, dir, env).follow("README.md", own)
}

// TestShop does what examples/shop/README.md says, there, in a copy of this checkout.
func TestShop(t *testing.T) {
	t.Parallel()
	harness.Needs(t, "curl", "curl", "--version")
	bin, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	env, own := newcomer(t, "/nowhere")
	dir := filepath.Join(t.TempDir(), "tandem")
	copyCheckout(t, dir)
	if err := os.CopyFS(filepath.Join(dir, "bin"), os.DirFS(bin)); err != nil { // make build
		t.Fatal(err)
	}
	open(t, filepath.Join(dir, "examples/shop"), env).follow("examples/shop/README.md", own)
}

// copyCheckout copies the files of this checkout that git knows, or would.
func copyCheckout(t *testing.T, to string) {
	t.Helper()
	if err := os.MkdirAll(to, 0o755); err != nil {
		t.Fatal(err)
	}
	pack := exec.CommandContext(t.Context(), "bash", "-o", "pipefail", "-c",
		`git ls-files -z --cached --others --exclude-standard | tar --null --ignore-failed-read -T - -cf - 2>/dev/null | tar -C "$1" -xf -`, "bash", to)
	pack.Dir = "../.."
	if out, err := pack.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// TestCommandsOnAService does to the reference application what these pages do to a service.
func TestCommandsOnAService(t *testing.T) {
	t.Parallel()
	harness.Needs(t, "curl", "curl", "--version")
	bin, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	env, own := newcomer(t, bin)
	s := open(t, t.TempDir(), env)
	s.beside("the service", "exec supervisor --workers 2")
	err = harness.Poll(s.ctx, "the service", func() bool {
		_, err := s.do("supervisor status | grep '^state *running'")
		return err == nil
	})
	if err != nil {
		s.fail("%v", err)
	}
	service := s.others[0]
	s.others = nil // it goes on over the pages
	for _, page := range []string{"docs/status.md", "docs/verify-reload.md", "docs/upgrade.md"} {
		s.follow(page, own)
	}
	s.others = []*other{service}
	if printed, err := s.do("supervisor stop"); err != nil {
		s.fail("%v: %s", err, printed)
	}
	<-service.done
	if service.err != nil {
		s.fail("the service: %v", service.err)
	}
}
