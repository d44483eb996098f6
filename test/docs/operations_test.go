package docs

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tandem-go/tandem/internal/pgtest"
	"github.com/tandem-go/tandem/test/harness"
)

// written surrounds a block by a client that makes posts as fast as it can: some before, some
// meanwhile, at least one after. A post that fails ends it, and the script.
const written = `exec 3< <(while curl -fsS -o /dev/null http://127.0.0.1:8000/posts/ --json '{"title":"Meanwhile","tag":"howto"}'; do echo written; done)
writer=$!
read -u 3; read -u 3; read -u 3
%s
read -u 3
kill $writer
exec 3<&-
`

// demonstration is how many posts there are before any is written.
const demonstration = 50

// TestOperations does to a service all that docs/operations.md says, in its order.
func TestOperations(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"sqlite3", "curl", "psql"} {
		harness.Needs(t, program, program, "--version")
	}
	url := pgtest.URL(t)
	dir, bin := t.TempDir(), t.TempDir() // of its own: the page replaces both programs
	built, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(bin, os.DirFS(built)); err != nil {
		t.Fatal(err)
	}
	own := freeAddresses(t)

	var script strings.Builder
	all, last := blocks(page(t, "operations.md")), 0
	prints := map[int]block{}
	script.WriteString("set -euo pipefail\n")
	for _, b := range all {
		switch {
		case b.mark == isRun, b.mark == isWritten:
			last = b.line
			content := b.content
			if b.mark != isRun {
				content = fmt.Sprintf(written, content)
			}
			fmt.Fprintf(&script, "echo '== %d'\n%s", b.line, own.here(content))
		case b.prints() == isPrinted:
			prints[last] = b
		}
	}
	output, err := bash(t, dir, script.String(), "PATH="+bin+":"+os.Getenv("PATH"), "HOME="+dir, "DATABASE_URL="+url)
	printed := map[int]string{}
	for _, part := range strings.Split(output, "== ")[1:] {
		at, text, _ := strings.Cut(part, "\n")
		if n, err := strconv.Atoi(at); err == nil {
			printed[n], last = text, n
		}
	}
	if err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "tandem.log"))
		t.Fatalf("docs/operations.md:%d: %v, after\n%s\nlog:\n%s", last, err, printed[last], tail(string(log), 20))
	}
	for at, b := range prints {
		want, err := expect(b)
		if err != nil {
			t.Errorf("docs/operations.md:%d: %v", b.line, err)
		}
		if line := want.missing(own.there(printed[at])); line != "" {
			t.Errorf("docs/operations.md:%d does not print %q but\n%s", at, line, printed[at])
		}
	}
	// What is in the copy was written while it was made, and is what the restored file has.
	for _, name := range []string{"backup.db", "quick.db", "var/app.db"} {
		res, err := harness.Run(t.Context(), "sqlite3", dir, nil, name, "SELECT count(*) FROM posts")
		if n, bad := strconv.Atoi(strings.TrimSpace(res.Stdout)); err != nil || bad != nil || n <= demonstration {
			t.Errorf("%s has %q posts, %v %s", name, res.Stdout, err, res.Stderr)
		}
	}
	if testing.Verbose() {
		t.Log(output)
	}
}

// bash runs a script to its end, with all that it has started.
func bash(t *testing.T, dir, script string, env ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, "bash", "-c", script)
	cmd.Dir, cmd.Env = dir, append(env, "TMPDIR="+os.TempDir(), "LC_ALL=C.UTF-8")
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	err := cmd.Run()
	if cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // the supervisor, where the script has ended early
	}
	return out.String(), err
}

// addresses are a test's own, in the place of those in the pages: 127.0.0.1:8000 and, for --admin, 127.0.0.1:9000.
type addresses struct{ service, admin string }

func freeAddresses(t *testing.T) addresses {
	t.Helper()
	var ports [2]int
	for i := range ports {
		var err error
		if ports[i], err = harness.FreePort(); err != nil {
			t.Fatal(err)
		}
	}
	return addresses{fmt.Sprintf("127.0.0.1:%d", ports[0]), fmt.Sprintf("127.0.0.1:%d", ports[1])}
}

// here makes a page's commands the test's.
func (a addresses) here(commands string) string {
	return strings.NewReplacer("127.0.0.1:8000", a.service, "127.0.0.1:9000", a.admin).Replace(commands)
}

// there makes what a test has printed the page's.
func (a addresses) there(printed string) string {
	return strings.NewReplacer(a.service, "127.0.0.1:8000", a.admin, "127.0.0.1:9000").Replace(printed)
}

func tail(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
