package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tandem-go/tandem/test/harness"
)

// everybodys gives a directory and a copy of this program that every user can
// reach: go test has made both for its own user alone.
func everybodys(t *testing.T) (dir, program string) {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "tandem-e2e-user")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	b, err := os.ReadFile(self)
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir, writeFile(t, filepath.Join(dir, "worker"), string(b), 0o755)
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root: only root can run workers as another user")
	}
}

// TestUser: the workers are another user's, the supervisor is not, and
// everything goes on to work: readiness, logs, signals, reload, the death signal.
func TestUser(t *testing.T) {
	needRoot(t)
	t.Parallel()
	ctx := within(t)
	dir, program := everybodys(t)
	env := writeFile(t, filepath.Join(dir, "env"), "TAKEN=yes\n", 0o600) // the supervisor reads it, not they
	sock := filepath.Join(dir, "web.sock")
	c := foreign(harness.Config{
		Dir: dir, Bare: true,
		Args: []string{
			"--workers", "2", "--bake", "50ms", "--control", filepath.Join(dir, "control.sock"), "--env-file", env,
			"--user", "nobody", "--group", "4243", "--rlimit", "nofile=100", "--bind", "127.0.0.1:0", "--bind", "unix:" + sock,
		},
		Env: []string{"XDG_RUNTIME_DIR=/run/user/0"},
	}, "serve")
	c.Command = []string{program}
	s := launch(t, c)
	st := ready(ctx, t, s, 2)
	s.Addr = strings.TrimPrefix(st.Listeners[0], "tcp://")
	w := info(ctx, t, s)
	for name, want := range map[string]string{"USER": "nobody", "LOGNAME": "nobody", "TAKEN": "yes", "XDG_RUNTIME_DIR": ""} {
		if got, _ := w.env(name); got != want {
			t.Errorf("%s=%q, want %q", name, got, want)
		}
	}
	status := func(pid int, name string) string {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		for line := range strings.Lines(string(b)) {
			if rest, ok := strings.CutPrefix(line, name+":"); ok {
				return strings.Join(strings.Fields(rest), " ")
			}
		}
		return ""
	}
	for name, want := range map[string]string{"Gid": "4243 4243 4243 4243", "NoNewPrivs": "1", "CapEff": "0000000000000000"} {
		if got := status(w.PID, name); got != want {
			t.Errorf("the worker's %s: %q, want %q", name, got, want)
		}
	}
	if strings.HasPrefix(status(w.PID, "Uid"), "0") || !strings.HasPrefix(status(s.PID, "Uid"), "0 0 0 0") {
		t.Errorf("uids: worker %s, supervisor %s", status(w.PID, "Uid"), status(s.PID, "Uid"))
	}
	var file syscall.Stat_t
	if err := syscall.Stat(sock, &file); err != nil || file.Uid == 0 || file.Gid != 4243 {
		t.Errorf("the unix socket belongs to %d:%d, %v", file.Uid, file.Gid, err)
	}
	must(ctx, t, s, "reload", "--wait")
	st = ready(ctx, t, s, 2)
	for _, w := range st.Workers { // they cannot clean up: what is left was killed with the supervisor
		kill(t, w.PID, 0)
	}
	ask(ctx, t, s, "/write?n=1&text=as-nobody")
	if err := harness.Poll(ctx, "the worker's line", func() bool { return strings.Contains(s.Stdout.String(), "as-nobody") }); err != nil {
		t.Error(err)
	}
	signal(t, s, syscall.SIGKILL) // foreign workers get the stop signal from the kernel, another user's too
	if err := harness.Poll(ctx, "the end of the workers", func() bool { return len(s.Strays()) == 0 }); err != nil {
		t.Error(err)
	}
}

// What another user may not start is said by name, and is no endless loop.
func TestUserThatMayNotRunTheWorker(t *testing.T) {
	needRoot(t)
	t.Parallel()
	ctx := within(t)
	dir, program := everybodys(t)
	if err := os.Chmod(program, 0o700); err != nil {
		t.Fatal(err)
	}
	c := foreign(harness.Config{Dir: dir, Args: []string{"--workers", "1", "--user", "nobody"}}, "serve")
	c.Command = []string{program}
	s := launch(t, c)
	exits(ctx, t, s, 4)
	if want := "execute " + program + " as user nobody (uid "; !strings.Contains(s.Stderr.String(), want) {
		t.Errorf("want %s:\n%s", want, s.Stderr)
	}
	s = launch(t, harness.Config{Dir: dir, Args: []string{"--user", "no-such-user"}})
	exits(ctx, t, s, 2)
	if lines := s.Stderr.Lines(); len(lines) != 1 || !strings.Contains(lines[0], "no-such-user") {
		t.Errorf("%q", lines)
	}
}
