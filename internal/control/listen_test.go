package control

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func mustListen(t *testing.T, path string) *Server {
	t.Helper()
	s, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestListenModes(t *testing.T) {
	dir := publicDir(t)
	path := filepath.Join(dir, "made", "s")
	defer unix.Umask(unix.Umask(0))
	mustListen(t, path)
	for path, want := range map[string]fs.FileMode{filepath.Dir(path): fs.ModeDir | 0o700, path: fs.ModeSocket | 0o600} {
		info, err := os.Lstat(path)
		if err != nil || info.Mode() != want {
			t.Errorf("%s has mode %v (%v), want %v", path, info.Mode(), err, want)
		}
	}
}

func TestListenKeepsADirectoryThatIsThere(t *testing.T) {
	dir := publicDir(t)
	mustListen(t, filepath.Join(dir, "s"))
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("the directory's mode is %v (%v)", info.Mode(), err)
	}
}

// A live socket is never replaced, and the error says which process holds it.
func TestListenInUse(t *testing.T) {
	path := filepath.Join(publicDir(t), "s")
	pid, out, end := helper(t, "listen", path, 0)
	if line := readLine(t, out); line != "listening: <nil>" {
		t.Fatal(line)
	}
	_, err := Listen(path)
	var inUse *InUseError
	if !errors.As(err, &inUse) || inUse.PID != pid || inUse.Path != path {
		t.Fatalf("%v (%#v), want process %d", err, inUse, pid)
	}
	want := fmt.Sprintf("control socket %s is held by process %d: a supervisor runs there already; stop it, or give this one another socket with --control", path, pid)
	if err.Error() != want {
		t.Errorf("got  %s\nwant %s", err, want)
	}
	end()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Close left the file: %v", err)
	}
	mustListen(t, path)
}

func TestListenReplacesAStaleSocket(t *testing.T) {
	path := filepath.Join(publicDir(t), "s")
	_, out, end := helper(t, "listen", path, 0, "CONTROL_TEST_CRASH=1")
	readLine(t, out)
	end()
	if _, err := os.Lstat(path); err != nil {
		t.Fatalf("the crashed process left no socket: %v", err)
	}
	mustListen(t, path)
}

// A queue that is full is a sign of life, though nobody can be asked.
func TestListenFullQueue(t *testing.T) {
	path := filepath.Join(publicDir(t), "s")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrUnix{Name: path}), unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	dial(t, path)
	_, err = Listen(path)
	var inUse *InUseError
	if !errors.As(err, &inUse) || inUse.PID != 0 || !strings.Contains(err.Error(), "held by another process") {
		t.Fatalf("%v", err)
	}
}

func TestListenRefusals(t *testing.T) {
	dir := publicDir(t)
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	long := filepath.Join(dir, strings.Repeat("x", 108))
	for path, want := range map[string]string{
		file:               "what is there is not a socket and is left alone: remove it, or choose another path with --control",
		file + "/s":        "open directory " + file + ": not a directory",
		dir + "/a/b/c":     "make directory " + dir + "/a/b: no such file or directory",
		long:               fmt.Sprintf("the path has %d bytes and the system takes 107; choose a shorter one with --control", len(long)),
		"/proc/nowhere/s":  "make directory /proc/nowhere: no such file or directory",
		"/proc/self/net/s": "",
	} {
		_, err := Listen(path)
		var inUse *InUseError
		if err == nil || errors.As(err, &inUse) || !strings.HasPrefix(err.Error(), "make control socket "+path+": "+want) {
			t.Errorf("%v\nwant make control socket %s: %s", err, path, want)
		}
	}
	if data, err := os.ReadFile(file); string(data) != "precious" {
		t.Errorf("the file that is no socket holds %q (%v)", data, err)
	}
}

// Of many that start at once one wins, and the others name it.
func TestListenRace(t *testing.T) {
	path := filepath.Join(publicDir(t), "dir", "s")
	before := openFiles(t)
	for range 5 {
		var mu sync.Mutex
		var won []*Server
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				s, err := Listen(path)
				var inUse *InUseError
				if err != nil && !errors.As(err, &inUse) {
					t.Error(err)
				}
				if err == nil {
					mu.Lock()
					defer mu.Unlock()
					won = append(won, s)
				}
			})
		}
		all.Wait()
		if len(won) != 1 {
			t.Errorf("%d hold the socket", len(won))
		}
		for _, s := range won {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	if after := openFiles(t); after != before {
		t.Errorf("%d files are open, %d were before", after, before)
	}
}

func TestCloseLeavesWhatIsAnothers(t *testing.T) {
	path := filepath.Join(publicDir(t), "s")
	ours := mustListen(t, path)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	theirs, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	for range 2 {
		if err := ours.Close(); err != nil {
			t.Error(err)
		}
	}
	dial(t, path)
}

func TestCloseWithoutItsDirectory(t *testing.T) {
	dir := filepath.Join(publicDir(t), "d")
	s := mustListen(t, filepath.Join(dir, "s"))
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// The directory that anybody could have made first is looked at before use, by
// the server and by the client.
func TestFallbackDirectory(t *testing.T) {
	parent := publicDir(t)
	defer func(was string) { fallback = was }(fallback)
	fallback = filepath.Join(parent, "tandem")
	path := filepath.Join(fallback, "s")

	refused := func(why string) {
		t.Helper()
		s, err := Listen(path)
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("server: %v, want %s", err, why)
		}
		_, err = NewClient(path).Status(t.Context())
		if err == nil || !strings.Contains(err.Error(), "will not talk to what is at "+path) {
			t.Errorf("client: %v", err)
		}
	}
	mustListen(t, path).Close()
	if info, err := os.Stat(fallback); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v (%v)", info.Mode(), err)
	}
	if err := os.Chmod(fallback, 0o755); err != nil {
		t.Fatal(err)
	}
	refused("has mode 0755 and is open to others: chmod 0700 it")
	if err := os.Chmod(fallback, 0o700); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 {
		if err := os.Chown(fallback, 65534, 65534); err != nil {
			t.Fatal(err)
		}
		refused("belongs to uid 65534, not to us (0)")
	}
	elsewhere := filepath.Join(parent, "elsewhere")
	if err := errors.Join(os.Remove(fallback), os.Mkdir(elsewhere, 0o700), os.Symlink(elsewhere, fallback)); err != nil {
		t.Fatal(err)
	}
	refused("not a directory")
}

func TestLockIsBounded(t *testing.T) {
	dir := publicDir(t)
	unlock, err := lock(dir, lockWait)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lock(dir, 0); err == nil || !strings.Contains(err.Error(), "another process has held it") {
		t.Errorf("a second lock: %v", err)
	}
	unlock()
	unlock, err = lock(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	unlock()
}
