package main

import (
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tandem-go/tandem/internal/upgrade"
)

func TestThePidFileOfALiveSupervisorIsNotReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pid")
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	// Another process of this very program.
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	twin := exec.CommandContext(t.Context(), self, "-test.run=^TestTwin$")
	twin.Env = append(os.Environ(), "TWIN=1")
	out, err := twin.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := twin.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := twin.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { in.Close(); _ = twin.Wait() }()
	if _, err := out.Read(make([]byte, 1)); err != nil { // it runs
		t.Fatal(err)
	}
	write(fmt.Sprintln(twin.Process.Pid))
	if _, err := writePID(path); err == nil || !strings.Contains(err.Error(), fmt.Sprint(twin.Process.Pid)) {
		t.Errorf("a live one: %v", err)
	}
	for name, content := range map[string]string{
		"another program's": "1\n", "its own": fmt.Sprintln(os.Getpid()), "nobody's": "4194304\n", "garbage": "x\n", "empty": "",
	} {
		write(content)
		remove, err := writePID(path)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if b, err := os.ReadFile(path); err != nil || string(b) != fmt.Sprintln(os.Getpid()) {
			t.Errorf("%s: the file has %q, %v", name, b, err)
		}
		remove()
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Errorf("%s: the file stayed: %v", name, err)
		}
	}
	remove, err := writePID(path)
	if err != nil {
		t.Fatal(err)
	}
	write("1\n")
	remove()
	if _, err := os.Stat(path); err != nil {
		t.Errorf("somebody else's file was removed: %v", err)
	}
}

// TestTwin is the other process: it runs until its input ends.
func TestTwin(t *testing.T) {
	if os.Getenv("TWIN") == "" {
		return
	}
	os.Stdout.WriteString(".")
	_, _ = os.Stdin.Read(make([]byte, 1))
}

// In the place of another program the file is right, and what keeps it from being
// written does not keep the service from going on.
func TestThePidFileInTheTakeOver(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	path := filepath.Join(t.TempDir(), "pid")
	if err := os.WriteFile(path, []byte(fmt.Sprintln(os.Getpid())), 0o644); err != nil {
		t.Fatal(err)
	}
	was, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	remove, err := pidFile(path, new(upgrade.Taken), log)
	if err != nil {
		t.Fatal(err)
	}
	if is, err := os.Stat(path); err != nil || !os.SameFile(was, is) {
		t.Errorf("it was written again: %v", err)
	}
	remove()
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the file stayed: %v", err)
	}
	if remove, err = pidFile(path, new(upgrade.Taken), log); err != nil || !isOurs(path) {
		t.Errorf("one that was gone was not written: %v", err)
	}
	remove()
	if remove, err = pidFile(filepath.Join(path, "nowhere"), new(upgrade.Taken), log); err != nil {
		t.Errorf("it ends the service: %v", err)
	}
	remove()
}
