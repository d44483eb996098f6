package process

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func init() {
	workers["whoami"] = func() {
		groups, _ := unix.Getgroups()
		ruid, euid, suid := unix.Getresuid()
		rgid, egid, sgid := unix.Getresgid()
		fmt.Println(ruid, euid, suid, rgid, egid, sgid, groups)
		for line := range strings.Lines(status()) {
			for _, name := range []string{"CapInh:", "CapPrm:", "CapEff:", "CapAmb:", "NoNewPrivs:"} {
				if rest, ok := strings.CutPrefix(line, name); ok {
					fmt.Println(name, strings.TrimSpace(rest))
				}
			}
		}
		var death int32
		_ = unix.Prctl(unix.PR_GET_PDEATHSIG, ptr(&death), 0, 0, 0)
		dumpable, _ := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
		again, err := os.OpenFile("/dev/stdout", os.O_WRONLY, 0)
		fmt.Println("death", death, "dumpable", dumpable, "back", syscall.Setuid(0), "stdout", err)
		again.Close()
	}
}

func status() string {
	b, _ := os.ReadFile("/proc/thread-self/status")
	return string(b)
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root: only root can run a worker as another user")
	}
}

// open makes the test binary reachable for everybody: go test puts it where only
// its own user can go.
func open(t *testing.T) *Executable {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "tandem-process")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	b, err := os.ReadFile("/proc/self/exe")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	path := filepath.Join(dir, "worker")
	if err == nil {
		err = os.WriteFile(path, b, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	exe, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = exe.Close() })
	return exe
}

func TestAWorkerOfAnotherUser(t *testing.T) {
	needRoot(t)
	exe := open(t)
	as := &Credential{UID: 4242, GID: 4243, Groups: []int{4243, 4244}, Name: "user worker (uid 4242, gid 4243)"}
	out, exit := run(t, "whoami", func(s *Spec) {
		s.Exe, s.Credential, s.NoNewPrivs, s.DeathSignal = exe, as, true, unix.SIGTERM
	})
	want := `4242 4242 4242 4243 4243 4243 [4243 4244]
NoNewPrivs: 1
CapInh: 0000000000000000
CapPrm: 0000000000000000
CapEff: 0000000000000000
CapAmb: 0000000000000000
death 15 dumpable 1 back operation not permitted stdout <nil>
`
	if sorted(out) != sorted(want) || !exit.Clean() {
		t.Errorf("%s%v, want\n%s", out, exit, want)
	}
	out, exit = run(t, "whoami", func(s *Spec) { s.Exe = exe })
	if !strings.Contains(out, "NoNewPrivs: 0") || !strings.HasPrefix(out, "0 0 0 0 0 0") || !exit.Clean() {
		t.Errorf("%s%v: without a credential nothing must change", out, exit)
	}
}

func sorted(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i := range lines {
		for j := i; j > 0 && lines[j] < lines[j-1]; j-- {
			lines[j], lines[j-1] = lines[j-1], lines[j]
		}
	}
	return strings.Join(lines, "\n")
}

// A program that was replaced is started from its descriptor, by that user too.
func TestAReplacedExecutableStartsAsAnotherUser(t *testing.T) {
	needRoot(t)
	exe := open(t)
	if err := os.Remove(exe.Path()); err != nil {
		t.Fatal(err)
	}
	out, exit := run(t, "whoami", func(s *Spec) {
		s.Exe, s.Credential = exe, &Credential{UID: 4242, GID: 4243, Groups: []int{4243}, Name: "uid 4242"}
	})
	if !strings.HasPrefix(out, "4242 4242 4242") || !exit.Clean() {
		t.Errorf("%s%v", out, exit)
	}
}

// Who it was that could not go there or start it is the first question.
func TestWhatTheUserMayNotIsNamed(t *testing.T) {
	needRoot(t)
	exe := open(t)
	as := &Credential{UID: 4242, GID: 4243, Groups: []int{4243}, Name: "user worker (uid 4242, gid 4243)"}
	closed := t.TempDir()
	if err := os.Chmod(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	_, exit := run(t, "whoami", func(s *Spec) { s.Exe, s.Credential, s.Dir = exe, as, closed })
	if want := "change to directory " + closed + " as user worker (uid 4242, gid 4243): permission denied"; exit.String() != want {
		t.Errorf("%v, want %s", exit, want)
	}
	if err := os.Chmod(filepath.Dir(exe.Path()), 0o700); err != nil {
		t.Fatal(err)
	}
	_, exit = run(t, "whoami", func(s *Spec) { s.Exe, s.Credential = exe, as })
	if want := "execute " + exe.Path() + " as user worker (uid 4242, gid 4243): permission denied"; exit.String() != want {
		t.Errorf("%v, want %s", exit, want)
	}
}

// A supervisor of another user is told, not its worker left as it was.
func TestAChangeThatIsRefused(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root is refused nothing")
	}
	_, exit := run(t, "whoami", func(s *Spec) {
		s.Credential = &Credential{UID: 4242, GID: 4243, Groups: []int{4243}, Name: "uid 4242"}
	})
	if exit.Exec == nil || !strings.Contains(exit.String(), "take the groups of uid 4242") {
		t.Error(exit)
	}
}

// The limits are what was asked for, and not what Go makes of the number of open
// files for its own process, the shim among others.
func TestLimits(t *testing.T) {
	sh, err := Open("/bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	ask := func(limits []Limit) (string, Exit) {
		return run(t, "", func(s *Spec) {
			s.Exe, s.Args, s.Limits = sh, []string{"sh", "-c", "ulimit -Sn; ulimit -Hn; ulimit -Sc"}, limits
		})
	}
	out, exit := ask([]Limit{{"nofile", unix.RLIMIT_NOFILE, 33, 64}, {"core", unix.RLIMIT_CORE, 0, 0}})
	if want := "33\n64\n0\n"; out != want || !exit.Clean() {
		t.Errorf("%q, %v", out, exit)
	}
	_, exit = ask([]Limit{{"nofile", unix.RLIMIT_NOFILE, math.MaxUint64, math.MaxUint64}})
	if exit.Exec == nil || !strings.Contains(exit.String(), "set the resource limit nofile=") {
		t.Errorf("%v: more open files than the system has", exit)
	}
}
