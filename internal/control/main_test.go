package control

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

// The test binary is also the other process that some tests need: see helper.
func TestMain(m *testing.M) {
	switch os.Getenv("CONTROL_TEST_HELPER") {
	case "":
		goleak.VerifyTestMain(m)
	case "listen": // hold a socket until stdin ends
		s, err := Listen(os.Getenv("CONTROL_TEST_PATH"))
		fmt.Println("listening:", err)
		_, _ = io.Copy(io.Discard, os.Stdin)
		if err == nil && os.Getenv("CONTROL_TEST_CRASH") == "" {
			s.Close()
		}
	case "ask": // ask for the status, through a file that lets everybody in
		_, err := NewClient(os.Getenv("CONTROL_TEST_PATH")).Status(tContext())
		fmt.Println("answer:", err)
	}
}

// helper starts this binary in one of its other roles. Its stdin is open until
// end is called, which waits for it.
func helper(t *testing.T, role, path string, uid uint32, env ...string) (pid int, output io.Reader, end func()) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if uid != 0 { // the test binary's directory may be closed to others
		exe = openExecutable(t, exe)
	}
	cmd := exec.Command(exe)
	// The race detector would let each process linger for a second.
	cmd.Env = append(os.Environ(), append(env, "GORACE=atexit_sleep_ms=0", "CONTROL_TEST_HELPER="+role, "CONTROL_TEST_PATH="+path)...)
	cmd.Stderr = os.Stderr
	if uid != 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	end = func() {
		if !ended {
			ended = true
			in.Close()
			_, _ = io.Copy(io.Discard, out)
			if err := cmd.Wait(); err != nil {
				t.Errorf("helper %s: %v", role, err)
			}
		}
	}
	t.Cleanup(end)
	return cmd.Process.Pid, out, end
}

func openExecutable(t *testing.T, exe string) string {
	t.Helper()
	data, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(publicDir(t), "helper")
	if err := os.WriteFile(path, data, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// publicDir is a directory that everybody may enter, and short enough for a
// socket.
func publicDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "control")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func readLine(t *testing.T, r io.Reader) string {
	t.Helper()
	var line strings.Builder
	b := make([]byte, 1)
	for {
		if _, err := r.Read(b); err != nil {
			t.Fatalf("the helper said %q and ended: %v", line.String(), err)
		}
		if b[0] == '\n' {
			return line.String()
		}
		line.WriteByte(b[0])
	}
}

// openFiles counts the descriptors of this process.
func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func dial(t *testing.T, path string) net.Conn {
	t.Helper()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}
