package docs

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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
	port, admin := freePort(t), freePort(t)
	own := strings.NewReplacer("127.0.0.1:8000", "127.0.0.1:"+port, "127.0.0.1:9000", "127.0.0.1:"+admin)

	var script strings.Builder
	all, last := blocks(page(t, "operations.md")), 0
	prints := map[int]string{}
	script.WriteString("set -euo pipefail\n")
	for _, b := range all {
		switch b.mark {
		case isRun, isWritten:
			last = b.line
			content := b.content
			if b.mark != isRun {
				content = fmt.Sprintf(written, content)
			}
			fmt.Fprintf(&script, "echo '== %d'\n%s", b.line, own.Replace(content))
		case isPrinted:
			prints[last] = b.content
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
	number := regexp.MustCompile(`\d+(\.\d+)?`) // of a worker, of a machine's CPUs
	for at, want := range prints {
		for line := range strings.Lines(want) {
			if line = strings.TrimSpace(line); !strings.Contains(number.ReplaceAllString(printed[at], "N"), number.ReplaceAllString(line, "N")) {
				t.Errorf("docs/operations.md:%d does not print %q but\n%s", at, line, printed[at])
			}
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

func freePort(t *testing.T) string {
	t.Helper()
	port, err := harness.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return strconv.Itoa(port)
}

func tail(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
