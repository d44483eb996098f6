package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// full makes a pipe that takes no more and that nobody reads.
func full(t *testing.T) *os.File {
	t.Helper()
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	r, w := os.NewFile(uintptr(fds[0]), "unread"), os.NewFile(uintptr(fds[1]), "full")
	t.Cleanup(func() { _ = r.Close(); _ = w.Close() })
	var err error
	for err == nil {
		_, err = unix.Write(fds[1], make([]byte, 4096))
	}
	if err != unix.EAGAIN {
		t.Fatal(err)
	}
	// As a shell hands it on.
	if err := unix.SetNonblock(fds[1], false); err != nil {
		t.Fatal(err)
	}
	return w
}

// The log is lost with its reader, the exit is not.
func TestAReaderThatStandsStillDoesNotHoldAnExit(t *testing.T) {
	t.Parallel()
	ctx := within(t)
	dir := t.TempDir()
	up := filepath.Join(dir, "up")
	if err := unix.Mkfifo(up, 0o600); err != nil {
		t.Fatal(err)
	}
	out := full(t)
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "supervisor"), "--control", "off", "--state-dir", "off", "--workers", "1", "--bind", "127.0.0.1:0",
		"--", "/bin/sh", "-c", `: >"$0"; exec sleep 1000`, up)
	cmd.Stdout, cmd.Stderr, cmd.Dir = out, out, dir
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	worker, err := os.Open(up) // waits for the worker
	if err != nil {
		t.Fatal(err)
	}
	defer worker.Close()
	began := time.Now()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	// It waits five seconds for the reader, and says what was lost if it can.
	if err := cmd.Wait(); err != nil {
		t.Errorf("the end after %v: %v", time.Since(began), err)
	}
}
