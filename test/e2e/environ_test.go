package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/tandem-go/tandem/test/harness"
)

// TestEnvironmentOfAWorker looks at what a foreign worker is given, under a
// supervisor that itself runs below systemd.
func TestEnvironmentOfAWorker(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	up := listenNotify(t)
	s, st := serve(ctx, t, 1, foreign(harness.Config{
		Args: []string{"--timeout", "20s"},
		Env: []string{
			"NOTIFY_SOCKET=" + up.addr, "WATCHDOG_USEC=99000000", "SUPERVISOR_LOG_LEVEL=debug",
			"SUPERVISOR_SERVICE_HOST=10.0.0.1", "OF_THE_USER=kept", "WEB_CONCURRENCY=1",
		},
	}, "serve"))
	w := info(ctx, t, s)
	worker := st.Workers[0]
	if w.PID != worker.PID {
		t.Fatalf("worker %d answered, status says %d", w.PID, worker.PID)
	}
	for name, want := range map[string]string{
		"LISTEN_FDS":                   "1",
		"LISTEN_PID":                   strconv.Itoa(w.PID),
		"WATCHDOG_PID":                 strconv.Itoa(w.PID),
		"WATCHDOG_USEC":                "20000000",
		"TANDEM_WORKER_ID":             strconv.FormatUint(worker.ID, 10),
		"TANDEM_GENERATION":            "1",
		"TANDEM_WORKERS":               "1",
		"TANDEM_BOOT_TIMEOUT_USEC":     "30000000",
		"TANDEM_GRACEFUL_TIMEOUT_USEC": "30000000",
		"OF_THE_USER":                  "kept",
	} {
		if got, ok := w.env(name); got != want {
			t.Errorf("%s=%q (%v), want %q", name, got, ok, want)
		}
	}
	if names, ok := w.env("LISTEN_FDNAMES"); !ok || names == "" || strings.Contains(names, ":") {
		t.Errorf("LISTEN_FDNAMES=%q for one socket", names)
	}
	if addr, ok := w.env("NOTIFY_SOCKET"); !ok || addr == up.addr || addr == "" {
		t.Errorf("NOTIFY_SOCKET=%q, the supervisor's own is %q", addr, up.addr)
	}
	procs, _ := w.env("GOMAXPROCS")
	if n, err := strconv.Atoi(procs); err != nil || n < 1 || n > runtime.NumCPU() {
		t.Errorf("GOMAXPROCS=%q on %d CPUs", procs, runtime.NumCPU())
	}
	if limit, ok := w.env("GOMEMLIMIT"); !ok || limit == "" {
		t.Errorf("GOMEMLIMIT=%q", limit)
	}
	text, _ := w.env("TANDEM_FD")
	fd, err := strconv.Atoi(text)
	if err != nil || fd < 4 || fd-3 >= len(w.Names) || !strings.HasPrefix(w.Names[fd-3], "socket:") {
		t.Errorf("TANDEM_FD=%q, descriptors from 3: %v", text, w.Names)
	}
	if !strings.HasPrefix(w.Names[0], "socket:") || !w.NonBlock {
		t.Errorf("descriptor 3: %s, O_NONBLOCK %v", w.Names[0], w.NonBlock)
	}
	for _, kv := range w.Environ {
		if strings.HasPrefix(kv, "SUPERVISOR_") && !strings.HasPrefix(kv, "SUPERVISOR_SERVICE_HOST=") {
			t.Errorf("the supervisor's own setting leaks: %s", kv)
		}
	}
	if w.Group != w.PID {
		t.Errorf("worker %d is in process group %d", w.PID, w.Group)
	}
	if len(w.Args) != 1 || w.Args[0] != self {
		t.Errorf("arguments %q", w.Args)
	}
}

// TestDescriptorsOfAWorker: a program that opens nothing itself has its three
// streams, the listener and the channel, and no more.
func TestDescriptorsOfAWorker(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	// ls has one more: the directory that it lists.
	s := launch(t, harness.Config{
		Args:    []string{"--workers", "1", "--log-format", "text"},
		Command: []string{"sh", "-c", "ls /proc/self/fd/ | while read n; do echo fd=$n; done; exit 1"},
	})
	exits(ctx, t, s, 3)
	var fds []string
	for _, line := range s.Stdout.Lines() {
		if i := strings.Index(line, "fd="); i >= 0 {
			fds = append(fds, strings.TrimSpace(line[i+3:]))
		}
	}
	// Three starts, each with 0 to 4 and the directory.
	if got := strings.Join(fds, " "); got != strings.TrimSpace(strings.Repeat("0 1 2 3 4 5 ", 3)) {
		t.Errorf("descriptors %s\n%s", got, s.Stdout)
	}
}

func TestEnvFile(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	path := writeFile(t, filepath.Join(t.TempDir(), "env"), "# a comment\nFIRST=one\nQUOTED=\"two words\"\nTAKEN=from the file\nSUPERVISOR_LOG_LEVEL=debug\n", 0o600)
	s, _ := serve(ctx, t, 1, foreign(harness.Config{Args: []string{"--env-file", path}, Env: []string{"TAKEN=from outside"}}, "serve"))
	check := func(want map[string]string) {
		t.Helper()
		w := info(ctx, t, s)
		for name, v := range want {
			if got, ok := w.env(name); got != v || ok != (v != "") {
				t.Errorf("%s=%q, want %q", name, got, v)
			}
		}
	}
	check(map[string]string{"FIRST": "one", "QUOTED": "two words", "TAKEN": "from outside", "SUPERVISOR_LOG_LEVEL": ""})
	writeFile(t, path, "SECOND=three\n", 0o600)
	must(ctx, t, s, "reload", "--wait")
	ready(ctx, t, s, 1)
	check(map[string]string{"FIRST": "", "QUOTED": "", "SECOND": "three"})

	// A setting of the supervisor that a reload cannot change is refused by name.
	writeFile(t, path, "SUPERVISOR_SURGE=3\n", 0o600)
	if res := command(ctx, t, s, "reload", "--wait"); res.Code != 1 || !strings.Contains(res.Stdout+res.Stderr, "SURGE") && !strings.Contains(res.Stdout+res.Stderr, "surge") {
		t.Errorf("reload with another surge: exit %d\n%s%s", res.Code, res.Stdout, res.Stderr)
	}
	check(map[string]string{"SECOND": "three"})
	// Workers follow.
	s2path := filepath.Join(t.TempDir(), "env")
	writeFile(t, s2path, "SUPERVISOR_WORKERS=1\n", 0o600)
	s2 := launch(t, foreign(harness.Config{Args: []string{"--env-file", s2path, "--bake", "50ms"}}, "serve"))
	ready(ctx, t, s2, 1)
	writeFile(t, s2path, "SUPERVISOR_WORKERS=3\n", 0o600)
	must(ctx, t, s2, "reload", "--wait")
	ready(ctx, t, s2, 3)
}

func TestUmaskChdirPidFile(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	dir := t.TempDir()
	there := filepath.Join(dir, "there")
	if err := os.Mkdir(there, 0o700); err != nil {
		t.Fatal(err)
	}
	pid := filepath.Join(dir, "supervisor.pid")
	s, _ := serve(ctx, t, 1, foreign(harness.Config{
		Args: []string{"--umask", "027", "--chdir", there, "--pid-file", pid},
	}, "serve"))
	w := info(ctx, t, s)
	if w.Umask != 0o27 {
		t.Errorf("umask %#o", w.Umask)
	}
	if w.Slack != 1_000_000 {
		t.Errorf("timer slack %d ns", w.Slack)
	}
	if w.Dir != there {
		t.Errorf("directory %s", w.Dir)
	}
	if b, err := os.ReadFile(pid); err != nil || strings.TrimSpace(string(b)) != fmt.Sprint(s.PID) {
		t.Errorf("pid file: %q, %v, want %d", b, err, s.PID)
	}
	signal(t, s, syscall.SIGTERM)
	exits(ctx, t, s, 0)
	if !missing(pid) {
		t.Error("pid file left")
	}
}
